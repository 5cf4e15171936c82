"""Run one scenario and say whether its verdict was true."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from obra.config import Config
from obra.domain import CheckResult, FileChange, Outcome, Record, TaskStatus
from obra.evidence.collector import EvidenceCollector
from obra.evidence.scene import Scene
from obra.orchestrator import Orchestrator
from obra.scenarios.expectations import (
    expectations_of,
    is_decided_by_person,
    is_false_accept,
    is_false_reject,
)
from obra.scenarios.playing import HumanAnswer, PartRun, Told, play, whole_outcome
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_settings import require_settings
from obra.scenarios.story import AttemptStory, Storyteller
from obra.workspace.preparation import FileContent, GitSource, prepare


class ScenarioResult(StrEnum):
    """The endings of a scenario that ran; when the machinery breaks there is an error instead of a report."""

    PASSED = "passed"
    AGENT_FAILED = "agent_failed"
    VERDICT_WRONG = "verdict_wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport(Record):
    """How one of several tasks ended; ``pending`` means that it never began."""

    name: str
    task_id: int
    status: TaskStatus
    reason: str
    iterations: int
    quality_score: float | None
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioReport(Record):
    """What one run of a scenario showed."""

    scenario: str
    path: str
    agent: str
    """The rung or name it was asked for, such as ``mock``."""
    agent_identity: str
    llm_identity: str
    result: ScenarioResult
    expectations: tuple[CheckResult, ...]
    """What the scenario expects of the outcome, one by one."""
    truth: tuple[CheckResult, ...]
    """The hidden checks."""
    outcome: Outcome
    workspace: str
    seconds: float
    sandbox: str = "none"
    """What confined the agent: ``none``, or name and version."""
    case: str = ""
    """The scenario with its parameters, the same in every repeat; the scenario's name when it has none."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The values of this case, by the names in the scenario's ``parameters:``."""
    repeat: int = 1
    """Which run of the case this is, from 1."""
    title: str = ""
    """The task in one line."""
    description: str = ""
    """What the scenario is there to show."""
    markers: tuple[str, ...] = ()
    stories: tuple[AttemptStory, ...] = ()
    """What was seen while the attempts ran; nothing of those that an earlier process made."""
    answers: tuple[HumanAnswer, ...] = ()
    """What a person was asked and answered on the way, as the scenario's ``human:`` says."""
    tasks: tuple[TaskReport, ...] = ()
    """Each task of a scenario with several, in the order of the file; ``outcome`` is then all of them together."""
    bare: bool = False
    """True when the agent worked without Obra."""

    @property
    def passed(self) -> bool:
        """True when the ending was right in every way."""
        return self.result is ScenarioResult.PASSED

    @property
    def shortfalls(self) -> tuple[CheckResult, ...]:
        """Expectations and hidden checks that were not met."""
        return tuple(one for one in (*self.expectations, *self.truth) if not one.passed)


def prepare_workspace(scenario: Scenario, root: Path) -> None:
    """Make *root* as the scenario's ``workspace:`` says.

    Raises:
        WorkspaceError: it cannot be made.
    """
    form, folder = scenario.form.workspace, scenario.path.parent
    prepare(
        root,
        files={
            path: FileContent(content=one.content, executable=one.executable) for path, one in form.files.items()
        },
        template=folder / form.template if form.template else None,
        archive=folder / form.archive if form.archive else None,
        git=GitSource(url=_address(form.git.url, folder), ref=form.git.ref) if form.git else None,
    )


def _address(url: str, folder: Path) -> str:
    """Return a repository's address; a path that stands beside the scenario is meant from there."""
    beside = folder / url
    return str(beside.absolute()) if beside.exists() else url


def run_scenario(
    scenario: Scenario,
    orchestrator: Orchestrator,
    *,
    root: Path,
    agent: str = "mock",
    repeat: int = 1,
    interrupted: int | None = None,
    told: Told | None = None,
) -> ScenarioReport:
    """Run *scenario* once in *root*, which must be new or empty, and compare its ending with the truth.

    Args:
        scenario: what to do and how it must end.
        orchestrator: with the settings of :func:`obra.scenarios.scenario_settings.with_settings`. What it has no
            script for, it plays from the scenario's, which are stored with the tasks.
        root: folder of the workspace.
        agent: the name that reports show for the agent.
        repeat: which run of the same case this is, from 1.
        interrupted: id of the task of a run of this case that was interrupted in *root*, to go on with.
        told: what the story of each new task begins with.

    Raises:
        ObraError: the machinery broke.
    """
    started = time.monotonic()
    orchestrator.initialize()
    require_settings(scenario, orchestrator.config)
    if interrupted is None:
        prepare_workspace(scenario, root)
    storyteller = Storyteller(time.monotonic)
    orchestrator.observers.append(storyteller)
    try:
        runs = play(scenario, orchestrator, root, interrupted=interrupted, told=told)
    finally:
        orchestrator.observers.remove(storyteller)
    outcome = whole_outcome(runs)
    changes = changes_of(scenario, outcome, orchestrator.config, root)
    truth = hidden_checks(scenario, changes, orchestrator.config, root=root)
    scripted = is_scripted(orchestrator.config)
    expectations = tuple(one for run in runs for one in expectations_of(run, scripted=scripted))
    return ScenarioReport(
        scenario=scenario.name,
        path=str(scenario.path),
        agent=agent,
        agent_identity=orchestrator.agent.identity,
        llm_identity=orchestrator.llm_interface.identity,
        result=_result(runs, expectations, truth),
        expectations=expectations,
        truth=truth,
        outcome=outcome,
        workspace=str(root),
        seconds=time.monotonic() - started,
        sandbox=str(getattr(orchestrator.agent, "sandbox", "none")),
        case=scenario.case,
        parameters=scenario.parameters,
        repeat=repeat,
        title=scenario.title,
        description=scenario.form.description,
        markers=scenario.markers,
        stories=storyteller.stories,
        answers=tuple(answer for run in runs for answer in run.answers),
        tasks=tuple(_task_report(run) for run in runs) if scenario.is_several else (),
    )


def _task_report(run: PartRun) -> TaskReport:
    outcome = run.outcome
    return TaskReport(
        name=run.part.name,
        task_id=run.task.id,
        status=run.status,
        reason=outcome.reason if outcome else "not every task that it waits for is completed",
        iterations=outcome.iterations if outcome else 0,
        quality_score=outcome.quality_score if outcome else None,
        confidence=outcome.confidence if outcome else None,
    )


def hidden_checks(
    scenario: Scenario, changes: tuple[FileChange, ...], config: Config, *, root: Path
) -> tuple[CheckResult, ...]:
    """Return what the checks that Obra never sees find in the workspace *root* after the work.

    Args:
        scenario: whose ``expect: truth:`` they are.
        changes: what changed since the task began.
        config: the section ``evidence`` bounds them.
        root: the workspace.

    Raises:
        CheckError: a check broke; that says nothing about the work.
    """
    settings = config.settings.evidence
    hidden = EvidenceCollector(timeout=settings.timeout, max_output=settings.max_output, implied=False)
    return hidden.collect(
        scenario.expect.truth,
        Scene(
            root=root,
            changes=changes,
            timeout=settings.timeout,
            max_output=settings.max_output,
        ),
    )


def changes_of(scenario: Scenario, outcome: Outcome, config: Config, root: Path) -> tuple[FileChange, ...]:
    """Return what the work changed from its beginning to its end, over all tasks."""
    if not outcome.attempts:
        return ()
    if not scenario.is_several:
        return outcome.attempts[-1].evidence.total_changes
    from obra.bootstrap import workspace_opener

    first, last = outcome.attempts[0], outcome.attempts[-1]
    return workspace_opener(config)(root).diff(first.snapshot_before, last.snapshot_after).changes


def _result(
    runs: Sequence[PartRun], expectations: Sequence[CheckResult], truth: Sequence[CheckResult]
) -> ScenarioResult:
    is_true = all(check.passed for check in truth)
    if is_true and all(check.passed for check in expectations):
        return ScenarioResult.PASSED
    if any(is_decided_by_person(run) for run in runs):  # right or wrong, it was not Obra's verdict
        return ScenarioResult.AGENT_FAILED
    wrong = is_false_accept(runs, is_true=is_true) or is_false_reject(runs, is_shown_true=bool(truth) and is_true)
    return ScenarioResult.VERDICT_WRONG if wrong else ScenarioResult.AGENT_FAILED


def is_scripted(config: Config) -> bool:
    """Tell whether the agent plays the scenario's script (rungs mock and replay)."""
    return config.settings.agent.type == "mock" or config.settings.replay.mode == "script"
