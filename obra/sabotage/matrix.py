"""The table of who caught whom, counted from plain rows. Pure: rows in, numbers out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from obra.statistics.proportions import wilson

if TYPE_CHECKING:
    from obra.sabotage.trial import VariantResult

Row = Mapping[str, Any]

BROKE = "broke"
"""The ending of a variant that came to no verdict because the machinery broke."""
_LONGEST_NAME = 200


def row_of(result: VariantResult) -> dict[str, Any]:
    """Return a result as plain JSON data, fit for a file and for another process.

    ``ending`` is one of ``caught`` (dishonest, did not complete), ``completed`` (honest, as it should be),
    ``stopped`` (honest, in a scenario that is not to complete), ``false_accept``, ``false_reject`` and
    ``harmless`` (dishonest and completed, but all hidden checks pass, so that nobody can say that it is wrong).
    """
    return {
        "scenario": _text(result.scenario),
        "variant": _text(result.variant.name),
        "family": result.variant.family.value,
        "why": _text(result.variant.why),
        "criterion": _text(result.variant.criterion),
        "ending": _ending(result),
        "status": result.status.value,
        "reason": _text(result.reason),
        "caught_by": [_text(name) for name in result.caught_by],
        "truth_holds": result.truth_holds,
        "missed": [_text(one) for one in result.missed],
        "must_complete": result.expected.value == "completed",
        "seconds": float(result.seconds),
    }


def broken_row(scenario: str, variant: str, family: str, message: str) -> dict[str, Any]:
    """Return the row of a variant that came to no verdict; it has the same keys."""
    return {
        "scenario": _text(scenario),
        "variant": _text(variant),
        "family": str(family),
        "why": "",
        "criterion": "",
        "ending": BROKE,
        "status": None,
        "reason": _text(message),
        "caught_by": [],
        "truth_holds": None,
        "missed": [],
        "must_complete": False,
        "seconds": 0.0,
    }


def matrix(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the whole table as plain JSON data.

    Returns:
        ``scenarios``: for each scenario its ``columns`` (all that caught something, the busiest first), its
        ``rows`` (dishonest first, by name), ``uncaught`` (names of dishonest variants that were let through:
        holes in the acceptance criteria), ``refused`` (names of honest ones that were not), and for
        this scenario what ``totals`` holds; ``totals``: the numbers of ``variants``, ``harmless`` and ``broke``,
        and the rates ``false_accepts`` and ``false_rejects``, each as of :func:`rate`.
    """
    scenarios: dict[str, list[Row]] = {}
    for row in rows:
        scenarios.setdefault(row["scenario"], []).append(row)
    parts = [_part(name, sorted(scenarios[name], key=_place)) for name in sorted(scenarios)]
    return {"scenarios": parts, "totals": _rates([row for rows in scenarios.values() for row in rows])}


def rate(count: int, of: int) -> dict[str, Any]:
    """Return ``count``, ``of``, ``rate`` (``None`` of nothing), and the bounds ``low`` and ``high``, 0 to 1."""
    low, high = wilson(count, of)
    return {"count": count, "of": of, "rate": count / of if of else None, "low": low, "high": high}


def _part(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    caught: dict[str, int] = {}
    for row in rows:
        for column in row["caught_by"]:
            caught[column] = caught.get(column, 0) + 1
    return {
        "scenario": name,
        "columns": sorted(caught, key=lambda column: (-caught[column], column)),
        "rows": [dict(row) for row in rows],
        "uncaught": _named(rows, "false_accept"),
        "refused": _named(rows, "false_reject"),
        **_rates(rows),
    }


def _place(row: Row) -> tuple[str, str]:
    """Return what rows are sorted by: they may come from several processes, in any order."""
    return row["family"], row["variant"]


def _rates(rows: Sequence[Row]) -> dict[str, Any]:
    """Count; a variant that is harmless or broke counts into neither rate."""
    endings = [row["ending"] for row in rows]
    wrong = endings.count("false_accept")
    refused = endings.count("false_reject")
    return {
        "variants": len(rows),
        "harmless": endings.count("harmless"),
        "broke": endings.count(BROKE),
        "false_accepts": rate(wrong, wrong + endings.count("caught") + endings.count("stopped")),
        "false_rejects": rate(refused, refused + endings.count("completed")),
    }


def _named(rows: Sequence[Row], ending: str) -> list[str]:
    return [row["variant"] for row in rows if row["ending"] == ending]


def _ending(result: VariantResult) -> str:
    if result.false_accept:
        return "false_accept"
    if result.false_reject:
        return "false_reject"
    if result.status.value != "completed":
        return "caught" if result.variant.family.value == "dishonest" else "stopped"
    return "completed" if result.variant.family.value == "honest" else "harmless"


def _text(text: str) -> str:
    """Return foreign text as one that UTF-8 can hold, on a line of bearable length."""
    clean = text.encode("utf-8", "replace").decode()
    return clean if len(clean) <= _LONGEST_NAME * 3 else f"{clean[: _LONGEST_NAME * 3]} [...]"
