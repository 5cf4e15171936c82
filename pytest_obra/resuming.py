"""``--obra-resume``: what an interrupted run has finished is taken over, and what it left half done goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
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
        """The rows of the tests that came to a verdict, by node id; half a line at the end is left out."""
        found: dict[str, dict[str, Any]] = {}
        if self.run:
            for line in (self._folder / "results.jsonl").read_bytes().split(b"\n")[:-1]:
                row = json.loads(line)
                if row["result"] != _BROKE and not row.get("tasks"):
                    found[row["node"]] = {**row, "taken_over": row.get("taken_over") or self.run}
        return found

    def report(self, node: str, scenario: Scenario, state: StateManager) -> ScenarioReport | None:
        """Return the report of a finished test, made from its row and the record; ``None`` when it must run."""
        from obra.errors import NotFound
        from obra.reports.report_of_row import report_of

        row = self.rows.get(node)
        if row is None or row["case"] != scenario.case:
            return None
        try:
            return report_of(row, scenario, state)
        except NotFound:  # another database: nothing is known of that run but its row
            return None


def interrupted_task(node: str, state: StateManager) -> int | None:
    """Return the newest interrupted task that belongs to the test *node*."""
    from obra.domain import TaskStatus

    for task in sorted(state.list_tasks(status=TaskStatus.INTERRUPTED, limit=None), key=lambda one: -one.id):
        if any(one["kind"] == NODE and one["data"]["node"] == node for one in state.events(task.id)):
            return task.id
    return None


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
