"""AttemptSteps: what each step of an attempt does, with the parts that it takes for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from obra import run_start
from obra.attempt_steps import Gathered, Kept, Looked, Retried, Turn
from obra.config import Config
from obra.domain import Action, Attempt, Decision, Reply, Step, Task, TaskStatus
from obra.errors import AgentError, WorkspaceError
from obra.events import (
    AgentActed,
    AgentEvent,
    AttemptRecorded,
    BreakpointOpened,
    Decided,
    Event,
    EvidenceGathered,
    Observer,
    PromptReady,
    ReplyReceived,
    ReviewReceived,
)
from obra.judging.claims import false_claims
from obra.looking import look, photographed
from obra.offers import asks_permission
from obra.parts import Parts
from obra.permissions import PermissionDesk
from obra.plugins import LeftBehind, OutlivesUs, TakenUp
from obra.prompting.interrupted import after_interruption, with_messages
from obra.prompting.requirements import split_description
from obra.reviewing import Reviewed, Reviewer, Work
from obra.sending import send, spend_retry
from obra.steering import Steering
from obra.task_run import TaskRun

_PLAYED_ANEW = "a script or a cassette is played on in a new one"


class AttemptSteps:
    """The steps of an attempt, in their order; which comes when is the loop's, :mod:`obra.orchestrator`.

    Attributes:
        config: the settings.
        observers: told of every event.
    """

    config: Config
    observers: list[Observer]
    _desk: PermissionDesk
    _steering: Steering

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
        self.open_workspace = parts.open_workspace
        self._agent_session = parts.agent_session
        self._watch_files = parts.watch_files
        self._notify = parts.notify
        self._trace = parts.trace
        self._live = parts.live
        self.observers.extend(one for one in (parts.trace, parts.live) if one is not None)
        self._takes_up_sessions = parts.takes_up_sessions

    @property
    def reviewer(self) -> Reviewer:
        """Who reviews, with the LLM and the prompts that this loop has now."""
        return self._reviewer_for(self.llm_interface, self.prompt_generator)

    def _requirements(self, run: TaskRun) -> tuple[str, ...]:
        """Return what the task demands in sentences: the writer's, those of the attempt before, or a new split."""
        task, gathered = run.task, run.take_kept(Gathered)
        if gathered is not None:
            return gathered.requirements
        described = set(self._described(run))
        known = run.attempts[-1].requirements if run.attempts else ()
        found = task.acceptance or tuple(one.text for one in known if one.text not in described)
        answered = split_description("", run.answer) if run.answer and run_start.names_nothing(task) else ()
        return tuple(dict.fromkeys((*(found or self.reviewer.split(task)), *answered)))

    def _described(self, run: TaskRun) -> tuple[str, ...]:
        if run.described is None:
            run.described = tuple(self.evidence_collector.describe(run.task.checks))
        return run.described

    def _gather(self, run: TaskRun) -> Gathered:
        task, before = run.task, run.snapshot
        started, at = datetime.now(UTC), run.elapsed()
        described = self._described(run)
        context = self._context(run, before, (*run.requirements, *described))
        prompt = self.prompt_generator.generate_prompt(task, context)
        self._tell(PromptReady(task_id=task.id, number=run.number, prompt=prompt))
        return Gathered(
            prompt=prompt,
            before=before,
            described=described,
            requirements=run.requirements,
            started_at=started,
            at=at,
        )

    def _context(self, run: TaskRun, before: str, acceptance: tuple[str, ...]) -> Mapping[str, Any]:
        last = run.attempts[-1] if run.attempts else None
        return {
            "files": run.workspace.files(before),
            "acceptance": acceptance,
            "history": tuple(run.attempts),
            "feedback": last.decision.feedback if last else "",
            "answer": run.answer if run.number == run.earlier + 1 else "",
            "messages": self._steering.messages(),
            "iteration": run.number,
            "max_iterations": run.last_number,
        }

    def _with_messages(self, run: TaskRun, gathered: Gathered) -> Gathered:
        """Add what people said to a prompt that is kept from before an interruption and will be sent again."""
        will_be_sent = run.kept is not None and run.kept.is_in_turn and run.adopted is None
        if will_be_sent:
            self._steering.look()
        said = self._steering.messages() if will_be_sent else ()
        if not said:
            return gathered
        again = replace(gathered, prompt=with_messages(gathered.prompt, said))
        self._tell(PromptReady(task_id=run.task.id, number=run.number, prompt=again.prompt))
        self._keep(run, again)
        return again

    def _take_turn(self, run: TaskRun, gathered: Gathered) -> Turn:
        reply = run.adopted
        if reply is None:
            self._open_desk(run)
            reply = send(
                run,
                after_interruption(gathered.prompt)
                if run.was_put_back and self._takes_up_sessions
                else gathered.prompt,
                self.agent,
                settings=self.config.settings,
                watch=self._watch_files,
                tell=self._tell,
                before_retry=partial(self._keep_broken, run),
            )
        self._tell(ReplyReceived(task_id=run.task.id, number=run.number, reply=reply))
        return photographed(run, reply, gathered.before)

    def _open_desk(self, run: TaskRun) -> None:
        """Let the agent ask for permission, where it can."""
        if asks_permission(self.agent):
            self.agent.on_permission = self._desk.for_attempt(
                self.state_manager, run.task.id, run.number, run.workspace.root, self._tell
            )

    def _adopt(self, run: TaskRun, kept: Kept, agent: OutlivesUs) -> TakenUp:
        """Let *agent* go on with its old session, and wait for a turn that is still alive; see OutlivesUs."""

        def acted(event: AgentEvent) -> None:
            self._tell(AgentActed(task_id=run.task.id, number=run.number, event=event))

        self._open_desk(run)
        left = LeftBehind(
            handle=run.handle,
            in_turn=kept.is_in_turn,
            may_resume=self._takes_up_sessions,
            limits=run.turn_limits(self.config.settings),
        )
        taken = agent.take_up(left, acted)
        return taken if left.may_resume or taken.reply else TakenUp(why=_PLAYED_ANEW)

    def _retry(self, run: TaskRun, error: AgentError) -> None:
        """Use up a retry for a turn that *error* ended, so that its prompt is sent again."""
        before = partial(self._keep_broken, run)
        spend_retry(run, error, before_retry=before, tell=self._tell)

    def _keep_broken(self, run: TaskRun) -> None:
        self._keep(run, _left_by_broken_turn(run))

    def _look(self, run: TaskRun, gathered: Gathered, turn: Turn) -> Looked:
        evidence = look(run, gathered.before, turn, self.evidence_collector, self.config.settings.evidence)
        self._tell(EvidenceGathered(task_id=run.task.id, number=run.number, evidence=evidence))
        return Looked(evidence=evidence)

    def _review(self, run: TaskRun, gathered: Gathered, turn: Turn, looked: Looked) -> Reviewed:
        reviewed = self.reviewer.review(
            Work(
                task=run.task,
                evidence=looked.evidence,
                reply=turn.reply,
                requirements=gathered.requirements,
                described=gathered.described,
            )
        )
        self._tell(ReviewReceived(task_id=run.task.id, number=run.number, review=reviewed.review))
        return reviewed

    def _judge(self, task: Task, reply: Reply, looked: Looked, reviewed: Reviewed) -> dict[str, Any]:
        judged: dict[str, Any] = {
            "evidence": looked.evidence,
            "review": reviewed.review,
            "claims": false_claims(reply.text, looked.evidence),
        }
        judged["validation"] = self.response_validator.validate_response(reply.text)
        judged["quality"] = self.quality_controller.validate_output(reply.text, task, dict(judged))
        judged["confidence"] = self.confidence_scorer.score_response(reply.text, task, dict(judged))
        return judged

    def _decide(self, run: TaskRun, reply: Reply, judged: Mapping[str, Any]) -> Decision:
        decision = self.decision_engine.decide_next_action(
            {
                **judged,
                "task": run.task,
                "response": reply.text,
                "attempts_left": run.left,
                "limit": run.limit_passed(spent=reply.cost_usd),
                "is_vague": run.is_vague,
            }
        )
        self._tell(Decided(task_id=run.task.id, number=run.number, decision=decision))
        return decision

    def _record(self, run: TaskRun, attempt: Attempt) -> Attempt:
        decision = attempt.decision
        status = {Action.PROCEED: TaskStatus.COMPLETED, Action.ESCALATE: TaskStatus.ESCALATED}.get(decision.action)
        stored = self.state_manager.record_attempt(
            attempt, status=status, reason=decision.reason, fence=run.task.fence, run=dict(run.spent())
        )
        self._tell(AttemptRecorded(attempt=stored))
        if stored.decision.breakpoint:
            self._tell(BreakpointOpened(breakpoint=stored.decision.breakpoint))
        return stored

    def _keep(self, run: TaskRun, made: Any) -> None:
        if run.outlives is not None:
            run.handle = run.outlives.handle
        run.position += 1
        data = {"run": run.spent(), "made": made}
        step = Step(number=run.number, position=run.position, name=type(made).__name__, data=data)
        self._steering.hear(self.state_manager.record_step(run.task, step, seen=self._steering.seen))

    def _tell(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)
        if self._notify is not None:
            for told in self._notify(event):
                for observer in self.observers:
                    observer(told)


def _left_by_broken_turn(run: TaskRun) -> Retried:
    try:
        return Retried(left=run.workspace.snapshot())
    except WorkspaceError:  # the next turn finds it so, too; after an interruption it is put back
        return Retried(left="")
