"""Orchestrator: the loop. It gathers, sends, looks, reviews, judges, decides, records and acts, in that order.

It sees protocols and records, never a concrete agent or LLM, and holds no rule of judgement of its own. What each
step does stands in :mod:`obra.attempt_making`; what it leaves, so that another process can go on behind it, in
:mod:`obra.attempt_steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

from obra import run_start
from obra.asking import AskPeople
from obra.attempt_making import AttemptSteps
from obra.attempt_steps import Gathered, Looked, Turn
from obra.config import Config
from obra.domain import (
    Action,
    Attempt,
    Breakpoint,
    Confidence,
    Outcome,
    PermissionRule,
    TaskStatus,
    Trigger,
)
from obra.errors import AgentError, AgentUnavailable, FolderBusy, ObraError, TaskBusy, TaskStopped
from obra.events import (
    BreakpointOpened,
    Observer,
    TaskEnded,
    TaskStarted,
)
from obra.logbook import log_event, logger
from obra.offers import outlives_us, plays_reviews
from obra.parts import Parts
from obra.permissions import Operator, PermissionDesk
from obra.plugins import TakenUp, close_llm
from obra.reviewing import Reviewed
from obra.steering import Steering, Stopped
from obra.task_run import Made, TaskRun


class Orchestrator(AttemptSteps):
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
        on_permission: Operator | AskPeople | None = None,
        **replacements: Any,
    ) -> None:
        self.config = config or Config()
        self.observers: list[Observer] = [log_event, *observers]
        if permissions:
            replacements["ask_about"] = tuple(dict.fromkeys(rule.tool for rule in permissions))
        self._replacements = replacements
        allowed = self.config.settings.agent.allowed_tools
        self._desk = PermissionDesk(rules=permissions, allowed_tools=allowed, operator=on_permission)
        self._ready = False
        if parts is not None:
            self._take(parts)
            self._ready = True

    def initialize(self) -> None:
        """Make the parts; calling it again changes nothing.

        Raises:
            ObraError: a setting, a plugin or the database is not usable.
        """
        if not self._ready:
            from obra.bootstrap import initialize  # the composition root stands above the loop

            self._take(initialize(self.config, **self._replacements))
            self._ready = True

    def close(self) -> None:
        """End the agent and close the database; the next use needs a new Orchestrator."""
        if self._ready:
            self.agent.cleanup()
            for observer in (self._trace, self._live):
                if observer is not None:
                    observer.close()
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
            TaskBusy: another process works on it, or took it over meanwhile; that one's record stands.
            FolderBusy: another task is at work in its folder.
            TaskStopped: a person asked for that through the database; stored as interrupted, as with Ctrl-C.
            KeyboardInterrupt: the person stopped it; the task is stored as interrupted and can be run again.
        """
        return self._run(task_id, max_iterations, run_start.begin)

    def resume_task(self, task_id: int) -> Outcome:
        """Go on with a run that was interrupted, however it was; return its end, as :meth:`execute_task` does.

        Steps that are done are not done again: finished attempts stand, and the one under way goes on behind its
        last step. A turn that was broken off is adopted where it still lives; else its prompt is sent again, after
        the workspace was put back to what it was before. Limits count what was used up before. A task that never
        began is begun.

        Raises:
            IllegalStatus: the task's last run came to an end, so that there is nothing to go on with.
            ObraError: as in :meth:`execute_task`.
        """
        return self._run(task_id, None, run_start.go_on)

    def _run(self, task_id: int, max_iterations: int | None, start: Callable[..., TaskRun]) -> Outcome:
        self.initialize()
        from obra.workspace.folder_lock import held

        state, settings = self.state_manager, self.config.settings
        task, project = state.get_task_and_project(task_id)
        root = run_start.root_of(task, project, settings)
        try:
            with held(root):
                if task.owner:  # it was interrupted by the death of that process
                    from obra.workspace.leftovers import end_leftovers

                    end_leftovers(task.owner)
                return self._work(start(task, self.open_workspace(root), state, settings, max_iterations))
        except FolderBusy:
            state.require_free(task_id)  # says more, where it is this very task that is at work there
            raise

    def _work(self, run: TaskRun) -> Outcome:
        try:
            run_start.require_writable(run.workspace.root)
            meanwhile = self._live.show if self._live else None
            run.outlives = self.agent if outlives_us(self.agent) else None
            self._tell(TaskStarted(task=run.task))
            if plays_reviews(self.llm_interface):
                self.llm_interface.rehearse(run.task.reviewer, played=run.reviews_played)
            with (
                Steering(run, self.state_manager, self._tell, meanwhile=meanwhile) as self._steering,
                self._agent_session(run.workspace.root, run.task.script, run.steps_played),
            ):
                self._take_up(run)
                run.requirements = self._requirements(run)
                outcome = self._loop(run)
                self._steering.finish()
        except TaskBusy:
            raise  # another process has it now: nothing of it is ours to end
        except Stopped:
            why = self._steering.why
            stop = TaskStopped(f"task {run.task.id} was {why}; it is interrupted and can be resumed")
            self._give_up(run, TaskStatus.INTERRUPTED, why, stop)
            raise stop from None
        except KeyboardInterrupt as error:
            self._give_up(run, TaskStatus.INTERRUPTED, "stopped by a person", error)
            raise
        except BaseException as error:
            if not isinstance(error, AgentError) or isinstance(error, AgentUnavailable):  # the machinery broke
                kind = "" if isinstance(error, ObraError) else f"unexpected {type(error).__name__}: "
                self._give_up(run, TaskStatus.FAILED, f"{kind}{error}", error)
                raise
            outcome = self._finish(run, TaskStatus.FAILED, str(error))
        self._tell(TaskEnded(outcome=outcome))
        return outcome

    def _loop(self, run: TaskRun) -> Outcome:
        while True:
            if not (run.kept and run.kept.done) and (limit := run.limit_passed()):
                return self._out_of(run, limit)
            attempt = self._attempt(run)
            run.attempts.append(attempt)
            run.kept, run.adopted, run.position = None, None, 0
            match attempt.decision.action:
                case Action.PROCEED:
                    return run.outcome(TaskStatus.COMPLETED, attempt.decision.reason)
                case Action.ESCALATE:
                    return run.outcome(TaskStatus.ESCALATED, attempt.decision.reason)

    def _attempt(self, run: TaskRun) -> Attempt:
        gathered = self._with_messages(run, self._once(run, Gathered, partial(self._gather, run)))
        turn = self._once(run, Turn, partial(self._take_turn, run, gathered))
        looked = self._once(run, Looked, partial(self._look, run, gathered, turn))
        reviewed = self._once(run, Reviewed, partial(self._review, run, gathered, turn, looked))
        judged = self._judge(run.task, turn.reply, looked, reviewed)
        decision = self._steering.settled(self._decide(run, turn.reply, judged))
        confidence: Confidence = judged["confidence"]
        attempt = Attempt(
            task_id=run.task.id,
            number=run.number,
            prompt=gathered.prompt,
            reply=turn.reply,
            evidence=looked.evidence,
            review=reviewed.review,
            validation=judged["validation"],
            quality=judged["quality"],
            confidence=float(confidence),
            confidence_factors=getattr(confidence, "factors", ()),
            requirements=reviewed.requirements,
            decision=decision,
            snapshot_before=gathered.before,
            snapshot_after=turn.after,
            started_at=gathered.started_at,
            seconds=run.elapsed() - gathered.at,
        )
        return self._record(run, attempt)

    def _once(self, run: TaskRun, kind: type[Made], act: Callable[[], Made]) -> Made:
        """Return what this step made before the run was interrupted; else do it now and keep what it makes."""
        made = run.take_kept(kind)
        if made is None:
            self._steering.between_steps()
            made = act()
            self._keep(run, made)
        return made

    # --- what stands around the attempts

    def _take_up(self, run: TaskRun) -> None:
        """Bring agent and workspace of a run that goes on to where the record says that they stood."""
        if run.kept is None:
            return

        logger.info("task %d, attempt %d: going on behind %d step(s)", run.task.id, run.number, run.position)
        taken = TakenUp(why=f"{self.agent.identity} keeps none that another process could go on with")
        if run.handle and run.outlives is not None:
            try:
                taken = self._adopt(run, run.kept, run.outlives)
            except AgentUnavailable:
                raise
            except AgentError as error:  # it was adopted and ended badly: as it lies, the prompt is sent again
                self._retry(run, error)
                return
        run.adopted = taken.reply
        if run.adopted is None:
            run_start.restore(run, self.state_manager, taken)
            run.was_put_back = run.kept.is_in_turn
        else:
            run.prompts += 1

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
        state = self.state_manager
        if state.get_task(run.task.id).status is TaskStatus.RUNNING:
            state.finish_task(run.task.id, status, reason, breakpoint=opened, fence=run.task.fence)
        if opened is not None:
            opened = state.breakpoints(task_id=run.task.id, limit=1)[0]
            self._tell(BreakpointOpened(breakpoint=opened))
        return replace(run.outcome(status, reason), breakpoint=opened)

    def _give_up(self, run: TaskRun, status: TaskStatus, reason: str, error: BaseException) -> None:
        """Store the end of a run that *error* broke; when even that fails, the error says so too."""
        logger.info("task %d is broken off, %s: %s", run.task.id, status, " ".join(reason.split()))
        try:
            outcome = self._finish(run, status, reason)
        except ObraError as second:
            error.add_note(f"task {run.task.id} could not be stored as {status}: {second}")
        else:
            if status is TaskStatus.FAILED:  # whoever stopped it knows
                self._tell(TaskEnded(outcome=outcome))
