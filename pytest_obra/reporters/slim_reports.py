"""pytest keeps three reports of each test to the end of the run: what they say alike is kept once."""

from __future__ import annotations

from typing import Any

import pytest

_PARTS = ("nodeid", "location", "keywords", "user_properties", "sections")


class SlimReports:
    """Lets the reports of one test share what is equal in them; what they say stays as it is."""

    def __init__(self) -> None:
        self._running: dict[str, dict[str, Any]] = {}

    def take(self, report: pytest.TestReport) -> None:
        """Slim a report that every plugin was told of: from then on it is only read."""
        own, known = vars(report), self._running.setdefault(report.nodeid, {})
        for name in _PARTS:
            if name not in own:  # another pytest
                continue
            value = own[name]
            if name in known and type(known[name]) is type(value) and known[name] == value:
                own[name] = known[name]
            else:
                known[name] = value
        if report.when == "teardown":
            del self._running[report.nodeid]
