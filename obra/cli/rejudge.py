"""``obra rejudge``: the attempts of a run, judged again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from obra.cli.commands import Command
from obra.cli.completions import run_names
from obra.cli.options import Chosen, json_option, settings_options, stored
from obra.cli.output import as_json, say, table
from obra.cli.report import reports_option

if TYPE_CHECKING:
    from obra.config import Config
    from obra.rejudging import Rejudged

HELP = """Judge the attempts of a run again, without an agent.

What agents did and what checks found is taken from the state database. With --llm, --times or settings of an
LLM the reviewer is asked again; otherwise the stored reviews stand, and the rules and thresholds of the settings
are applied to them. The database is not changed. A new folder among the reports holds rejudge.json and report.md.
"""
EXAMPLES = ("obra rejudge last -o validation.quality.threshold=90", "obra rejudge last --llm ollama --times 5")


@click.command(cls=Command, waits="judging", help=HELP, examples=EXAMPLES)
@click.argument("run", shell_complete=run_names, default="last")
@click.option("--llm", metavar="NAME", help="Who reviews: ollama, openai, llamacpp or another installed LLM.")
@click.option(
    "--times", type=click.IntRange(min=1), default=1, show_default=True, help="Judge each attempt so often."
)
@reports_option
@json_option
@settings_options
def rejudge(*, run: str, llm: str | None, times: int, reports: Path, in_json: bool, chosen: Chosen) -> None:
    """Print the decisions that changed, and how often the judge agrees with itself."""
    from obra.rejudging import Rejudging
    from obra.reports.stored_run import StoredRun

    config = chosen.load()
    if llm:
        config.set("llm.type", llm)
    asks = bool(llm) or times > 1 or any(key.startswith("llm.") for key in config.origins)
    _require_reviewer(config, asks=asks)
    found = StoredRun.find(run, reports)
    with stored(config) as state:
        judged = list(Rejudging(config, state, asks=asks).rejudge(found.rows(), times=times))
    data = _data(found.name, judged, times)
    folder = _write(reports, data)
    if in_json:
        as_json(data)
        return
    table(("CASE", "AGENT", "ATTEMPT", "THEN", "NOW", "WHY"), [_cells(one) for one in judged if one.changed])
    for line in (*_lines(data), f"report: {folder}/report.md"):
        say(line)


def _require_reviewer(config: Config, *, asks: bool) -> None:
    if asks and config.settings.llm.type == "scripted":
        raise click.UsageError("the scripted LLM has one script and no opinion; name a reviewer with --llm")


def _data(run: str, judged: Sequence[Rejudged], times: int) -> dict[str, Any]:
    from obra.statistics.agreement import agreement

    return {
        "rejudged": run,
        "times": times,
        "attempts": [{**asdict(one), "changed": one.changed} for one in judged],
        "changed": sum(one.changed for one in judged),
        "agreement": {
            "decisions": asdict(agreement(one.actions for one in judged)),
            "reviews": asdict(agreement(one.verdicts for one in judged)),
        },
    }


def _cells(one: Rejudged) -> tuple[object, ...]:
    return (one.case, one.agent, one.attempt, one.before, ", ".join(dict.fromkeys(one.actions)), one.reason)


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"{data['changed']} of {len(data['attempts'])} decisions changed"
    if data["times"] > 1:
        for name, found in data["agreement"].items():
            share = found["unanimous"]
            if found["pairwise"] is not None:
                yield (
                    f"{name}: {share['count']} of {share['of']} attempts the same all {data['times']} times "
                    f"(95% interval {share['low']:.1%} to {share['high']:.1%}), "
                    f"{found['pairwise']:.1%} of pairs agree"
                )


def _write(reports: Path, data: Mapping[str, Any]) -> Path:
    from obra.errors import ReportError
    from obra.reports.atomic_file import write_whole
    from obra.reports.run_writer import new_run_id

    folder = reports / f"{new_run_id(datetime.now(UTC))}-rejudged"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ReportError(
            f"the report {folder} cannot be made: {error.strerror}; name another --reports"
        ) from error
    write_whole(folder / "rejudge.json", (json.dumps(data, indent=2, allow_nan=False), "\n"))
    write_whole(folder / "report.md", _page(data))
    return folder


def _page(data: Mapping[str, Any]) -> Iterator[str]:
    from obra.reports.quoting import inline

    yield f"# Rejudged: {inline(data['rejudged'])}\n\n"
    yield "".join(f"- {inline(line)}\n" for line in _lines(data))
    yield "\n| Case | Agent | Attempt | Then | Now | Why |\n| --- | --- | --- | --- | --- | --- |\n"
    for one in data["attempts"]:
        if one["changed"]:
            now = ", ".join(dict.fromkeys(one["actions"]))
            cells = (one["case"], one["agent"], str(one["attempt"]), one["before"], now, one["reason"])
            yield f"| {' | '.join(inline(cell) for cell in cells)} |\n"
