"""What a run as a whole comes to, at the terminal: repeats, gates, baseline, uplift. Plain text only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from obra.reports.quoting import visible
from obra.reports.statistics import comparison_lines, flaky_lines, gate_lines, uplift_lines
from obra.statistics.budget import amount
from obra.statistics.gates import share_text
from obra.statistics.runs import CaseStatistics, Measure, run_statistics

Row = Mapping[str, Any]

_HEAD = ("repeats of", "passed", "rate", "95% interval", "pass@k", "pass^k", "time", "tokens", "cost")
_LONGEST_NAME = 44


def conclusion_lines(rows: Sequence[Row], conclusion: Mapping[str, Any]) -> list[str]:
    """Return the lines below the closing table; none for a plain run without repeats, gates or comparisons.

    Args:
        rows: lines of all runs.
        conclusion: what :meth:`pytest_obra.reckoning.Reckoning.conclude` returned.
    """
    numbers = run_statistics(rows)
    lines: list[str] = []
    if numbers.has_repeats:
        lines += ["", *_aligned([_HEAD, *(_cells(case) for case in numbers.cases)])]
        lines.append(f"all: {share_text(numbers.pass_rate)}")
        lines += flaky_lines(numbers.as_data())
        lines.append(f"used: {amount(numbers.cost_usd, 'USD')}, {amount(numbers.tokens, 'tokens')}")
    for part in (
        gate_lines(conclusion.get("gates", ())),
        comparison_lines(conclusion.get("comparison")),
        uplift_lines(conclusion.get("uplift", ())),
    ):
        lines += ["", *part] if part else []
    return [visible(line) for line in lines]


def _cells(case: CaseStatistics) -> tuple[str, ...]:
    rate, broke = case.pass_rate, case.counts.machinery_broke
    name = case.label if len(case.label) <= _LONGEST_NAME else f"{case.label[: _LONGEST_NAME - 3]}..."
    passed = f"{rate.count}/{rate.of}" + (f" {broke} broke" if broke else "")
    if rate.rate is None:
        shares: tuple[str, ...] = ("-",) * 4
    else:
        interval = f"{rate.low:.1%} to {rate.high:.1%}"
        shares = (f"{rate.rate:.1%}", interval, f"{case.pass_at[-1]:.1%}", f"{case.pass_hat[-1]:.1%}")
    return (
        name,
        passed,
        *shares,
        _median(case.seconds, "{:.1f}s"),
        _median(case.tokens, "{:g}"),
        _median(case.cost_usd, "${:.2f}"),
    )


def _median(measure: Measure, form: str) -> str:
    return "unknown" if measure.median is None else form.format(measure.median)


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cells[column]) for cells in table) for column in range(len(_HEAD))]
    return [
        " ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in table
    ]
