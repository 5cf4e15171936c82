"""How scores are explained to people: what gave how many points, and what is no points but a remark."""

from __future__ import annotations

from collections.abc import Sequence

from obra.domain import Factor

MEASURED = "measured"
"""The factor of a confidence that says how often such verdicts were right."""


def parts_of_quality(factors: Sequence[Factor]) -> list[str]:
    """Return one line for each factor."""
    return [_line(one) for one in factors]


def parts_of_confidence(factors: Sequence[Factor]) -> list[str]:
    """Return one line for each factor, and one that says so where nobody measured what the points are worth."""
    lines = [_line(one) for one in factors]
    if not any(one.name == MEASURED for one in factors):
        lines.append("not measured: the number is the sum of these points, and no chance")
    return lines


def _line(factor: Factor) -> str:
    points = f"{factor.points:.1f} of {factor.weight:g}  "
    if not factor.weight:  # something that is taken off or given besides, or a remark
        points = f"{factor.points:+.1f}  " if factor.points else ""
    return f"{points}{factor.name}: {factor.why}"
