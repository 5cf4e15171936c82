"""One case on a worker: by the same road as anywhere, with what must travel brought along and sent back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obra.config import Config
from obra.domain import Task, TaskStatus
from obra.errors import RemoteRunFailed, ScaleError
from obra.scale.artefacts import Artefacts
from obra.scale.port import Claim, Order
from obra.scale.snapshots import TravellingWorkspace, fetch
from obra.scale.sources import Source, unpack
from obra.scenarios.playing import last_begun, store_tasks, tasks_of_run
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import ScenarioReport, prepare_workspace, run_scenario
from obra.scenarios.scenario_settings import with_settings

if TYPE_CHECKING:
    from obra.orchestrator import Orchestrator
    from obra.state.state_manager import StateManager
    from obra.workspace.workspace import Workspace

_REMEMBERED = 64
"""Scenarios and settings that a worker keeps read; a set of cases has few."""


class CaseRunner:
    """Runs claims in one process, one after the other.

    Args:
        load: returns the worker's own settings for an agent.
        state: the shared database.
        artefacts: the shared place.
        folder: this worker's own folder, for workspaces and unpacked scenarios.
        remember_task: told which task a claim is, before any work on it begins.
    """

    def __init__(
        self,
        *,
        load: Callable[[str], Config],
        state: StateManager,
        artefacts: Artefacts,
        folder: Path,
        remember_task: Callable[[Claim, int], None],
    ) -> None:
        self._state = state
        self._artefacts = artefacts
        self._folder = folder
        self._remember_task = remember_task
        self._load = load
        self._config_of = lru_cache(_REMEMBERED)(self._make_config)
        self._cases_of = lru_cache(_REMEMBERED)(self._read_cases)

    def run(self, claim: Claim) -> dict[str, Any]:
        """Return the row of a case that came to a verdict.

        Raises:
            ObraError: the machinery broke, or the case was lost to another worker.
            KeyboardInterrupt: it was stopped; what is done is kept.
        """
        order = claim.order
        scenario = self._scenario(order)
        config = with_settings(self._config_of(order.agent, json.dumps(order.settings, sort_keys=True)), scenario)
        root = self._folder / "workspaces" / f"{claim.id}.{claim.number}"
        root.mkdir(parents=True, exist_ok=True)
        task = self._task(claim, scenario, root, config)
        with self._orchestrator(claim, scenario, config) as orchestrator:
            report = run_scenario(
                scenario,
                orchestrator,
                root=root,
                agent=order.agent,
                repeat=order.repeat,
                interrupted=task.id,
            )
        return self._row(report, order)

    def _task(self, claim: Claim, scenario: Scenario, root: Path, config: Config) -> Task:
        """Return the task of a claim, of several the first: a new one, or an earlier claim's, brought here."""
        prepare_workspace(scenario, root)
        if claim.task is not None:
            return self._take_over(claim, claim.task, config, root)
        task = store_tasks(scenario, self._state, root, description=claim.order.path)[0]
        self._remember_task(claim, task.id)
        return task

    def _take_over(self, claim: Claim, first: int, config: Config, root: Path) -> Task:
        from obra.workspace.leftovers import end_leftovers
        from obra.workspace.snapshot_store import SnapshotStore

        state = self._state
        fetch(SnapshotStore(Path(config.settings.workspace.store)), self._artefacts, _folder_of(claim))
        tasks = tasks_of_run(state, first)
        for owner in {task.owner for task in tasks}:
            end_leftovers(owner)
        last = last_begun(tasks)
        if last.status is TaskStatus.FAILED:  # behind another one that failed, the run had gone on
            raise RemoteRunFailed(
                f"task {last.id} failed ({last.status_reason}), and its worker was lost before it told "
                f"whether that was the agent or the machinery, so there is no verdict: submit the case again"
            )
        reason = f"worker {claim.worker} goes on with it"
        for task in [task for task in tasks if task.owner] or tasks[:1]:
            state.take_over(task.id, working_dir=root, reason=reason)
        return state.get_task(first)

    def _orchestrator(self, claim: Claim, scenario: Scenario, config: Config) -> Orchestrator:
        from obra.bootstrap import initialize
        from obra.orchestrator import Orchestrator

        parts = initialize(
            config,
            state_manager=self._state,
            ask_about=tuple(dict.fromkeys(rule.tool for rule in scenario.permissions)),
            faults=scenario.faults,
            tape=None if scenario.is_several else scenario.tape(config),
        )
        opener = partial(self._open_workspace, config=config, folder=_folder_of(claim))
        return Orchestrator(
            config,
            parts=replace(parts, open_workspace=opener),
            permissions=scenario.permissions,
            state_manager=self._state,
        )

    def _open_workspace(self, root: Path, *, config: Config, folder: str) -> Workspace:
        from obra.workspace.snapshot_store import SnapshotStore

        settings = config.settings.workspace
        store = SnapshotStore(Path(settings.store))
        return TravellingWorkspace(root, store, settings, artefacts=self._artefacts, folder=folder)

    def _row(self, report: ScenarioReport, order: Order) -> dict[str, Any]:
        from obra.reports.rows import row_of

        return {**row_of(report), "path": order.path}

    def _scenario(self, order: Order) -> Scenario:
        found = next((one for one in self._cases_of(order.source, order.file) if one.case == order.case), None)
        if found is None:
            raise ScaleError(f"{order.path} has no case {order.case!r} here; is this worker's Obra an older one?")
        return found

    def _read_cases(self, source: str, file: str) -> tuple[Scenario, ...]:
        return Scenario.load_cases(unpack(Source(source, file), self._artefacts, self._folder / "sources"))

    def _make_config(self, agent: str, settings: str) -> Config:
        from obra.prerequisites import require

        config = self._load(agent)
        travelled: Mapping[str, Any] = json.loads(settings)
        for key, (value, origin) in travelled.items():
            config.set(key, value)
            config.origins[key] = origin
        require(config)
        return config


def _folder_of(claim: Claim) -> str:
    submission, _, number = claim.id.rpartition("-")
    return f"cases/{submission}/{number}"


def row_reference(claim: Claim) -> str:
    """Return where the row of a claim goes: a place of its own, so that a late one replaces nothing."""
    return f"{_folder_of(claim)}/row.{claim.number}.json"


def folder_of_submission(name: str) -> str:
    """Return where the artefacts of a submission's cases are."""
    return f"cases/{name}"
