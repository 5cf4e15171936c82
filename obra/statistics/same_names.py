"""Scenarios of several files that have one name: they are no repeats of each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]


def shared_names(rows: Iterable[Row]) -> frozenset[str]:
    """Return the names of cases that come from more than one file; a run that broke may not know its file."""
    files: dict[str, str] = {}
    shared = set()
    for row in rows:
        case, path = _case(row), row.get("path", "")
        if row["result"] != "machinery_broke" and files.setdefault(case, path) != path:
            shared.add(case)
    return frozenset(shared)


def told_apart(rows: Iterable[Row], shared: Collection[str] | None = None) -> list[Row]:
    """Return *rows* with the file beside the name of each case that has its name from several.

    Without this two scenarios called alike would count as one that passes now and then.

    Args:
        rows: rows or lines of one run.
        shared: the names; those of :func:`shared_names` where none are given.
    """
    lines = list(rows)
    shared = shared_names(lines) if shared is None else shared
    if not shared:
        return lines
    return [
        {**row, "case": f"{_case(row)} [{row['path']}]"} if _case(row) in shared and row.get("path") else row
        for row in lines
    ]


def _case(row: Row) -> str:
    return str(row.get("case") or row["scenario"])
