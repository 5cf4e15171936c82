"""Orchestrator: the loop. It gathers, sends, looks, reviews, judges, decides, records and acts, in that order.

It sees protocols and records, never a concrete agent or LLM, and holds no rule of judgement of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from obra.config import Config
from obra.domain import (
    Action,
    Attempt,
    Breakpoint,
    BreakpointStatus,
    CheckResult,
    Confidence,
    Evidence,
    Outcome,
    PermissionRule,
    Reply,
    Task,
    TaskStatus,
    Trigger,
)
from obra.errors import (
    AgentError,
    AgentUnavailable,
    ConfigError,
    ObraError,
    ScriptExhausted,
    WorkspaceError,
)
from obra.events import (
    AgentActed,
    AgentEvent,
    AttemptRecorded,
    BreakpointOpened,
    Decided,
    Event,
    EvidenceGathered,
    FileTouched,
    Observer,
    PromptReady,
    ReplyReceived,
    ReviewReceived,
    TaskEnded,
    TaskStarted,
    TurnRetried,
)
from obra.judging.claims import false_claims
from obra.logbook import log_event, logger
from obra.permissions import Operator, PermissionDesk
from obra.plugins import AgentPlugin, AsksPermission, LLMPlugin, close_llm
from obra.prompting.requirements import is_checkable, split_description
from obra.reviewing import Reviewer, Work
from obra.task_run import TaskRun

if TYPE_CHECKING:
    from obra.evidence.collector import EvidenceCollector
    from obra.judging.confidence_scorer import ConfidenceScorer
    from obra.judging.decision_engine import DecisionEngine
    from obra.judging.quality_controller import QualityController
    from obra.judging.response_validator import ResponseValidator
    from obra.prompting.prompt_generator import PromptGenerator
    from obra.state.state_manager import StateManager
    from obra.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the loop is put together from; :mod:`obra.bootstrap` makes it."""

    state_manager: StateManager
    agent: AgentPlugin
    llm_interface: LLMPlugin
    prompt_generator: PromptGenerator
    reviewer_for: Callable[[LLMPlugin, PromptGenerator], Reviewer]
    """Who asks that LLM, in the way that fits it."""
    response_validator: ResponseValidator
    quality_controller: QualityController
    confidence_scorer: ConfidenceScorer
    decision_engine: DecisionEngine
    evidence_collector: EvidenceCollector
    open_workspace: Callable[[Path], Workspace]
    agent_session: Callable[[Path], AbstractContextManager[None]]
    """Makes the agent ready to work in a folder, and leaves nothing behind."""
    watch_files: Callable[[Path, Callable[[str, str], None]], AbstractContextManager[Any]]


class Orchestrator:
    """Works on one task at a time until it is completed, escalated or failed.

    Args:
        config: the settings; the defaults when none are given.
        parts: ready-made parts, instead of those that the settings ask for.
        observers: told of every event, in order, in the thread that runs the loop (files touched excepted).
        permissions: answers for tool calls that the agent asks about; the first that matches counts.
        on_permission: whom to ask about the others; without anybody they are denied, and the turn goes on.
        replacements: keyword arguments for :func:`obra.bootstrap.initialize`, such as ``agent=`` or ``script=``.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        parts: Parts | None = None,
        observers: Iterable[Observer] = (),
        permissions: Sequence[PermissionRule] = (),
        on_permission: Operator | None = None,
        **replacements: Any,
    ) -> None:
        self.config = config or Config()
        self.observers: list[Observer] = [log_event, *observers]
        if permissions:
            replacements["ask_about"] = tuple(dict.fromkeys(rule.tool for rule in permissions))
        self._replacements = replacements
        self._desk = PermissionDesk(
            rules=permissions,
            allowed_tools=self.config.settings.agent.allowed_tools,
            operator=on_permission,
        )
        self._ready = False
        if parts is not None:
            self._take(parts)

    def initialize(self) -> None:
        """Make the parts; calling it again changes nothing.

        Raises:
            ObraError: a setting, a plugin or the database is not usable.
        """
        if not self._ready:
            from obra.bootstrap import initialize  # the composition root stands above the loop

            self._take(initialize(self.config, **self._replacements))

    def _take(self, parts: Parts) -> None:
        self.state_manager = parts.state_manager
        self.agent = parts.agent
        self.llm_interface = parts.llm_interface
        self.prompt_generator = parts.prompt_generator
        self._reviewer_for = parts.reviewer_for
        self.response_validator = parts.response_validator
        self.quality_controller = parts.quality_controller
        self.confidence_scorer = parts.confidence_scorer
        self.decision_engine = parts.decision_engine
        self.evidence_collector = parts.evidence_collector
        self._open_workspace = parts.open_workspace
        self._agent_session = parts.agent_session
        self._watch_files = parts.watch_files
        self._ready = True

    @property
    def reviewer(self) -> Reviewer:
        """Who reviews, with the LLM and the prompts that this loop has now."""
        return self._reviewer_for(self.llm_interface, self.prompt_generator)

    def close(self) -> None:
        """End the agent and close the database; the next use needs a new Orchestrator."""
        if self._ready:
            self.agent.cleanup()
            if self._replacements.get("state_manager") is None:
                self.state_manager.close()
            if self._replacements.get("llm") is None:
                close_llm(self.llm_interface)

    def __enter__(self) -> Self:
        self.initialize()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- the road

    def execute_task(self, task_id: int, max_iterations: int | None = None) -> Outcome:
        """Work on a task to a stored, explained end and return how it ended.

        Args:
            task_id: a stored task that may be run (pending, escalated, failed or interrupted).
            max_iterations: attempts in this run; else the task's own limit, else the configuration's.

        Raises:
            ObraError: the machinery broke; the task is stored as failed, with the reason.
            KeyboardInterrupt: the person stopped it; the task is stored as interrupted and can be run again.
        """
        self.initialize()
        run = self._start(task_id, max_iterations)
        try:
            self._tell(TaskStarted(task=run.task))
            run.requirements = self._requirements(run)
            with self._agent_session(run.workspace.root):
                outcome = self._loop(run)
        except AgentError as error:
            if isinstance(error, AgentUnavailable):
                self._give_up(run, TaskStatus.FAILED, str(error), error)
                raise
            outcome = self._finish(run, TaskStatus.FAILED, str(error))
        except KeyboardInterrupt as error:
            self._give_up(run, TaskStatus.INTERRUPTED, "stopped by a person", error)
            raise
        except BaseException as error:
            kind = "" if isinstance(error, ObraError) else f"unexpected {type(error).__name__}: "
            self._give_up(run, TaskStatus.FAILED, f"{kind}{error}", error)
            raise
        self._tell(TaskEnded(outcome=outcome))
        return outcome

    def _loop(self, run: TaskRun) -> Outcome:
        while True:
            if limit := run.limit_passed():
                return self._out_of(run, limit)
            attempt = self._attempt(run)
            run.attempts.append(attempt)
            match attempt.decision.action:
                case Action.PROCEED:
                    return run.outcome(TaskStatus.COMPLETED, attempt.decision.reason)
                case Action.ESCALATE:
                    return run.outcome(TaskStatus.ESCALATED, attempt.decision.reason)

    def _attempt(self, run: TaskRun) -> Attempt:
        task, number = run.task, run.number
        started, moment = datetime.now(UTC), time.monotonic()
        before = run.attempts[-1].snapshot_after if run.attempts else task.base_snapshot
        # 1 gather
        described = self.evidence_collector.describe(task.checks)
        acceptance = (*run.requirements, *described)
        prompt = self.prompt_generator.generate_prompt(task, self._context(run, before, acceptance))
        self._tell(PromptReady(task_id=task.id, number=number, prompt=prompt))
        # 2 send
        reply = self._send(run, prompt)
        self._tell(ReplyReceived(task_id=task.id, number=number, reply=reply))
        # 3 look
        after, evidence = self._look(run, before)
        self._tell(EvidenceGathered(task_id=task.id, number=number, evidence=evidence))
        # 4 review
        reviewed = self.reviewer.review(
            Work(
                task=task,
                evidence=evidence,
                reply=reply,
                requirements=run.requirements,
                described=described,
            )
        )
        review = reviewed.review
        self._tell(ReviewReceived(task_id=task.id, number=number, review=review))
        # 5 judge
        judged: dict[str, Any] = {
            "evidence": evidence,
            "review": review,
            "claims": false_claims(reply.text, evidence),
        }
        judged["validation"] = self.response_validator.validate_response(reply.text)
        judged["quality"] = self.quality_controller.validate_output(reply.text, task, dict(judged))
        judged["confidence"] = self.confidence_scorer.score_response(reply.text, task, dict(judged))
        # 6 decide
        limit = run.limit_passed(spent=reply.cost_usd)
        decision = self.decision_engine.decide_next_action(
            {
                **judged,
                "task": task,
                "response": reply.text,
                "attempts_left": run.left,
                "limit": limit,
                "is_vague": run.is_vague,
            }
        )
        self._tell(Decided(task_id=task.id, number=number, decision=decision))
        # 7 record
        confidence: Confidence = judged["confidence"]
        return self._record(
            Attempt(
                task_id=task.id,
                number=number,
                prompt=prompt,
                reply=reply,
                evidence=evidence,
                review=review,
                validation=judged["validation"],
                quality=judged["quality"],
                confidence=float(confidence),
                confidence_factors=getattr(confidence, "factors", ()),
                requirements=reviewed.requirements,
                decision=decision,
                snapshot_before=before,
                snapshot_after=after,
                started_at=started,
                seconds=time.monotonic() - moment,
            )
        )

    # --- the steps that touch the world

    def _start(self, task_id: int, max_iterations: int | None) -> TaskRun:
        if max_iterations is not None and max_iterations < 1:
            raise ConfigError(f"max_iterations={max_iterations}: a run makes at least 1 attempt")
        task = self.state_manager.get_task(task_id)
        workspace = self._open_workspace(self._root_of(task))
        settings, limits = self.config.settings.orchestration, task.limits
        base = task.base_snapshot or workspace.snapshot()
        repository = self._repository_at_base(task, workspace)
        task = self.state_manager.start_task(task_id, base_snapshot=base)
        attempts = list(self.state_manager.attempts(task_id)) if task.iterations else []
        asked = [
            one for one in self.state_manager.breakpoints(task_id=task_id, limit=None) if not one.is_permission
        ]
        return TaskRun(
            task=task,
            workspace=workspace,
            repository=repository,
            attempts=attempts,
            iterations=max_iterations or limits.iterations or settings.max_iterations,
            retries_left=self.config.settings.agent.max_retries,
            seconds=limits.seconds or settings.task_timeout,
            cost_limit=limits.cost_usd or settings.max_cost_usd,
            answer=_answer_to_last(asked, attempts),
            is_vague=_names_nothing(task) and not any(one.answer for one in asked),
        )

    def _repository_at_base(self, task: Task, workspace: Workspace) -> str:
        """Return the state of the workspace's own git repository when the task began, also in a later run."""
        if task.base_snapshot:
            kept = [
                one["data"]["state"] for one in self.state_manager.events(task.id) if one["kind"] == _REPOSITORY
            ]
            return str(kept[-1]) if kept else ""
        if state := workspace.git_state():
            self.state_manager.record_event(task.id, _REPOSITORY, {"state": state})
        return state

    def _root_of(self, task: Task) -> Path:
        project = self.state_manager.get_project(task.project_id)
        folder = task.working_dir or project.working_dir or self.config.settings.agent.local.workspace_dir
        if not folder:
            raise WorkspaceError(
                f"task {task.id} has no folder to work in: give project {project.id} a working_dir "
                f"or set agent.local.workspace_dir"
            )
        root = Path(folder)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(f"the workspace {root} cannot be made: {error.strerror}") from error
        return root

    def _requirements(self, run: TaskRun) -> tuple[str, ...]:
        """Return what the task demands in sentences: the writer's, those of the attempt before, or a new split."""
        task = run.task
        described = set(self.evidence_collector.describe(task.checks))
        known = run.attempts[-1].requirements if run.attempts else ()
        found = task.acceptance or tuple(one.text for one in known if one.text not in described)
        answered = split_description("", run.answer) if run.answer and _names_nothing(task) else ()
        return tuple(dict.fromkeys((*(found or self.reviewer.split(task)), *answered)))

    def _context(self, run: TaskRun, before: str, acceptance: tuple[str, ...]) -> Mapping[str, Any]:
        last = run.attempts[-1] if run.attempts else None
        return {
            "files": run.workspace.files(before),
            "acceptance": acceptance,
            "history": tuple(run.attempts),
            "feedback": last.decision.feedback if last else "",
            "answer": run.answer if run.number == run.earlier + 1 else "",
            "iteration": run.number,
            "max_iterations": run.last_number,
        }

    def _send(self, run: TaskRun, prompt: str) -> Reply:
        """Send one prompt; a turn that crashed or timed out is sent again while retries are left."""

        def acted(event: AgentEvent) -> None:
            self._tell(AgentActed(task_id=run.task.id, number=run.number, event=event))

        def touched(path: str, kind: str) -> None:
            self._tell(FileTouched(task_id=run.task.id, number=run.number, path=path, kind=kind))

        if isinstance(self.agent, AsksPermission):
            self.agent.on_permission = self._desk.for_attempt(
                self.state_manager, run.task.id, run.number, run.workspace.root
            )
        earlier: AgentError | None = None
        while True:
            try:
                with self._watch_files(run.workspace.root, touched):
                    return self.agent.send_prompt(
                        prompt, limits=run.turn_limits(self.config.settings), on_event=acted
                    )
            except (AgentUnavailable, ScriptExhausted) as error:
                # A script that ends because a broken turn used up its step is not the cause: that turn is.
                raise (earlier or error) from error
            except AgentError as error:
                earlier = error
                if run.retries_left <= 0 or run.limit_passed():
                    raise
                run.retries_left -= 1
                self._tell(
                    TurnRetried(
                        task_id=run.task.id,
                        number=run.number,
                        error=str(error),
                        retries_left=run.retries_left,
                    )
                )

    def _look(self, run: TaskRun, before: str) -> tuple[str, Evidence]:
        """Compare the workspace with before, run the checks, and make sure that they changed nothing."""
        from obra.evidence.scene import Scene
        from obra.workspace.repository_state import planted_hooks

        workspace, settings = run.workspace, self.config.settings.evidence
        try:
            after = workspace.snapshot()
        except WorkspaceError as error:
            return before, self._ruined(run, before, error)
        step = workspace.diff(before, after)
        total = step if before == run.task.base_snapshot else workspace.diff(run.task.base_snapshot, after)
        scene = Scene(
            root=workspace.root,
            changes=total.changes,
            before=partial(workspace.read, run.task.base_snapshot),
            timeout=settings.timeout,
            max_output=settings.max_output,
        )
        text = "\n".join([run.task.title, run.task.description, *run.task.acceptance])
        checks = self.evidence_collector.collect(run.task.checks, scene, text)
        if checks and workspace.snapshot() != after:
            workspace.restore(after)
            checks = (*checks, _CHECKS_CHANGED_WORKSPACE)
        return after, Evidence(
            changes=step.changes,
            total_changes=total.changes,
            patch=total.patch,
            checks=checks,
            # Since the task began: what was planted stays a reason until it is gone, whoever tries again.
            tampering=(
                *workspace.tampering(total.changes),
                *planted_hooks(run.repository, workspace.git_state()),
            ),
            files=workspace.files(after),
        )

    def _ruined(self, run: TaskRun, before: str, error: WorkspaceError) -> Evidence:
        """Put back a workspace that the agent removed or made unreadable, and hold that against it.

        Raises:
            WorkspaceError: it cannot be put back either.
        """
        root = run.workspace.root
        if root.is_symlink():
            root.unlink()
        run.workspace.restore(before)
        seen = "the workspace could not be looked at after the turn"
        return Evidence(
            tampering=(f"{seen}, and was put back: {error}",),
            checks=tuple(
                CheckResult(name=sentence, passed=False, message=f"expected that {sentence}; {seen}")
                for sentence in self.evidence_collector.describe(run.task.checks)
            ),
            files=run.workspace.files(before),
        )

    def _record(self, attempt: Attempt) -> Attempt:
        decision = attempt.decision
        status = {Action.PROCEED: TaskStatus.COMPLETED, Action.ESCALATE: TaskStatus.ESCALATED}.get(decision.action)
        stored = self.state_manager.record_attempt(attempt, status=status, reason=decision.reason)
        self._tell(AttemptRecorded(attempt=stored))
        if stored.decision.breakpoint:
            self._tell(BreakpointOpened(breakpoint=stored.decision.breakpoint))
        return stored

    # --- ends that are not an attempt's own decision

    def _out_of(self, run: TaskRun, limit: str) -> Outcome:
        """End a task whose limit passed before the next attempt could begin."""
        reason = f"the task's limit '{limit}' is used up"
        settings = self.config.settings.breakpoints
        opened = None
        if settings.enabled and settings.triggers.limit_reached.enabled:
            opened = Breakpoint(
                trigger=Trigger.LIMIT_REACHED, reason=reason, task_id=run.task.id, attempt_number=run.number - 1
            )
        return self._finish(run, TaskStatus.ESCALATED, reason, opened)

    def _finish(self, run: TaskRun, status: TaskStatus, reason: str, opened: Breakpoint | None = None) -> Outcome:
        if self.state_manager.get_task(run.task.id).status is TaskStatus.RUNNING:
            self.state_manager.finish_task(run.task.id, status, reason, breakpoint=opened)
        if opened is not None:
            opened = self.state_manager.breakpoints(task_id=run.task.id, limit=1)[0]
            self._tell(BreakpointOpened(breakpoint=opened))
        return replace(run.outcome(status, reason), breakpoint=opened)

    def _give_up(self, run: TaskRun, status: TaskStatus, reason: str, error: BaseException) -> None:
        """Store the end of a run that *error* broke; when even that fails, the error says so too."""
        logger.info("task %d is broken off, %s: %s", run.task.id, status, " ".join(reason.split()))
        try:
            self._finish(run, status, reason)
        except ObraError as second:
            error.add_note(f"task {run.task.id} could not be stored as {status}: {second}")

    def _tell(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)


def _answer_to_last(newest: Sequence[Breakpoint], attempts: Sequence[Attempt]) -> str:
    """Return what a person answered to the breakpoint of the last attempt; older answers were given before."""
    if not newest or newest[0].status is not BreakpointStatus.RESOLVED:
        return ""
    return newest[0].answer if newest[0].attempt_number == len(attempts) else ""


def _names_nothing(task: Task) -> bool:
    """Tell whether nothing in the task can be checked: no check, and no word that says what is wanted."""
    return not task.checks and not is_checkable((task.title, task.description, *task.acceptance))


_REPOSITORY = "repository"
"""Kind of the event that keeps the state of the workspace's own repository at a task's start."""

_CHECKS_CHANGED_WORKSPACE = CheckResult(
    name="checks leave the workspace alone",
    kind="unchanged",
    passed=False,
    implied=True,
    message="expected the workspace to be the same after the checks; it was changed while they ran (restored)",
)
