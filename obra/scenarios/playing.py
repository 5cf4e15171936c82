"""Working on the tasks of a scenario: in the order of what they wait for, with a person who answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obra.domain import Breakpoint, BreakpointStatus, Outcome, Record, Task, TaskStatus, Trigger
from obra.orchestrator import Orchestrator
from obra.run_start import unspent
from obra.scenarios.part import Part
from obra.scenarios.played_forms import AnswerForm
from obra.scenarios.scenario import Scenario
from obra.scheduler import TaskScheduler
from obra.task_run import outcome_of

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

Told = Mapping[str, Mapping[str, Any]]
"""What a task's story begins with: data by the kind of event."""
_OVER = (TaskStatus.COMPLETED, TaskStatus.ESCALATED, TaskStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanAnswer(Record):
    """What a person was asked, and what that person answered."""

    task: str
    """Name of the task among several, or empty."""
    task_id: int
    attempt_number: int
    """The attempt that had to be looked at."""
    trigger: Trigger
    reason: str
    """Why a person had to look."""
    answer: str


@dataclass(slots=True, kw_only=True)
class PartRun:
    """One task of a scenario and what became of it; ``outcome`` is ``None`` when it never began."""

    part: Part
    task: Task
    outcome: Outcome | None = None
    answers: list[HumanAnswer] = field(default_factory=list)
    unused: list[AnswerForm] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unused = list(self.part.human)

    def answered(self, form: AnswerForm, opened: Breakpoint) -> None:
        """Take down that a person answered *opened*."""
        self.unused.remove(form)
        self.answers.append(
            HumanAnswer(
                task=self.part.name,
                task_id=self.task.id,
                attempt_number=opened.attempt_number,
                trigger=opened.trigger,
                reason=opened.reason,
                answer=form.answer,
            )
        )

    @property
    def status(self) -> TaskStatus:
        """How the task ended, or ``pending``."""
        return self.outcome.status if self.outcome else TaskStatus.PENDING

    @property
    def expected(self) -> TaskStatus:
        """How the task ought to end."""
        return TaskStatus(self.part.expect.status)


def play(
    scenario: Scenario,
    orchestrator: Orchestrator,
    root: Path,
    *,
    interrupted: int | None = None,
    told: Told | None = None,
) -> tuple[PartRun, ...]:
    """Work on every task of *scenario* in the folder *root*, and return them in the order of the file.

    A task begins when all that it waits for are completed; one that waits for something else never does. With the
    id of a task of a run that was *interrupted*, any of those that :func:`store_tasks` returned, that run goes on:
    what had come to its end stands as it is recorded, what was under way goes on behind its last step.
    The story of each new task begins with what is *told*.

    Raises:
        ObraError: the machinery broke.
    """
    state = orchestrator.state_manager
    if interrupted is None:
        tasks = store_tasks(scenario, state, root, description=str(scenario.path), told=told)
    else:
        tasks = tasks_of_run(state, interrupted) if scenario.is_several else (state.get_task(interrupted),)
    runs = {task.id: PartRun(part=part, task=task) for part, task in zip(_in_order(scenario), tasks, strict=True)}
    if interrupted is not None:
        _take_up(list(runs.values()), orchestrator, root)
    if not scenario.is_several:
        (run,) = runs.values()
        if run.outcome is None:
            _work_on(run, orchestrator)
        return (run,)
    chooser, project = TaskScheduler(), tasks[0].project_id
    while task := chooser.next_task(state.list_tasks(project_id=project, limit=None)):
        _work_on(runs[task.id], orchestrator)
    names = [part.name for part in scenario.parts]
    return tuple(sorted(runs.values(), key=lambda run: names.index(run.part.name)))


def _take_up(runs: Sequence[PartRun], orchestrator: Orchestrator, root: Path) -> None:
    """Bring each task to where the process that was lost had it; the last one of them may have been under way."""
    state = orchestrator.state_manager
    if not any(run.task.fence for run in runs):
        return
    for run in runs:
        _recall_answers(run, state)
    if all(run.task.status is not TaskStatus.INTERRUPTED for run in runs):  # else going on with it restores it
        attempts = [attempt for run in runs for attempt in state.attempts(run.task.id)]
        if attempts:
            last = max(attempts, key=lambda one: one.started_at)
            root.mkdir(parents=True, exist_ok=True)
            orchestrator.open_workspace(root).restore(last.snapshot_after)
    for run in runs:
        if run.task.status in _OVER:
            run.outcome = _stored_outcome(run.task, state)
    last_task = last_begun([run.task for run in runs])
    for run in runs:
        if run.task is last_task and run.outcome:
            _work_on(run, orchestrator)


def whole_outcome(runs: Sequence[PartRun]) -> Outcome:
    """Return how a scenario ended: as its one task did, or one outcome of all its tasks.

    Of several, the first that is not completed gives status and breakpoint, and the weakest the scores.
    """
    begun = [(run, run.outcome) for run in runs if run.outcome is not None]
    outcomes = [outcome for _, outcome in begun]
    if len(runs) == 1:
        return outcomes[0]
    open_ones = [outcome for outcome in outcomes if outcome.status is not TaskStatus.COMPLETED]
    decisive = (open_ones or outcomes)[0 if open_ones else -1]
    reasons = [f"{run.part.name}: {outcome.status}, {outcome.reason}" for run, outcome in begun]
    reasons += [f"{run.part.name}: never begun" for run in runs if run.outcome is None]
    quality = [one.quality_score for one in outcomes if one.quality_score is not None]
    confidence = [one.confidence for one in outcomes if one.confidence is not None]
    return replace(
        joined(outcomes),
        task_id=decisive.task_id,
        status=decisive.status,
        reason="; ".join(reasons),
        quality_score=min(quality, default=None),
        confidence=min(confidence, default=None),
        breakpoint=decisive.breakpoint,
    )


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Return several runs as one that ended as the last did; what one of them cost is unknown, all cost."""
    last = outcomes[-1]
    if len(outcomes) == 1:
        return last
    costs, tokens = [one.cost_usd for one in outcomes], [one.tokens for one in outcomes]
    scored = next((one for one in reversed(outcomes) if one.attempts), last)
    return replace(
        last,
        response=scored.response,
        iterations=sum(one.iterations for one in outcomes),
        quality_score=scored.quality_score,
        confidence=scored.confidence,
        attempts=tuple(attempt for one in outcomes for attempt in one.attempts),
        seconds=sum(one.seconds for one in outcomes),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        tokens=None if None in tokens else sum(count for count in tokens if count is not None),
    )


def store_tasks(
    scenario: Scenario, state: StateManager, root: Path, *, description: str, told: Told | None = None
) -> tuple[Task, ...]:
    """Store a project with the tasks of a scenario, each behind what it waits for; return them in that order.

    The story of each begins with what is *told*.
    """
    parts = list(_in_order(scenario))
    places = {part.name: place for place, part in enumerate(parts, start=1)}
    plan = [{**part.played_task_data(), "after": tuple(places[name] for name in part.after)} for part in parts]
    return state.create_plan(scenario.case, plan, description=description, working_dir=root, told=told)


def tasks_of_run(state: StateManager, task_id: int) -> tuple[Task, ...]:
    """Return the tasks that were stored together with the task *task_id*, in the order of :func:`store_tasks`."""
    found = state.list_tasks(project_id=state.get_task(task_id).project_id, limit=None)
    return tuple(sorted(found, key=lambda task: task.id))


def last_begun(tasks: Sequence[Task]) -> Task:
    """Return that of the tasks of one run which was worked on last, or any when none was."""
    return max(tasks, key=lambda task: (task.fence > 0, task.updated_at))


def is_left_half_done(tasks: Sequence[Task]) -> bool:
    """Tell whether the run that *tasks* belong to was lost before all that could be done was done."""
    return any(task.status is TaskStatus.INTERRUPTED for task in tasks) or bool(TaskScheduler().next_task(tasks))


def _in_order(scenario: Scenario) -> Iterator[Part]:
    """Yield the parts, each behind what it waits for: so the database demands."""
    parts = dict(enumerate(scenario.parts, start=1))
    numbers = {part.name: index for index, part in parts.items()}
    planned = [
        Task(id=index, title=part.name, after=tuple(numbers[name] for name in part.after))
        for index, part in parts.items()
    ]
    yield from (parts[place.id] for place in TaskScheduler().order(planned))


def _recall_answers(run: PartRun, state: StateManager) -> None:
    """Count as given what a person had answered before the run was interrupted."""
    if not run.unused or not run.task.fence:
        return
    given = state.breakpoints(task_id=run.task.id, status=BreakpointStatus.RESOLVED, limit=None)
    for opened in reversed([one for one in given if not one.is_permission]):  # the oldest first
        known = (
            one for one in run.unused if one.trigger in (None, opened.trigger) and one.answer == opened.answer
        )
        if (form := next(known, None)) is not None:
            run.answered(form, opened)


def _work_on(run: PartRun, orchestrator: Orchestrator) -> None:
    """Bring one task to its end, as long as a person has an answer and its limits are not used up."""
    state, limits, settings = orchestrator.state_manager, run.part.limits, orchestrator.config.settings
    most = limits.iterations or settings.orchestration.max_iterations
    seconds = limits.seconds or settings.orchestration.task_timeout
    if run.outcome is None:
        run.outcome = _begun(run.task, orchestrator)
    while opened := _open(run.outcome, state):
        left = most - run.outcome.iterations
        chosen = next((one for one in run.unused if one.trigger in (None, opened.trigger)), None)
        late = seconds is not None and run.outcome.seconds >= seconds
        if chosen is None or left < 1 or late:
            return
        going_on = unspent(state.get_task(run.task.id), settings, left)
        state.resolve_breakpoint(opened.id, chosen.answer, run=dict(going_on))
        run.answered(chosen, opened)
        run.outcome = joined([run.outcome, orchestrator.execute_task(run.task.id, max_iterations=left)])


def _begun(task: Task, orchestrator: Orchestrator) -> Outcome:
    """Begin a task, or go on with its run that was interrupted; runs before that one count with it."""
    if task.status is not TaskStatus.INTERRUPTED:
        return orchestrator.execute_task(task.id)
    outcome = orchestrator.resume_task(task.id)
    attempts = orchestrator.state_manager.attempts(task.id)
    earlier = attempts[: len(attempts) - outcome.iterations]
    if not earlier:
        return outcome
    seconds = sum(one.seconds for one in earlier)
    return joined([outcome_of(task.id, TaskStatus.ESCALATED, "", earlier, seconds=seconds), outcome])


def _stored_outcome(task: Task, state: StateManager) -> Outcome:
    """Return how a task ended whose process was lost after its last attempt, and before it told of it."""
    attempts = state.attempts(task.id)
    found = outcome_of(
        task.id, task.status, task.status_reason, attempts, seconds=sum(one.seconds for one in attempts)
    )
    if task.status is not TaskStatus.ESCALATED:
        return found
    opened = [one for one in state.breakpoints(task_id=task.id, limit=None) if not one.is_permission]
    ours = opened[0] if opened and opened[0].attempt_number == len(attempts) else None
    return replace(found, breakpoint=ours)


def _open(outcome: Outcome, state: StateManager) -> Breakpoint | None:
    """Return the breakpoint that a task waits at, as it is stored."""
    if outcome.status is not TaskStatus.ESCALATED or outcome.breakpoint is None:
        return None
    found = state.breakpoints(task_id=outcome.task_id, status=BreakpointStatus.OPEN, limit=1)
    return found[0] if found else None
