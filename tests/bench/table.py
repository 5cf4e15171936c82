"""The table of claims: one line for each, beside its baseline and its limit."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One claim: what was measured, beside what, and what it may be at most or must be at least."""

    claim: str
    scenarios: int
    rounds: int
    ours: float
    baseline: float
    unit: str
    value: float
    """What is held against the limit."""
    low: float
    high: float
    limit: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        """Tell whether the limit holds; ``None`` where there is none."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def line(
    claim: str,
    size: int,
    took: list[tuple[float, ...]],
    values: list[float],
    unit: str,
    *,
    limit: float | None = None,
    at_least: bool = False,
) -> Line:
    """Return one line of the table; all of it medians over the rounds."""
    ours, baseline = (statistics.median(column) for column in zip(*took, strict=True))
    middle = statistics.median(values)
    return Line(claim, size, len(values), ours, baseline, unit, middle, min(values), max(values), limit, at_least)


def printed(found: Line) -> str:
    """Return one row of the table."""
    holds = {None: "", True: "yes", False: "NO"}[found.holds]
    limit = "" if found.limit is None else f"{'>=' if found.at_least else '<='} {found.limit:g}"
    both = f"{found.ours:.3f} {found.unit} | {found.baseline:.3f} {found.unit}"
    value = f"{found.value:.2f} | {found.low:.2f} to {found.high:.2f}"
    return f"| {found.claim} | {found.scenarios or ''} | {both} | {value} | {limit} | {holds} |"
