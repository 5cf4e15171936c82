"""One attempt through the real loop, once for each reviewer, and what was made of it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from obra.agents.mock_agent import MockAgent
from obra.bootstrap import initialize
from obra.calibration.corpus import Case, Origin
from obra.calibration.reviewers import Answering, KnowingModel, SlyModel, YesModel
from obra.config import Config
from obra.domain import Attempt, CheckResult, Outcome, Record, TaskStatus
from obra.judging.chances import verdict_of
from obra.orchestrator import Orchestrator
from obra.plugins import AGENTS, find_plugin
from obra.scenarios.scenario_run import changes_of, hidden_checks, prepare_workspace
from obra.state.state_manager import StateManager
from obra.workspace.private_folder import private_folder

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
    """Hostile: yes, score 100, to everything, in whole reviews."""
    YES_MODEL = "yes-model"
    """Hostile: a model that says yes to each question of the checklist."""
    SLY = "sly-model"
    """Hostile: sees the canary, and says yes to all else with the quote that fits best."""
    NO = "no-man"
    """Hostile: no, score 0, to everything."""
    KNOWING = "all-knowing"
    """Says what is so: yes to good work, no to bad work and to broken copies. The best a reviewer can be."""
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
    """``None``, as the next two, where the agent broke off before there was anything to judge."""
    confidence: float | None
    points: float | None
    """Sum of the factors of the confidence, 0 to 100, before it was made a chance."""
    says_good: bool | None
    """The verdict, see :func:`obra.judging.chances.verdict_of`; ``None`` where there was none."""
    told_apart: bool
    """Whether the reviewer told the work from a broken copy of it."""
    words: frozenset[str]
    """Words of the reply and of the diff."""
    truth: tuple[str, ...]
    """Messages of the hidden checks that failed."""

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


class SeenBefore:
    """Runs the checks once for each state of a workspace; whoever left the same behind is given the same results.

    Evidence is made of files: neither the words of a reply nor the reviewer can change it.
    """

    def __init__(self) -> None:
        self._checks: dict[str, tuple[CheckResult, ...]] = {}
        self._truth: dict[str, tuple[str, ...]] = {}

    def behind(self, collector: EvidenceCollector) -> EvidenceCollector:
        """Return one that asks *collector* about new states alone."""
        return cast("EvidenceCollector", _Remembering(collector, self._checks))

    def truth(self, case: Case, outcome: Outcome, settings: Config, root: Path) -> tuple[str, ...]:
        """Return the messages of the hidden checks that fail."""
        state = state_of(root)
        if state not in self._truth:
            hidden = hidden_checks(
                case.scenario, changes_of(case.scenario, outcome, settings, root), settings, root=root
            )
            self._truth[state] = tuple(check.message for check in hidden if not check.passed)
        return self._truth[state]


class _Remembering:
    """What stands in the place of the collector."""

    def __init__(self, collector: EvidenceCollector, known: dict[str, tuple[CheckResult, ...]]) -> None:
        self._collector, self._known = collector, known

    def collect(
        self, checks: Sequence[Mapping[str, Any]], scene: Scene, task_text: str = ""
    ) -> tuple[CheckResult, ...]:
        state = state_of(scene.root)
        if state not in self._known:
            self._known[state] = self._collector.collect(checks, scene, task_text)
        return self._known[state]

    def describe(self, checks: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        return self._collector.describe(checks)


def state_of(root: Path) -> str:
    """Return a digest of every path, mode and content below *root*."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        content = b""
        if path.is_symlink():
            content = os.fsencode(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        for part in (path.relative_to(root).as_posix().encode(), str(path.lstat().st_mode).encode(), content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def judge_all(cases: Sequence[Case], config: Config, reviewers: Sequence[Reviewer]) -> tuple[Judged, ...]:
    """Judge attempts at one task, one after the other; checks run once for those that leave the same files.

    Raises:
        ObraError: the machinery broke.
    """
    seen = SeenBefore()
    return tuple(one for case in cases for one in judge(case, config, reviewers, seen))


def judge(
    case: Case, config: Config, reviewers: Sequence[Reviewer], seen: SeenBefore | None = None
) -> tuple[Judged, ...]:
    """Put one attempt through the loop, once for each reviewer.

    Everything of the loop runs each time but the checks of files that were *seen* before.

    Raises:
        ObraError: the machinery broke.
    """
    seen, found = seen or SeenBefore(), []
    truth: tuple[str, ...] = ()
    with private_folder("calibrate") as folder, StateManager("sqlite://") as state:
        for number, reviewer in enumerate(reviewers):
            root = folder / f"workspace-{number}"
            settings = _settings(config, case, reviewer, folder)
            outcome, model = _run(case, settings, reviewer, root=root, state=state, seen=seen)
            if number == 0:
                truth = seen.truth(case, outcome, settings, root)
            found.append(_judged(case, reviewer, outcome, model, truth))
    return tuple(found)


def _run(
    case: Case, settings: Config, reviewer: Reviewer, *, root: Path, state: StateManager, seen: SeenBefore
) -> tuple[Outcome, str]:
    answers = {Reviewer.YES: (YES_MAN,) * _TURNS, Reviewer.NO: (NO_MAN,) * _TURNS}.get(reviewer)
    prepare_workspace(case.scenario, root)
    parts = initialize(
        settings,
        script=case.variant.script,
        reviewer=answers,
        llm=_llm(case, reviewer),
        agent=find_plugin(AGENTS, case.variant.agent)() if case.variant.agent else MockAgent(),
        state_manager=state,
    )
    parts = replace(parts, evidence_collector=seen.behind(parts.evidence_collector))
    orchestrator = Orchestrator(settings, parts=parts)
    project = state.create_project(f"{case.name} ({reviewer})", working_dir=str(root))
    task = state.create_task(project.id, case.scenario.task_data())
    outcome = orchestrator.execute_task(task.id, max_iterations=max(1, len(case.variant.script)))
    return outcome, parts.llm_interface.identity if reviewer is Reviewer.MODEL else reviewer.value


def _llm(case: Case, reviewer: Reviewer) -> Answering | None:
    """Return the model that is played by a class, or ``None`` for one that the settings make."""
    match reviewer:
        case Reviewer.YES_MODEL:
            return YesModel()
        case Reviewer.SLY:
            return SlyModel()
        case Reviewer.KNOWING:
            return KnowingModel({"is_good": case.is_good, "files": case.variant.files})
    return None


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
        says_good=verdict_of(attempt.evidence, attempt.review) if attempt else None,
        told_apart=attempt is not None and bool(attempt.review.told_apart),
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
    """Return the sum of the factors of the confidence, from 0 to 100."""
    return min(max(0.0, sum(factor.points for factor in attempt.confidence_factors)), 100.0)


def _words(attempt: Attempt) -> frozenset[str]:
    patch = attempt.evidence.patch[:_LONGEST_PATCH]
    lines = (line[1:] for line in patch.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"})
    text = f"{attempt.reply.text[:_LONGEST_PATCH]}\n" + "\n".join(lines)
    return frozenset(word.lower() for word in _WORD.findall(text))
