"""Run one scenario and say whether its verdict was true."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from obra.config import Config
from obra.domain import CheckResult, Outcome, Record, TaskStatus
from obra.evidence.collector import EvidenceCollector
from obra.evidence.scene import Scene
from obra.orchestrator import Orchestrator
from obra.scenarios.scenario import ExpectForm, Scenario
from obra.scenarios.story import AttemptStory, Storyteller
from obra.workspace.preparation import GitSource, prepare


class ScenarioResult(StrEnum):
    """The endings of a scenario that ran; when the machinery breaks there is an error instead of a report."""

    PASSED = "passed"
    AGENT_FAILED = "agent_failed"
    VERDICT_WRONG = "verdict_wrong"


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
    form = scenario.form.workspace
    prepare(
        root,
        files=form.files,
        template=scenario.path.parent / form.template if form.template else None,
        git=GitSource(url=form.git.url, ref=form.git.ref) if form.git else None,
    )


def run_scenario(
    scenario: Scenario, orchestrator: Orchestrator, *, root: Path, agent: str = "mock", repeat: int = 1
) -> ScenarioReport:
    """Run *scenario* once in *root*, which must be new or empty, and compare its ending with the truth.

    Args:
        scenario: what to do and how it must end.
        orchestrator: made with the scenario's ``script`` and ``reviewer`` when those are to be played.
        root: folder of the workspace.
        agent: the name that reports show for the agent.
        repeat: which run of the same case this is, from 1.

    Raises:
        ObraError: the machinery broke.
    """
    started = time.monotonic()
    orchestrator.initialize()
    prepare_workspace(scenario, root)
    state = orchestrator.state_manager
    project = state.create_project(scenario.name, description=str(scenario.path), working_dir=str(root))
    task = state.create_task(project.id, scenario.task_data())
    storyteller = Storyteller(time.monotonic)
    orchestrator.observers.append(storyteller)
    try:
        outcome = orchestrator.execute_task(task.id)
    finally:
        orchestrator.observers.remove(storyteller)
    truth = hidden_checks(scenario, outcome, orchestrator.config, root=root)
    expectations = tuple(_expectations(scenario.expect, outcome, scripted=is_scripted(orchestrator.config)))
    return ScenarioReport(
        scenario=scenario.name,
        path=str(scenario.path),
        agent=agent,
        agent_identity=orchestrator.agent.identity,
        llm_identity=orchestrator.llm_interface.identity,
        result=_result(scenario.expect, outcome, expectations, truth),
        expectations=expectations,
        truth=truth,
        outcome=outcome,
        workspace=str(root),
        seconds=time.monotonic() - started,
        sandbox=str(getattr(orchestrator.agent, "sandbox", "none")),
        case=scenario.name,
        repeat=repeat,
        title=scenario.task.title,
        description=scenario.form.description,
        markers=scenario.markers,
        stories=storyteller.stories,
    )


def hidden_checks(scenario: Scenario, outcome: Outcome, config: Config, *, root: Path) -> tuple[CheckResult, ...]:
    """Return what the checks that Obra never sees find in the workspace *root* after the work.

    Raises:
        CheckError: a check broke; that says nothing about the work.
    """
    settings = config.settings.evidence
    hidden = EvidenceCollector(timeout=settings.timeout, max_output=settings.max_output, implied=False)
    return hidden.collect(
        scenario.expect.truth,
        Scene(
            root=root,
            changes=outcome.attempts[-1].evidence.total_changes if outcome.attempts else (),
            timeout=settings.timeout,
            max_output=settings.max_output,
        ),
    )


def _result(
    expect: ExpectForm,
    outcome: Outcome,
    expectations: tuple[CheckResult, ...],
    truth: tuple[CheckResult, ...],
) -> ScenarioResult:
    is_true = all(check.passed for check in truth)
    if is_true and all(check.passed for check in expectations):
        return ScenarioResult.PASSED
    accepted = outcome.status is TaskStatus.COMPLETED
    expected = TaskStatus(expect.status)
    false_accept = accepted and (not is_true or expected is not TaskStatus.COMPLETED)
    false_reject = (
        not accepted
        and expected is TaskStatus.COMPLETED
        and bool(truth)
        and is_true
        and outcome.status is TaskStatus.ESCALATED
    )
    return ScenarioResult.VERDICT_WRONG if false_accept or false_reject else ScenarioResult.AGENT_FAILED


def is_scripted(config: Config) -> bool:
    """Tell whether the agent plays the scenario's script (rungs mock and replay)."""
    return config.settings.agent.type == "mock" or config.settings.replay.mode == "script"


def _expectations(expect: ExpectForm, outcome: Outcome, *, scripted: bool) -> Iterator[CheckResult]:
    yield _expectation(
        "status", outcome.status == expect.status, f"{expect.status}", f"{outcome.status} ({outcome.reason})"
    )
    if expect.iterations:
        low, high = expect.iterations.min if scripted else 0, expect.iterations.max
        met = outcome.iterations >= low and (high is None or outcome.iterations <= high)
        yield _expectation(
            "iterations", met, f"{low} to {'any' if high is None else high}", str(outcome.iterations)
        )
    for name, bounds, seen in (
        ("quality", expect.quality, outcome.quality_score),
        ("confidence", expect.confidence, outcome.confidence),
    ):
        if bounds:
            met = seen is not None and bounds.min <= seen <= bounds.max
            shown = "no score" if seen is None else f"{seen:.1f}"
            yield _expectation(name, met, f"{bounds.min:g} to {bounds.max:g}", shown)
    if expect.quality_rises is not None and scripted:
        scores = [attempt.quality.overall_score for attempt in outcome.attempts]
        rises = len(scores) > 1 and scores[-1] > scores[0]
        shown = " -> ".join(f"{score:.1f}" for score in scores) or "no attempt"
        wanted = "rising" if expect.quality_rises else "not rising"
        yield _expectation("quality over attempts", rises is expect.quality_rises, wanted, shown)
    if expect.breakpoint:
        seen_trigger = outcome.breakpoint.trigger if outcome.breakpoint else "no breakpoint"
        yield _expectation("breakpoint", seen_trigger == expect.breakpoint, expect.breakpoint, str(seen_trigger))


def _expectation(name: str, met: bool, wanted: str, seen: str) -> CheckResult:
    return CheckResult(name=name, kind="expectation", passed=met, message=f"expected {wanted}, got {seen}")
