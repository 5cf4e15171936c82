"""What a report of ours weighs on its way from an xdist worker to the controller.

execnet takes plain data apart value by value, in Python, and puts it together in the same way. A scenario's row
has hundreds of values, so it travels as the line that the controller is to write. What else there is in a report
of ours, the three of each test alike, goes as one text, if it is plain. The rest of it, and every report of other
tests, travels as it was.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from pytest_obra import PACKED, SUFFIX

ROW_TEXT = "obra_row_text"
"""Of a report from a worker: the text that its row came as, see :func:`obra.reports.rows.json_line`."""
_ROWS = ("obra_row", "obra_variant_row")
_PREFIX = "obra_"
_PLAIN = frozenset({str, int, float, bool, type(None)})
"""Of a value of one of these types, and of no subclass, JSON makes the same again."""


class Packing:
    """Registered in xdist workers."""

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
        """Pack what is ours of a report's data."""
        data = yield
        return data and packed(data)


def packed(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a report with its rows as texts, and all that is plain as another; only ours are changed.

    Rows are plain JSON data (:mod:`obra.reports.rows`). What JSON would change stays as it is. Ours are reports
    of scenario files, and those with rows or properties of ours.
    """
    own: list[Any] = []
    others: list[Any] = []
    for one in data.get("user_properties") or ():
        (own if one[0].startswith(_PREFIX) and type(one[1]) in _PLAIN else others).append(one)
    rows = [name for name in _ROWS if data.get(name) is not None]
    if not own and not rows and f"{SUFFIX}::" not in data.get("nodeid", ""):
        return data
    found: dict[str, Any] = {"user_properties": own, "plain": {}, "location": None}
    kept: dict[str, Any] = {}
    for name, value in data.items():
        if type(value) in _PLAIN or (name == "keywords" and _is_plain(value)):
            found["plain"][name] = value
        else:
            kept[name] = value
    kept["user_properties"] = others
    if type(place := kept.get("location")) is tuple and all(type(one) in _PLAIN for one in place):
        found["location"] = kept.pop("location")
    if rows:
        from obra.reports.rows import json_line

        for name in rows:
            kept[name] = json_line(data[name])
    kept[PACKED] = json.dumps(found)
    return kept


def _is_plain(keywords: object) -> bool:
    if type(keywords) is not dict:
        return False
    return all(type(name) is str and type(value) in _PLAIN for name, value in keywords.items())


def unpacked(data: dict[str, Any]) -> None:
    """Put into the data of a report what :func:`packed` made texts of."""
    found = json.loads(data.pop(PACKED))
    own = [(name, value) for name, value in found.pop("user_properties")]
    data["user_properties"] = [*data["user_properties"], *own]
    if (place := found["location"]) is not None:
        data["location"] = tuple(place)
    data.update(found["plain"])
    if _ROWS[0] in data:
        data[ROW_TEXT] = data[_ROWS[0]]
    for name in _ROWS:
        if name in data:
            data[name] = json.loads(data[name])
