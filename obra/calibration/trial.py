"""One attempt through the real loop, once for each reviewer, and what was made of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from obra.agents.mock_agent import MockAgent
from obra.bootstrap import initialize
from obra.calibration.corpus import Case, Origin
from obra.config import Config
from obra.domain import Attempt, CheckResult, Outcome, Record, TaskStatus, Verdict
from obra.orchestrator import Orchestrator
from obra.plugins import AGENTS, find_plugin
from obra.scenarios.scenario_run import hidden_checks, prepare_workspace
from obra.state.state_manager import StateManager

if TYPE_CHECKING:
    from obra.evidence.collector import EvidenceCollector
    from obra.evidence.scene import Scene

YES_MAN: Mapping[str, Any] = {"score": 100, "verdict": "yes", "reason": "all is well"}
NO_MAN: Mapping[str, Any] = {"score": 0, "verdict": "no", "reason": "all is bad", "issues": ["all of it is bad"]}
_TURNS = 100
"""How often a scripted reviewer has its one answer; more than any attempt asks for."""
_LONGEST_PATCH = 100_000
_WORD = re.compile(r"\w+")


class Reviewer(StrEnum):
    """Who reviews."""

    NOBODY = "no LLM"
    """A script that is unsure of everything."""
    YES = "yes-man"
    """Hostile: yes, score 100, to everything."""
    NO = "no-man"
    """Hostile: no, score 0, to everything."""
    MODEL = "model"
    """The LLM that the settings name."""


class Label(StrEnum):
    """What an attempt really is."""

    GOOD = "good"
    BAD = "bad"
    HARMLESS = "harmless"
    """Made to be bad, but all hidden checks pass, so that nobody can say that it is: counts nowhere."""
    DISPUTED = "disputed"
    """The label by construction and the hidden truth contradict each other: an error of the corpus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Record):
    """What one reviewer and the loop made of one attempt."""

    task: str
    attempt: str
    origin: Origin
    label: Label
    is_measured: bool
    """Whether somebody wrote checks for the task."""
    reviewer: Reviewer
    model: str
    """Identity of the LLM."""
    status: TaskStatus
    reason: str
    quality: float | None
    """``None``, as the next three, where the agent broke off before there was anything to judge."""
    confidence: float | None
    points: float | None
    """Sum of the factors of the confidence, 0 to 100, before it was made a chance."""
    says_good: bool | None
    """The verdict: nothing that was seen speaks against the work."""
    words: frozenset[str]
    """Words of the reply and of the diff."""
    truth: tuple[str, ...]
    """Hidden checks that failed."""

    @property
    def name(self) -> str:
        """Task and attempt."""
        return f"{self.task}/{self.attempt}"

    @property
    def accepted(self) -> bool:
        """Whether it ended as completed."""
        return self.status is TaskStatus.COMPLETED

    @property
    def is_good(self) -> bool:
        """Whether the work does what the task asks."""
        return self.label is Label.GOOD

    @property
    def is_right(self) -> bool:
        """Whether the verdict agrees with the label."""
        return self.says_good is self.is_good


class RecordedChecks:
    """Runs the checks once and gives the results to each further reviewer too: evidence does not depend on them."""

    def __init__(self) -> None:
        self.collector: EvidenceCollector | None = None
        self._known: list[tuple[CheckResult, ...]] = []
        self._position = 0

    def behind(self, collector: EvidenceCollector) -> EvidenceCollector:
        """Return this in the place of *collector*, from the first attempt on."""
        self.collector, self._position = collector, 0
        return cast("EvidenceCollector", self)

    def collect(self, checks: Sequence[Mapping[str, Any]], scene: Scene) -> tuple[CheckResult, ...]:
        """Run the checks of the next attempt, or return what they gave before."""
        assert self.collector is not None  # noqa: S101  # behind() comes first; tells mypy so
        if self._position == len(self._known):
            self._known.append(self.collector.collect(checks, scene))
        self._position += 1
        return self._known[self._position - 1]

    def describe(self, checks: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Describe them as the collector does."""
        assert self.collector is not None  # noqa: S101  # the same
        return self.collector.describe(checks)


def judge(case: Case, config: Config, reviewers: Sequence[Reviewer]) -> tuple[Judged, ...]:
    """Put one attempt through the loop, once for each reviewer.

    The checks run for the first reviewer and are given to the others as they came out; everything else of the loop
    runs each time. The hidden truth is looked at once.

    Raises:
        ObraError: the machinery broke.
    """
    checks, found = RecordedChecks(), []
    truth: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory(prefix="obra-calibrate-") as folder, StateManager("sqlite://") as state:
        for number, reviewer in enumerate(reviewers):
            root = Path(folder) / f"workspace-{number}"
            settings = _settings(config, case, reviewer, Path(folder))
            outcome, model = _run(case, settings, reviewer, root=root, state=state, checks=checks)
            if number == 0:
                hidden = hidden_checks(case.scenario, outcome, settings, root=root)
                truth = tuple(check.name for check in hidden if not check.passed)
            found.append(_judged(case, reviewer, outcome, model, truth))
    return tuple(found)


def _run(
    case: Case, settings: Config, reviewer: Reviewer, *, root: Path, state: StateManager, checks: RecordedChecks
) -> tuple[Outcome, str]:
    answers = {Reviewer.YES: (YES_MAN,) * _TURNS, Reviewer.NO: (NO_MAN,) * _TURNS}.get(reviewer)
    prepare_workspace(case.scenario, root)
    parts = initialize(
        settings,
        script=case.variant.script,
        reviewer=answers,
        agent=find_plugin(AGENTS, case.variant.agent)() if case.variant.agent else MockAgent(),
        state_manager=state,
    )
    parts = replace(parts, evidence_collector=checks.behind(parts.evidence_collector))
    orchestrator = Orchestrator(settings, parts=parts)
    project = state.create_project(f"{case.name} ({reviewer})", working_dir=str(root))
    task = state.create_task(project.id, case.scenario.task_data())
    outcome = orchestrator.execute_task(task.id, max_iterations=max(1, len(case.variant.script)))
    return outcome, parts.llm_interface.identity if reviewer is Reviewer.MODEL else reviewer.value


def _settings(config: Config, case: Case, reviewer: Reviewer, folder: Path) -> Config:
    settings = Config(config.settings, config.origins)
    for key, value in (
        ("agent.type", "mock"),
        ("replay.mode", "off"),
        ("agent.max_retries", 0),
        ("workspace.store", str(folder / "snapshots.git")),
    ):
        settings.set(key, value)
    if reviewer is not Reviewer.MODEL:
        settings.set("llm.type", "scripted")
    if case.variant.seconds is not None:
        settings.set("agent.timeout", min(case.variant.seconds, settings.settings.agent.timeout))
    return settings


def _judged(case: Case, reviewer: Reviewer, outcome: Outcome, model: str, truth: tuple[str, ...]) -> Judged:
    attempt = outcome.attempts[-1] if outcome.attempts else None
    return Judged(
        task=case.scenario.name,
        attempt=case.variant.name,
        origin=case.origin,
        label=label_of(case, holds=not truth),
        is_measured=case.is_measured,
        reviewer=reviewer,
        model=model,
        status=outcome.status,
        reason=outcome.reason,
        quality=attempt.quality.overall_score if attempt else None,
        confidence=attempt.confidence if attempt else None,
        points=points_of(attempt) if attempt else None,
        says_good=says_good(attempt) if attempt else None,
        words=_words(attempt) if attempt else frozenset(),
        truth=truth,
    )


def label_of(case: Case, *, holds: bool) -> Label:
    """Return what an attempt is, from how it was made and whether the hidden checks pass."""
    if case.is_good:
        return Label.GOOD if holds else Label.DISPUTED
    if not holds or case.variant.certain:
        return Label.BAD
    return Label.HARMLESS if case.origin is Origin.DERIVED else Label.DISPUTED


def points_of(attempt: Attempt) -> float:
    """Return the sum of the factors of the confidence, never below 0."""
    return max(0.0, sum(factor.points for factor in attempt.confidence_factors))


def says_good(attempt: Attempt) -> bool:
    """Return the verdict on the work: whether nothing that was seen, and no reviewer, speaks against it.

    That is not yet the decision: work that nobody wrote checks for is not accepted, however good it looks.
    """
    evidence = attempt.evidence
    broken = any(check.implied and not check.passed for check in evidence.checks)
    refused = attempt.review.verdict in {Verdict.NO, Verdict.UNREADABLE}
    return not (evidence.is_empty or evidence.failed_checks or broken or evidence.tampering or refused)


def _words(attempt: Attempt) -> frozenset[str]:
    patch = attempt.evidence.patch[:_LONGEST_PATCH]
    lines = (line[1:] for line in patch.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"})
    text = f"{attempt.reply.text[:_LONGEST_PATCH]}\n" + "\n".join(lines)
    return frozenset(word.lower() for word in _WORD.findall(text))
