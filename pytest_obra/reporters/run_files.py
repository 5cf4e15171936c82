"""Collects every scenario's row where the whole run is seen, writes the files and the closing table."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_obra import SUFFIX
from pytest_obra.repeats import names_of_lost
from pytest_obra.reporters.slim_reports import SlimReports
from pytest_obra.wire import ROW_TEXT

if TYPE_CHECKING:
    from obra.reports.run_writer import RunWriter
    from obra.reports.summary import Line
    from obra.statistics.runs import RunStatistics
    from pytest_obra.reckoning import Reckoning


class RunFiles:
    """Registered on the controller only; nothing is written or imported unless a scenario ran."""

    def __init__(self, config: pytest.Config, reckoning: Reckoning) -> None:
        self._config = config
        self._reckoning = reckoning
        self._conclusion: dict[str, Any] = {}
        self._started = time.monotonic()
        self._rows: list[Line] = []
        self._variants: list[dict[str, Any]] = []
        self._problems: list[str] = []
        self._planned: dict[str, None] = {}
        self._runs_again: set[str] = set()
        """Tests that a plugin is about to run again: with this execution they are not over."""
        self._not_run: dict[str, str] = {}
        self._writer: RunWriter | None = None
        self._slim = SlimReports(config)
        self._statistics: RunStatistics | None = None
        self._awaits_imports = False
        self._has_begun = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember which scenarios are about to run."""
        for item in session.items:
            callspec = getattr(item, "callspec", None)
            if callspec and "scenario" in callspec.params and "obra_agent_name" in callspec.params:
                self._planned[item.nodeid] = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Remember the same from a worker, which is who collects; our files are known by their name.

        One that takes the place of a killed worker collects again what others have run meanwhile.
        """
        if self._has_begun:
            return
        for node in ids:
            if f"{SUFFIX}::" in node:
                self._planned[node] = None
        self._awaits_imports = True

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Load what the end of the run needs, where workers run scenarios: now, while they are busy with them.

        In one process, the first scenario has loaded it.
        """
        self._has_begun = True
        if self._awaits_imports and nodeid in self._planned:
            self._awaits_imports = False
            importlib.import_module("pytest_obra.garbage").exit_without()
            importlib.import_module("pytest_obra.history")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Take the row from a report, in this process or from an xdist worker.

        The terminal keeps every report until the end; the rows, which hold whole conversations, it must not.
        """
        self._take(report)
        yield
        for name in ("obra_row", "obra_variant_row", ROW_TEXT):
            vars(report).pop(name, None)
        self._slim.take(report)

    def _take(self, report: pytest.TestReport) -> None:
        row = getattr(report, "obra_row", None)
        if row is None and report.failed and report.nodeid in self._planned and not _has_variant(report):
            row = _broken_row(report, self._config)  # a worker that was killed cannot tell
            vars(report)["obra_broke"] = True
        if report.when == "setup":
            self._runs_again.discard(report.nodeid)
        if str(report.outcome) == "rerun" and (row is not None or report.nodeid in self._planned):
            self._runs_again.add(report.nodeid)
        if report.when == "teardown" or report.skipped:
            self._planned.pop(report.nodeid, None)
        if hasattr(report, "obra_not_run") and report.nodeid not in self._reckoning.judged:
            self._not_run[report.nodeid] = report.obra_not_run[1]
        if row is not None:
            self._planned.pop(report.nodeid, None)
            self._write(row, getattr(report, ROW_TEXT, ""))
        variant_row = getattr(report, "obra_variant_row", None)
        if variant_row is not None:
            self._planned.pop(report.nodeid, None)
            self._write_variant(variant_row)
        if report.nodeid in self._runs_again:
            self._planned[report.nodeid] = None

    @pytest.hookimpl(wrapper=True, trylast=True)  # innermost: pytest's own table is printed around it
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge the run as a whole, and write summary and report; a full disk is told, and is no success."""
        known = self._rows or self._variants or self._reckoning.left_out or self._planned
        if not (known or self._reckoning.skipped or self._reckoning.gate_was_typed):
            return (yield)
        from obra.workspace.ctrl_c import ctrl_c_waits

        again, is_written = None, False
        try:
            with ctrl_c_waits():  # who presses it twice has a whole report all the same
                is_written = self._finish(session)
        except KeyboardInterrupt as error:
            again = error
        if self._rows and self._writer and is_written:
            self._remember(session, self._writer.directory.name)
        try:
            done = yield
        except OSError as error:
            from pytest_obra.reporters.junit_file import FULL, take_back_junit

            if error.errno not in FULL:
                raise
            self._problems.append(take_back_junit(self._config, error))
            self._admit(session)
            return []
        if again is not None:
            raise again
        return done

    def _finish(self, session: pytest.Session) -> bool:
        """Write what there is to write; return whether there is a report."""
        for node in self._planned:
            self._not_run.setdefault(node, _why_not(session))
        numbers = self._numbers()
        concluded = self._reckoning.conclude(session, self._rows, numbers, lost=bool(self._planned))
        self._conclusion = {**concluded, "not_run_reasons": self._not_run}
        allure = self._config.pluginmanager.get_plugin("obra-allure-surface")
        self._problems += allure.finish() if allure else ()
        self._admit(session)
        if self._writer is None:
            return False
        from obra.errors import ReportError
        from obra.reports.environment import environment

        try:
            self._writer.finish(
                environment(),
                not_run=tuple(self._not_run),
                exit_status=int(session.exitstatus),
                conclusion=self._conclusion,
                seconds=time.monotonic() - self._started,
                statistics=numbers,
            )
        except ReportError as error:
            self._problems.append(str(error))
            self._admit(session)
            return False
        return True

    def _admit(self, session: pytest.Session) -> None:
        """See to it that a run whose report is not whole does not look like one that is."""
        if self._problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the closing table, and what could not be written."""
        told = self._not_run or self._conclusion.get("gates") or self._conclusion.get("comparison")
        if self._writer is None and not told:
            return
        from pytest_obra.reporters.statistics_table import conclusion_lines
        from pytest_obra.reporters.terminal import summary_lines

        columns = max(shutil.get_terminal_size().columns, 80)
        terminalreporter.section("obra", sep="=")
        directory = _shown(self._writer.directory, self._config.invocation_params.dir) if self._writer else ""
        for line in (
            *self._saboteurs(directory),
            *summary_lines(self._rows, directory=directory, not_run=self._not_run, columns=columns),
            *conclusion_lines(self._rows, self._conclusion, self._numbers()),
        ):
            terminalreporter.line(line)
        for problem in dict.fromkeys(self._problems):
            terminalreporter.line(f"the report is not whole: {problem}", red=True)

    def _numbers(self) -> RunStatistics:
        """Return the statistics of all rows, counted once: to be called when no more will come."""
        if self._statistics is None:
            from obra.statistics.runs import run_statistics

            self._statistics = run_statistics(self._rows)
        return self._statistics

    def _remember(self, session: pytest.Session, name: str) -> None:
        """Add the run to the history, in the database of the first agent's settings."""
        from obra.errors import StateError
        from pytest_obra.history import remember

        seconds, status = time.monotonic() - self._started, int(session.exitstatus)
        try:
            remember(self._config, name, self._numbers(), exit_status=status, seconds=seconds)
        except StateError as error:
            self._problems.append(str(error))
            self._admit(session)

    def _saboteurs(self, directory: str) -> list[str]:
        """Return the lines about saboteurs, if any ran; without scenarios they also say where the report lies."""
        if not self._variants:
            return []
        from obra.sabotage.matrix import matrix
        from pytest_obra.reporters.sabotage_table import matrix_lines

        return [*matrix_lines(matrix(self._variants)), "" if self._rows else f"report: {directory}/report.md"]

    def _write(self, row: dict[str, Any], text: str) -> None:
        from obra.errors import ReportError
        from obra.reports.summary import Line

        try:
            self._rows.append(self._open().add(row, text))
        except ReportError as error:
            self._rows.append(Line(row))
            self._problems.append(str(error))

    def _write_variant(self, row: dict[str, Any]) -> None:
        from obra.errors import ReportError

        self._variants.append(row)
        try:
            self._open().add_variant(row)
        except ReportError as error:
            self._problems.append(str(error))

    def _open(self) -> RunWriter:
        """Return the writer of this run; it is made with the first row."""
        from obra.reports.run_writer import RunWriter, new_run_id

        if self._writer is None:
            self._writer = RunWriter(report_folder(self._config) / new_run_id(datetime.now(UTC)))
        return self._writer


def report_folder(config: pytest.Config) -> Path:
    """Return the folder that holds a folder for each run."""
    option = config.getoption("--obra-report-dir")
    return Path(option) if option else config.rootpath / "reports"


def _why_not(session: pytest.Session) -> str:
    """Say why a scenario that was collected never reported."""
    if session.exitstatus == pytest.ExitCode.INTERRUPTED:
        return f"the run was interrupted{f': {session.shouldstop}' if session.shouldstop else ''}"
    why = session.shouldfail or session.shouldstop
    return str(why) if why else "nobody ran it, or whoever did was lost"


def _has_variant(report: pytest.TestReport) -> bool:
    return getattr(report, "obra_variant_row", None) is not None


def _broken_row(report: pytest.TestReport, config: pytest.Config) -> dict[str, Any]:
    """Return the row of a scenario that nobody lived to tell of."""
    from obra.reports.rows import error_row
    from pytest_obra.collection import shortest

    names = names_of_lost(report.nodeid, config)
    return error_row(
        scenario=names.case.partition("[")[0],
        agent=names.agent,
        path=str(shortest(config.rootpath / report.nodeid.partition("::")[0], config)),
        node=report.nodeid,
        message=report.longreprtext,
        case=names.case,
        repeat=names.repeat,
        bare=names.bare,
    )


def _shown(path: Path, start: Path) -> str:
    return str(path.relative_to(start)) if path.is_relative_to(start) else str(path)
