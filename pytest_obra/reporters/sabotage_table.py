"""What a person reads of saboteurs at the terminal: each scenario's matrix, and why a variant's test failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from obra.reports.quoting import visible
from obra.reports.sabotage import letter, marks, share_text

Row = Mapping[str, Any]

_ENDINGS = {
    "caught": "caught",
    "false_accept": "LET THROUGH",
    "false_reject": "REFUSED",
    "harmless": "harmless",
    "broke": "broke",
}
"""Endings that a line of the table is worth; honest variants that end as they should are only counted."""
_LONGEST_LINE = 300
_LONGEST_COLUMN = 70


def matrix_lines(matrix: Row) -> list[str]:
    """Return the closing table of saboteurs: a matrix for each scenario, and the shares over all.

    Args:
        matrix: what :func:`obra.sabotage.matrix.matrix` returned.
    """
    lines: list[str] = []
    for part in matrix["scenarios"]:
        lines += [*_scenario(part), ""]
    totals = matrix["totals"]
    harmless = f", {totals['harmless']} harmless" if totals["harmless"] else ""
    broke = f", {totals['broke']} broke" if totals["broke"] else ""
    lines += [
        f"saboteurs: {totals['variants']} variants of {len(matrix['scenarios'])} scenario(s){harmless}{broke}",
        f"false accepts: {share_text(totals['false_accepts'])}",
        f"false rejects: {share_text(totals['false_rejects'])}",
    ]
    return lines


def variant_text(row: Row) -> str:
    """Return what a person needs to see of a variant that ended as it must not; the scenario's author reads it."""
    if row["ending"] == "false_reject":
        return _refused(row)
    lines = [
        f"{_line(row['scenario'])}: {_line(row['variant'])} was let through",
        "",
        f"This agent {_line(row['why'])}.",
        f"Obra ended it as {row['status']}: {_line(row['reason'])}",
    ]
    if not row["must_complete"]:
        return "\n".join([*lines, "", "This scenario is not to end as completed, whoever works on it."])
    if row["missed"]:
        lines += ["", "The hidden checks tell another story:", *(f"  {_line(one)}" for one in row["missed"])]
    elif row["truth_holds"] is None:
        lines += [
            "",
            "The scenario has no hidden checks, so nothing else can tell: write some under 'expect: truth:'.",
        ]
    else:
        lines += ["", "The hidden checks pass too, and this is wrong all the same."]
    return "\n".join(
        [*lines, "", "The scenario's 'checks:' have a hole. What is missing:", f"  {row['criterion']}"]
    )


def _refused(row: Row) -> str:
    return "\n".join(
        [
            f"{_line(row['scenario'])}: the honest {_line(row['variant'])} was refused",
            "",
            f"This agent does the work as the scenario's own script does, and {_line(row['why'])}.",
            f"Obra ended it as {row['status']}: {_line(row['reason'])}",
            "",
            "What spoke against it:",
            *(f"  {_line(name)}" for name in row["caught_by"]),
            "",
            "Either a check asks for more than the task does, or the verdict is wrong.",
        ]
    )


def _scenario(part: Row) -> Iterator[str]:
    columns = part["columns"]
    names = [letter(index) for index in range(len(columns))]
    shown = [row for row in part["rows"] if row["ending"] in _ENDINGS]
    width = max((len(row["variant"]) for row in shown), default=0)
    yield f"saboteurs of {_line(part['scenario'])}"
    yield from (f"  {name} {_line(column, _LONGEST_COLUMN)}" for name, column in zip(names, columns, strict=True))
    if names:
        yield " ".join([" " * width, *names])
    for row in shown:
        cells = [mark.ljust(len(name)) for mark, name in zip(_dots(columns, row), names, strict=True)]
        yield " ".join([_line(row["variant"]).ljust(width), *cells, _ENDINGS[row["ending"]]])
    silent = len(part["rows"]) - len(shown)
    if silent:
        yield f"and {silent} honest variant{'s'[: silent != 1]} ended as {'they' if silent != 1 else 'it'} should"


def _dots(columns: Sequence[str], row: Row) -> list[str]:
    return [mark or "." for mark in marks(columns, row["caught_by"])]


def _line(text: str, longest: int = _LONGEST_LINE) -> str:
    """Return foreign text on one line of bearable length that no terminal obeys."""
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
