"""What a run as a whole comes to, at the terminal: repeats, gates, baseline, uplift. Plain text only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from obra.reports.quoting import visible
from obra.reports.statistics import (
    FIDELITY_HEAD,
    comparison_lines,
    disagreement_lines,
    fidelity_cells,
    flaky_lines,
    gate_lines,
    uplift_lines,
)
from obra.statistics.budget import amount
from obra.statistics.fidelity import fidelities
from obra.statistics.gates import share_text
from obra.statistics.runs import CaseStatistics, Measure, RunStatistics

Row = Mapping[str, Any]

_HEAD = ("repeats of", "passed", "rate", "95% interval", "pass@k", "pass^k", "time", "tokens", "cost")
_LONGEST_NAME = 44
MOST_ROWS = 50
"""Rows of a table that a person reads at a terminal; of more only those that are not simply well are shown."""


def conclusion_lines(rows: Sequence[Row], conclusion: Mapping[str, Any], numbers: RunStatistics) -> list[str]:
    """Return the lines below the closing table; none for a plain run without repeats, gates or comparisons.

    Args:
        rows: lines of all runs.
        conclusion: what :meth:`pytest_obra.reckoning.Reckoning.conclude` returned.
        numbers: the statistics of the rows.
    """
    lines: list[str] = []
    if numbers.has_repeats:
        shown = (
            numbers.cases if len(numbers.cases) <= MOST_ROWS else [case for case in numbers.cases if _is_odd(case)]
        )
        lines += ["", *_aligned([_HEAD, *(_cells(case) for case in shown)])]
        if len(shown) < len(numbers.cases):
            lines.append(f"not shown: {len(numbers.cases) - len(shown)} cases that passed every time")
        lines.append(f"all: {share_text(numbers.pass_rate)}")
        lines += flaky_lines(numbers.as_data())
        lines.append(f"used: {amount(numbers.cost_usd, 'USD')}, {amount(numbers.tokens, 'tokens')}")
    if agreement := [one.as_data() for one in fidelities(rows, conclusion.get("agents", ()))]:
        head = tuple(name.lower() for name in FIDELITY_HEAD)
        lines += ["", *_aligned([head, *(fidelity_cells(one) for one in agreement)])]
        lines += [f"  {line}" for line in disagreement_lines(agreement)]
    for part in (
        gate_lines(conclusion.get("gates", ())),
        comparison_lines(conclusion.get("comparison")),
        uplift_lines(conclusion.get("uplift", ())),
    ):
        lines += ["", *part] if part else []
    return [visible(line) for line in lines]


def _is_odd(case: CaseStatistics) -> bool:
    return bool(case.pass_rate.count < case.pass_rate.of or case.counts.machinery_broke)


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
    widths = [max(len(cells[column]) for cells in table) for column in range(len(table[0]))]
    return [
        " ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in table
    ]
