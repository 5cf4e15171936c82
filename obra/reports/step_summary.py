"""The summary of a run for the page of a CI job: short Markdown that fits into its limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from obra.reports.markdown import headline, not_run_parts, result_table
from obra.reports.quoting import inline
from obra.reports.sabotage import share_text
from obra.reports.wording import WORDS, command_again, issues_of, title_of

if TYPE_CHECKING:
    from obra.reports.stored_run import StoredRun

Row = Mapping[str, Any]

LARGEST = 1024 * 1024
"""Bytes that GitHub takes for the summary of one step; of a larger one it shows nothing (GitHub's documentation,
"Workflow commands", "Adding a job summary")."""
_RESERVE = 16 * 1024
"""Left free, for what other commands of the same step add."""
_MOST_ISSUES = 5
_LONGEST = 300


def step_summary(run: StoredRun, largest: int = LARGEST - _RESERVE) -> str:
    """Return the summary, at most *largest* bytes of UTF-8; what did not fit is counted at its end.

    What went wrong comes first, so that the limit cuts what is well.

    Raises:
        ReportError: the run cannot be read.
    """
    summary = run.summary()
    kept: list[str] = []
    used, left_out = 0, 0
    for part in _parts(summary, run.rows()):
        size = len(part.encode())
        if left_out or used + size > largest - _LONGEST:
            left_out += 1
        else:
            kept.append(part)
            used += size
    if left_out:
        kept.append(f"\n{left_out} more parts do not fit here; `report.md` of the run has everything.\n")
    return "".join(kept)


def _parts(summary: Row, rows: Iterable[Row]) -> Iterator[str]:
    yield f"# Obra run {inline(summary['run'])}\n\n{headline(summary)}"
    for gate in summary.get("gates", ()):
        words = ": ".join(filter(None, (gate["name"], "; ".join(gate["findings"]))))
        yield f"- Gate {inline(gate['state'])}: {inline(words, _LONGEST)}\n"
    if "sabotage" in summary:
        totals = summary["sabotage"]["totals"]
        yield (
            f"- Saboteurs: {totals['variants']} variants; false accepts {share_text(totals['false_accepts'])}; "
            f"false rejects {share_text(totals['false_rejects'])}\n"
        )
    for row, line in zip(rows, summary["scenarios"], strict=True):
        if row["result"] != "passed" and line["counts"] and not line["bare"]:
            yield "".join(_bad(row))
    yield "".join(not_run_parts(summary["not_run"], summary.get("not_run_reasons", {})))
    if summary["scenarios"]:
        yield from result_table(summary["scenarios"])


def _bad(row: Row) -> Iterator[str]:
    yield f"\n## {inline(title_of(row), 200)}: {WORDS[row['result']]}\n\n"
    yield f"Ended {row['status'] or 'without a verdict'}: {inline(row['reason'], _LONGEST)}\n\n"
    unmet = [check for check in (*row["expectations"], *row["truth"]) if not check["passed"]]
    for check in unmet[:_MOST_ISSUES]:
        yield f"- **not met**: {inline(check['name'], _LONGEST)}: {inline(check['message'], _LONGEST)}\n"
    for attempt in row["attempts"][-1:]:
        for issue in issues_of(attempt)[:_MOST_ISSUES]:
            yield f"- last attempt: {inline(issue, _LONGEST)}\n"
    yield f"- again: <code>{inline(command_again(row), _LONGEST)}</code>\n"
