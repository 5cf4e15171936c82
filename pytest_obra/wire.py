"""What a report of ours weighs on its way from an xdist worker to the controller.

execnet takes plain data apart value by value, in Python, and puts it together in the same way. A scenario's row
has hundreds of values, so it travels as the line that the controller is to write; the report's keywords and our
properties go as one text, too. All else of a report, and every report of other tests, travels as it was.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from pytest_obra import PACKED

ROW_TEXT = "obra_row_text"
"""Of a report from a worker: the text that its row came as, see :func:`obra.reports.rows.json_line`."""
_ROWS = ("obra_row", "obra_variant_row")
_PREFIX = "obra_"
_PLAIN = (str, int, float, bool)


class Packing:
    """Registered in xdist workers."""

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
        """Pack what is ours of a report's data."""
        data = yield
        return data and packed(data)


def packed(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a report with its rows, its keywords and our properties as texts; only ours have any.

    Rows are plain JSON data (:mod:`obra.reports.rows`). Properties and keywords that JSON would change stay as
    they are.
    """
    own: list[Any] = []
    others: list[Any] = []
    for one in data.get("user_properties") or ():
        (own if one[0].startswith(_PREFIX) and type(one[1]) in _PLAIN else others).append(one)
    rows = [name for name in _ROWS if data.get(name) is not None]
    if not own and not rows:
        return data
    found: dict[str, Any] = {"user_properties": own}
    kept = {**data, "user_properties": others}
    keywords = data.get("keywords") or {}
    if all(type(name) is str and type(value) is int for name, value in keywords.items()):
        found["keywords"] = kept.pop("keywords", {})
    if rows:
        from obra.reports.rows import json_line

        for name in rows:
            kept[name] = json_line(data[name])
    kept[PACKED] = json.dumps(found)
    return kept


def unpacked(data: dict[str, Any]) -> None:
    """Put into the data of a report what :func:`packed` made texts of."""
    found = json.loads(data.pop(PACKED))
    own = [(name, value) for name, value in found.pop("user_properties")]
    data["user_properties"] = [*data["user_properties"], *own]
    data.update(found)
    if _ROWS[0] in data:
        data[ROW_TEXT] = data[_ROWS[0]]
    for name in _ROWS:
        if name in data:
            data[name] = json.loads(data[name])
