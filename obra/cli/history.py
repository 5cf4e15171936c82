"""``obra history``: how cases fared in the runs before."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, json_option, settings_options, stored
from obra.cli.output import as_json, say, table

if TYPE_CHECKING:
    from obra.errors import ReportError
    from obra.state.run_history import RunCase

_WIDTH, _HEIGHT = 72, 12
_FEWEST_POINTS = 2
_LOOKED_THROUGH = 1000
"""The newest runs whose cases may be meant by a name that is none."""


@click.command(
    cls=Command,
    waits="reading",
    examples=["obra history", "obra history hello_world", "obra history hello_world --json"],
)
@click.argument("case", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many runs.")
@json_option
@settings_options
def history(*, case: str | None, limit: int, in_json: bool, chosen: Chosen) -> None:
    """Show how cases fared in the runs before.

    The oldest comes first; for one CASE its pass rate is drawn, too. Runs of pytest are remembered in the state
    database. What each of them found stands in its report folder.
    """
    with stored(chosen.load()) as state:
        found = state.run_cases(case, limit=limit)
        known = {one.case for one in state.run_cases(limit=_LOOKED_THROUGH)} if case and not found else ()
    if case is not None and known:
        raise _unknown(case, sorted(known))
    if in_json:
        as_json(found)
        return
    table(
        ("RUN", "CASE", "AGENT", "PASSED", "WRONG", "BROKE", "SECONDS", "TOKENS", "COST"),
        [
            (
                one.run,
                one.case,
                f"{one.agent} alone" if one.bare else one.agent,
                f"{one.passed}/{one.judged}",
                one.verdict_wrong,
                one.machinery_broke,
                _known(one.seconds, "{:.1f}"),
                _known(one.tokens, "{:g}"),
                _known(one.cost_usd, "${:.2f}"),
            )
            for one in found
        ],
    )
    if case is not None:
        _draw(case, found)


def _unknown(case: str, known: Sequence[str]) -> ReportError:
    from obra.errors import ReportError

    close = difflib.get_close_matches(case, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "'obra history' shows those of the newest runs"
    return ReportError(f"no run is remembered of a case {case!r}; {hint}")


def _draw(case: str, found: Sequence[RunCase]) -> None:
    """Draw the pass rate of each agent over the runs that came to a verdict."""
    rates: dict[str, tuple[list[int], list[float]]] = {}
    runs = list(dict.fromkeys(one.run for one in found))
    for one in found:
        if one.judged:
            places, values = rates.setdefault(f"{one.agent} alone" if one.bare else one.agent, ([], []))
            places.append(runs.index(one.run) + 1)
            values.append(100 * one.passed / one.judged)
    if len(runs) < _FEWEST_POINTS or not rates:
        return
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(_WIDTH, _HEIGHT)
    plotext.title(f"pass rate of {case} in %, run by run")
    plotext.ylim(0, 100)
    for label, (places, values) in rates.items():
        plotext.plot(places, values, label=label, marker="dot")
    for line in plotext.uncolorize(plotext.build()).splitlines():
        say(line.rstrip())


def _known(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)
