"""The checklist of a first real run: what the database shows by itself, and what a person still has to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from obra.domain import Action, Attempt, Record, Task, TaskStatus

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

_MOST_TASKS = 200
_LOWEST, _HIGHEST = 0, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Record):
    """One point. ``seen`` says what proves it, and is empty while it is open; then ``todo`` leads on."""

    name: str
    seen: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class History(Record):
    """What the points are looked for in: tasks, the newest first, and the attempts at them."""

    tasks: Sequence[Task]
    attempts: Sequence[Attempt]
    breakpoints: int

    def first(self, is_it: Callable[[Attempt], bool], tell: Callable[[Attempt], str]) -> str:
        """Return what *tell* says of the newest attempt that *is_it*, with where it stands; else nothing."""
        found = next((one for one in self.attempts if is_it(one)), None)
        return f"task {found.task_id}, attempt {found.number}: {tell(found)}" if found else ""


def checklist(state: StateManager, task_id: int | None = None) -> tuple[Point, ...]:
    """Return all points, those of one task or of the newest 200.

    Raises:
        NotFound: there is no task *task_id*.
        StateError: the database cannot be read.
    """
    tasks = state.list_tasks(limit=_MOST_TASKS) if task_id is None else (state.get_task(task_id),)
    attempts = [attempt for task in tasks for attempt in reversed(state.attempts(task.id))]
    opened = sum(len(state.breakpoints(task_id=task.id, limit=None)) for task in tasks)
    history = History(tasks=tasks, attempts=attempts, breakpoints=opened)
    return (*_of_attempts(history), *_of_tasks(history), *_FOR_PEOPLE)


def _of_attempts(history: History) -> Iterator[Point]:
    titles = {task.id: task.title for task in history.tasks}
    run = "obra run --task ID --agent real --config config/obra.yaml"
    for name, is_it, tell in (
        ("agent starts", lambda one: one.reply.seconds > 0, lambda one: f"a turn of {one.reply.seconds:.1f} s"),
        (
            "prompt generated",
            lambda one: titles[one.task_id] in one.prompt,
            lambda one: f"{len(one.prompt)} characters, with the task's title",
        ),
        (
            "agent responds",
            lambda one: bool(one.reply.text.strip()),
            lambda one: f"{len(one.reply.text)} characters",
        ),
        ("response validated", lambda one: not one.validation.problems, lambda _: "no problem found"),
        (
            "quality scored",
            lambda one: _LOWEST <= one.quality.overall_score <= _HIGHEST and bool(one.quality.factors),
            lambda one: f"{one.quality.overall_score:.1f}, from {len(one.quality.factors)} factors",
        ),
        (
            "confidence calculated",
            lambda one: _LOWEST <= one.confidence <= _HIGHEST and bool(one.confidence_factors),
            lambda one: f"{one.confidence:.1f}, from {len(one.confidence_factors)} factors",
        ),
        (
            "files created in the workspace",
            lambda one: bool(one.evidence.total_changes),
            lambda one: f"{len(one.evidence.total_changes)} changed, such as {one.evidence.total_changes[0].path}",
        ),
        (
            "tests run",
            lambda one: any(check.kind == "pytest" for check in one.evidence.checks),
            lambda one: next(check.message for check in one.evidence.checks if check.kind == "pytest"),
        ),
    ):
        yield Point(name=name, seen=history.first(is_it, tell), todo=run)


def _of_tasks(history: History) -> Iterator[Point]:
    bad = [one for one in history.attempts if one.decision.action is Action.PROCEED and one.evidence.failed_checks]
    decided = len(history.attempts)
    yield Point(
        name="decisions made correctly",
        seen=f"{decided} decisions, none accepts a failed check" if decided and not bad else "",
        todo=f"look at task {bad[0].task_id}: obra review {bad[0].task_id}" if bad else "run a task",
    )
    counted = {task.id: sum(one.task_id == task.id for one in history.attempts) for task in history.tasks}
    kept = [task for task in history.tasks if task.iterations and counted[task.id] == task.iterations]
    yield Point(
        name="state persisted",
        seen=f"{len(kept)} task(s) with all of their attempts" if kept else "",
        todo="run a task, then: obra task show ID",
    )
    yield Point(
        name="breakpoints work",
        seen=f"{history.breakpoints} stored" if history.breakpoints else "",
        todo="run a vague task: obra task create 1 'Make it better', then obra run --task ID",
    )
    again = [one for one in history.tasks if one.iterations > 1 and one.status is TaskStatus.COMPLETED]
    yield Point(
        name="several iterations work",
        seen=f"task {again[0].id} was completed with attempt {again[0].iterations}" if again else "",
        todo="run a task that needs more than one attempt, such as a program with a GUI and tests",
    )
    broken = [one for one in history.tasks if one.status is TaskStatus.FAILED and one.status_reason]
    yield Point(
        name="error handling works",
        seen=f"task {broken[0].id} is stored as failed, with its reason" if broken else "",
        todo="run a task with a limit that cannot be kept: obra run --task ID -o agent.timeout=1",
    )


_FOR_PEOPLE = (
    Point(name="the work is what was asked for", todo="read it: obra task show ID --diff"),
    Point(name="the verdict was right", todo="compare it with your own: obra review ID"),
)
"""Points that no database can show."""


def as_markdown(points: Sequence[Point]) -> str:
    """Return the list as a page with boxes, ticked where something proves the point."""
    lines = [f"- [{'x' if one.seen else ' '}] {one.name}: {one.seen or f'open; {one.todo}'}" for one in points]
    return "# Validation checklist\n\n" + "\n".join(lines) + "\n"


def write_markdown(points: Sequence[Point], path: Path) -> None:
    """Write the list to *path*.

    Raises:
        ReportError: it cannot be written.
    """
    from obra.reports.atomic_file import write_whole

    write_whole(path, (as_markdown(points),))
