"""What a person reads at the terminal: the closing table, and why a scenario failed. Plain text only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from obra.errors import ObraError
from obra.reports.quoting import visible
from obra.reports.rows import row_of, text_of
from obra.reports.wording import agent_text
from obra.scenarios.scenario_run import ScenarioReport
from obra.statistics.trials import counting
from pytest_obra.reporters.statistics_table import MOST_ROWS

Row = Mapping[str, Any]

_HEAD = ("scenario", "agent", "result", "status", "tries", "quality", "sure", "time", "cost")
"""``sure`` is the confidence; the short words let a line fit into 80 columns."""
_NUMBERS = 4
"""Columns before the first that holds numbers, which are set to the right."""
_SHORT = {"passed": "passed", "agent_failed": "failed", "verdict_wrong": "wrong", "machinery_broke": "broke"}
_LONG = {"agent_failed": "the agent failed", "verdict_wrong": "the verdict is wrong", "passed": "passed"}
_SHORTEST_NAME = 19
"""Of the column of names, however little room the others leave."""
_CUT = "..."
_LONGEST_LINE = 400
_MOST_NAMES = 5
_MOST_OUTPUT_LINES = 12
_WHOLE_SECONDS = 100
"""From here on tenths of a second tell nothing."""


def summary_lines(
    rows: Sequence[Row], *, directory: str, not_run: Mapping[str, str], columns: int = 80
) -> list[str]:
    """Return the closing table of a run, line by line; nothing when nothing was asked for.

    Args:
        rows: rows of :mod:`obra.reports.rows`.
        directory: where the run's files lie.
        not_run: what was asked for and never ran, and why.
        columns: of the terminal; names of cases are cut in their middle, so that the table fits.
    """
    lines: list[str] = []
    counted = {id(row): row for row in counting(rows)}
    if rows:
        shown = rows if len(rows) <= MOST_ROWS else _worth_a_look(rows)
        if shown:
            repeated = {_case(row) for row in rows if row["repeat"] > 1}
            cells = (_cells(row, is_repeated=_case(row) in repeated, counts=id(row) in counted) for row in shown)
            lines += _aligned([_HEAD, *cells], columns)
        if len(shown) < len(rows):
            lines.append(
                f"not shown: {len(rows) - len(shown)} that passed; every row stands in {directory}/report.md"
            )
        lines += ["", *_counts(rows, tuple(counted.values()))]
    for reason in dict.fromkeys(not_run.values()):
        found = [name for name, why in not_run.items() if why == reason]
        names = ", ".join(_line(name) for name in found[:_MOST_NAMES])
        more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
        lines.append(f"not run: {names}{more} ({_line(reason)})")
    if rows:
        lines.append(f"report: {directory}/report.md")
    return lines


def failure_text(report: ScenarioReport) -> str:
    """Return what a person needs to see of a scenario that did not pass, the most important line first."""
    row = row_of(report)
    unmet = [*_unmet("", row["expectations"]), *_unmet("hidden check ", row["truth"])]
    lines = [f"{_line(row['scenario'])} ({_line(row['agent'])}): {_LONG[row['result']]}: {_first(row, unmet)}", ""]
    lines += ["What was not met:", *(f"  {line}" for line in unmet), ""]
    for attempt in row["attempts"]:
        lines += [*_attempt(attempt), ""]
    lines += [
        f"Ended {row['status']}: {_line(row['reason'])}",
        *_breakpoint(row),
        "To look further:",
        f"  the workspace   {_line(row['workspace'])}",
        f"  every attempt   obra task show {row['task']}",
    ]
    if row["breakpoint"]:
        lines.append(f"  answer it       obra breakpoint resolve {row['breakpoint']['id']} 'your answer'")
    return "\n".join(lines)


def error_text(error: ObraError) -> str:
    """Return what a person needs to see when the machinery broke; it says nothing about the agent."""
    notes = getattr(error, "__notes__", ())
    told = "\n".join(visible(text_of(text)) for text in (str(error), *notes))
    return f"The machinery broke, so there is no verdict ({type(error).__name__}): {told}"


def _worth_a_look(rows: Sequence[Row]) -> list[Row]:
    """Return what did not pass, and all runs of cases that passed at one time and not at another."""
    odd = {_case(row) for row in rows if row["result"] != "passed"}
    return [row for row in rows if _case(row) in odd]


def _case(row: Row) -> tuple[str, str, bool]:
    return row["case"], row["agent"], row["bare"]


def _cells(row: Row, *, is_repeated: bool, counts: bool) -> tuple[str, ...]:
    return (
        _line(f"{row['case']} #{row['repeat']}" if is_repeated else row["case"]),
        _name(agent_text(row), _SHORTEST_NAME),
        _SHORT[row["result"]] if counts else f"({_SHORT[row['result']]})",
        row["status"] or "-",
        str(row["iterations"]),
        _score(row["quality"]),
        _score(row["confidence"]),
        _time(row["seconds"]),
        _cost(row["cost_usd"]),
    )


def _aligned(table: Sequence[Sequence[str]], columns: int) -> Iterator[str]:
    widths = [max(len(cells[column]) for cells in table) for column in range(len(_HEAD))]
    room = max(columns - sum(widths[1:]) - len(widths[1:]), _SHORTEST_NAME)
    widths[0] = min(widths[0], room)
    for name, *others in table:
        cells = (_name(name, room), *others)
        padded = (
            cell.ljust(width) if column < _NUMBERS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield " ".join(padded).rstrip()


def _counts(rows: Sequence[Row], counted: Sequence[Row]) -> Iterator[str]:
    """Yield how many runs had which outcome; what a plugin ran again is told apart, and what it made pass."""
    with_obra = [row for row in counted if not row["bare"]]
    seen = Counter(_SHORT[row["result"]] for row in with_obra)
    told = [f"{seen[word]} {word}" for word in _SHORT.values() if seen[word]]
    alone = [f"and {len(counted) - len(with_obra)} without Obra"] if len(counted) > len(with_obra) else []
    yield ", ".join([f"scenarios: {len(with_obra)}", *told, *alone])
    if len(rows) == len(counted):
        return
    yield f"in brackets, and not counted: {len(rows) - len(counted)} executions of tests that ran more than once"
    last = {row["node"]: row for row in rows}
    bad = [row for row in counted if row["result"] in _LONG and row["result"] != "passed"]
    mended = [_line(row["case"]) for row in bad if last[row["node"]]["result"] == "passed"]
    if mended:
        yield f"passed only when run again, and the first verdict counts: {', '.join(dict.fromkeys(mended))}"


def _unmet(kind: str, checks: Iterable[Row]) -> Iterator[str]:
    for check in checks:
        if not check["passed"]:
            yield f"{kind}{_line(check['name'])}: {_line(check['message'])}"
            yield from (f"    {line}" for line in _tail(check["output"]))


def _first(row: Row, unmet: Sequence[str]) -> str:
    """Return in one line what was expected and what was seen."""
    if row["result"] == "verdict_wrong" and unmet and unmet[0].startswith("hidden check "):
        return f"Obra ended it as {row['status']}, but {unmet[0]}"
    found = unmet[0] if unmet else "nothing says why"
    last = row["attempts"][-1] if row["attempts"] else None
    if row["status"] == "failed" and last and last["action"] in {"retry", "clarify"}:
        # It broke off behind an attempt that was sent back, and that is where to look.
        return f"{_line(last['reason'])}; then {found}"
    return found


def _attempt(attempt: Row) -> Iterator[str]:
    yield (
        f"Attempt {attempt['number']}: quality {_score(attempt['quality'])}, "
        f"confidence {_score(attempt['confidence'])}, {_time(attempt['seconds'])}, "
        f"cost {_cost(attempt['cost_usd'])} -> {attempt['action']}"
    )
    yield f"  {_line(attempt['reason'])}"
    checks = attempt["checks"]
    yield f"  {len(attempt['changes'])} file(s) changed, {_passed(checks)} of {len(checks)} check(s) passed"
    for check in checks:
        if not check["passed"]:
            yield f"  {'failed' if check['required'] else 'not required'}: {_line(check['name'])}: " + _line(
                check["message"]
            )
    review = attempt["review"]
    issues = "; ".join(_line(issue) for issue in review["issues"])
    yield f"  review: {review['verdict']}, score {_score(review['score'])}" + (f": {issues}" if issues else "")
    for problem in attempt["problems"]:
        yield f"  the reply is no answer: {problem}"


def _breakpoint(row: Row) -> Iterator[str]:
    opened = row["breakpoint"]
    if opened:
        yield f"Breakpoint {opened['id']} ({opened['trigger']}): {_line(opened['reason'])}"


def _passed(checks: Iterable[Row]) -> int:
    return sum(check["passed"] for check in checks)


def _tail(output: str) -> list[str]:
    lines = [_line(line, keep_indent=True) for line in output.splitlines() if line.strip()]
    if len(lines) <= _MOST_OUTPUT_LINES:
        return lines
    return [f"[{len(lines) - _MOST_OUTPUT_LINES} lines before]", *lines[-_MOST_OUTPUT_LINES:]]


def _line(text: str, *, keep_indent: bool = False) -> str:
    """Return foreign text on one line of bearable length that no terminal obeys."""
    shown = visible(text.expandtabs(4).rstrip() if keep_indent else " ".join(text.split()))
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]} [...]"


def _name(text: str, room: int) -> str:
    """Return a name in its room; what is cut out is its middle, as the values of a case stand at the end."""
    shown = _line(text)
    if len(shown) <= room:
        return shown
    end = (room - len(_CUT)) // 2
    return f"{shown[: room - len(_CUT) - end]}{_CUT}{shown[-end:]}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.0f}s" if seconds >= _WHOLE_SECONDS else f"{seconds:.1f}s"


def _cost(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"${dollars:.2f}"
