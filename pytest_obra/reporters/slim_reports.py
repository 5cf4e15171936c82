"""pytest keeps three reports of each test to the end of the run: for scenarios, less of that is kept."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_obra import SUFFIX

_PARTS = ("nodeid", "location", "keywords", "user_properties", "sections")
_NO_CATEGORY = ""
"""Where the terminal keeps the reports of setups and teardowns that passed."""


class SlimReports:
    """Makes the reports of scenario files small once every plugin was told of them; others stay as they are.

    The reports of one test share what is equal in them. Those of a setup or a teardown that passed are not kept at
    all, as the terminal shows nothing of them: it needs them for ``--durations``, for what a test printed, and for
    the style ``times``, and then they stay.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._running: dict[str, dict[str, Any]] = {}
        timed = config.getoption("durations", None) is not None
        has_terminal = config.pluginmanager.hasplugin("terminal")  # with -p no:terminal its setting is unknown
        self._keeps_all = timed or (has_terminal and config.getini("console_output_style") == "times")

    def take(self, report: pytest.TestReport) -> None:
        """Slim a report: from now on it is only read, if at all."""
        if f"{SUFFIX}::" not in report.nodeid:
            return
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
        if report.passed and report.when in {"setup", "teardown"} and not (report.sections or self._keeps_all):
            self._let_go(report)

    def _let_go(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        kept = getattr(terminal, "stats", {}).get(_NO_CATEGORY)  # there may be none, or somebody's own
        if kept and kept[-1] is report:
            del kept[-1]
