"""``--obra-resume``: what an interrupted run has finished is taken over, and what it left half done goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from datetime import datetime

    from obra.domain import Task
    from obra.scenarios.scenario import Scenario
    from obra.scenarios.scenario_run import ScenarioReport
    from obra.state.state_manager import StateManager

WORKER_INPUT = "obra_resumed_run"
NODE = "test"
"""Kind of the event that tells which test a task belongs to."""
_INTERRUPTED = 2
"""pytest's exit status of a run that a person stopped."""
_BROKE = "machinery_broke"


class Resumption:
    """The newest run in the report folder, when it was interrupted.

    Attributes:
        run: its name; empty when the newest run came to its end, or there is none.
    """

    def __init__(self, folder: Path) -> None:
        """Look for the run; its rows are read when they are asked for."""
        self._folder = folder
        self._tasks: dict[int, Mapping[str, Any]] | None = None
        self._newest: dict[str, int] = {}
        self.run = folder.name if (folder / "results.jsonl").is_file() and not _is_whole(folder) else ""

    @classmethod
    def newest(cls, reports: Path) -> Resumption:
        """Return the newest run below *reports*."""
        from obra.reports.stored_run import when

        found = [path for path in reports.glob("*") if path.is_dir()] if reports.is_dir() else []
        return cls(max(found, key=when, default=reports / "none"))

    @property
    def folder(self) -> str:
        """The run's folder, for other processes."""
        return str(self._folder)

    @cached_property
    def rows(self) -> Mapping[str, dict[str, Any]]:
        """The rows of the tests that came to a verdict, by node id; half a line at the end is left out.

        Of a test that a plugin ran again it is the first, which counts: who resumes a run does not lose a failure.
        """
        found: dict[str, dict[str, Any]] = {}
        if self.run:
            for line in (self._folder / "results.jsonl").read_bytes().split(b"\n")[:-1]:
                row = json.loads(line)
                if row["result"] != _BROKE:
                    found.setdefault(row["node"], {**row, "taken_over": row.get("taken_over") or self.run})
        return found

    def report(self, node: str, scenario: Scenario, state: StateManager) -> ScenarioReport | None:
        """Return the report of a finished test, made from its row and the record; ``None`` when it must run.

        It must where its file has changed since.
        """
        from obra.errors import NotFound
        from obra.reports.report_of_row import report_of

        row = self.rows.get(node)
        if row is None or row["case"] != scenario.case or self._has_changed(row["task"], scenario, state):
            return None
        try:
            return report_of(row, scenario, state)
        except NotFound:  # another database: nothing is known of that run but its row
            return None

    def left_behind(self, node: str, scenario: Scenario, state: StateManager) -> int | None:
        """Return a task of a run of the test *node* to go on with; ``None`` when the test must run from its begin.

        That run is the newest of this test. It is gone on with when a task of it was under way or was still to be
        begun behind another one, and also when all were over, if the interrupted run had no time to tell so.
        """
        from obra.domain import TaskStatus
        from obra.scenarios.playing import is_left_half_done, last_begun, tasks_of_run

        self._tests(state)
        newest = self._newest.get(node)
        if newest is None or self._has_changed(newest, scenario, state):
            return None
        tasks = tasks_of_run(state, newest)
        if not any(task.fence for task in tasks) or last_begun(tasks).status is TaskStatus.FAILED:
            return None  # never begun, or nothing says whether the agent failed or the machinery
        if is_left_half_done(tasks):
            return newest
        if not (self.run and self._has_begun(tasks[0])):
            return None  # of an earlier run, whose report is gone or lies elsewhere: it says nothing about today
        ids = {task.id for task in tasks}
        return None if ids & self._told_since(tasks[0].created_at) else newest

    def _has_begun(self, task: Task) -> bool:
        """Tell whether the interrupted run can have begun a task: not before those that it told of itself.

        Where it told of none, not before its folder was made, which is when its first row was known.
        """
        from obra.reports.stored_run import when

        if self._first_task is not None:
            return task.id >= self._first_task
        return task.created_at is not None and f"{task.created_at:%Y%m%d-%H%M%S}" >= when(self._folder)[0]

    @cached_property
    def _first_task(self) -> int | None:
        """The first task that the interrupted run told of itself; ``None`` where it told of none."""
        own = (row["task"] for row in self.rows.values() if row["taken_over"] == self.run)
        return min((task for task in own if task is not None), default=None)

    def _has_changed(self, task: int | None, scenario: Scenario, state: StateManager) -> bool:
        """Tell whether a task was begun by a text that says something else today; of some it is not known."""
        told = self._tests(state).get(task, {}) if task is not None else {}
        return bool(told.get("digest")) and told["digest"] != scenario.digest

    def _tests(self, state: StateManager) -> Mapping[int, Mapping[str, Any]]:
        """Return what is told of the test of each task; learnt once, with the newest task of each test."""
        if self._tasks is None:
            self._tasks = dict(state.events_of_kind(NODE))
            for task, told in self._tasks.items():
                self._newest.setdefault(told["node"], task)
        return self._tasks

    def _told_since(self, moment: datetime | None) -> frozenset[int]:
        """Return the tasks that have a row in a run whose first row may be younger than *moment*."""
        from obra.reports.stored_run import when

        found: set[int] = set()
        folders = [path for path in self._folder.parent.glob("*") if (path / "results.jsonl").is_file()]
        for folder in sorted(folders, key=when, reverse=True):
            lines = (folder / "results.jsonl").read_bytes().split(b"\n")[:-1]
            found.update(row["task"] for row in map(json.loads, lines) if row["task"] is not None)
            if moment is not None and when(folder)[0] <= f"{moment:%Y%m%d-%H%M%S}":
                break
        return frozenset(found)


def told_of(node: str, scenario: Scenario) -> dict[str, dict[str, str]]:
    """Return what the story of each task begins with, so that a later run can go on with it."""
    return {NODE: {"node": node, "digest": scenario.digest}}


class ResumedRun:
    """Registered with ``--obra-resume``: chooses the run once, for all processes, and says so."""

    def __init__(self, config: pytest.Config) -> None:
        worker = getattr(config, "workerinput", None)
        option = config.getoption("--obra-report-dir")
        reports = Path(option) if option else config.rootpath / "reports"
        self.resumption = Resumption(Path(worker[WORKER_INPUT])) if worker else Resumption.newest(reports)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Let each xdist worker go on with the same run."""
        node.workerinput[WORKER_INPUT] = self.resumption.folder

    def pytest_report_header(self) -> str:
        """Say what is gone on with."""
        found = self.resumption
        if not found.run:
            return "obra: the newest run was not interrupted; only tasks that were left half done go on"
        return f"obra: going on with run {found.run}, which finished {len(found.rows)} scenario(s)"


def _is_whole(folder: Path) -> bool:
    """Tell whether a run came to its end; one that a person stopped did not."""
    try:
        summary = json.loads((folder / "summary.json").read_bytes())
    except FileNotFoundError:
        return False
    return bool(summary.get("exit_status") != _INTERRUPTED)
