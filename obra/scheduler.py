"""Which task is next. Pure: tasks in, a task out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from obra.domain import Task, TaskStatus
from obra.errors import StateError

RUNNABLE = frozenset({TaskStatus.PENDING, TaskStatus.INTERRUPTED})


class TaskScheduler:
    """Puts tasks in order: what they wait for first, then priority (higher first), then age (lower id first)."""

    def next_task(self, tasks: Sequence[Task]) -> Task | None:
        """Return the task to run now, or ``None`` when none can run.

        A task can run when it is pending or interrupted and every task in its ``after`` is completed.

        Raises:
            StateError: tasks wait for each other in a circle, or for a task that is not among *tasks*.
        """
        known = self.order(tasks)  # refuses circles, wherever they are
        done = {task.id for task in known if task.status is TaskStatus.COMPLETED}
        able = [task for task in known if task.status in RUNNABLE and done.issuperset(task.after)]
        return min(able, key=_urgency, default=None)

    def order(self, tasks: Sequence[Task]) -> tuple[Task, ...]:
        """Return all *tasks*, whatever their status, each behind everything it waits for.

        Raises:
            StateError: tasks wait for each other in a circle, or for a task that is not among *tasks*.
        """
        by_id = {task.id: task for task in tasks}
        _refuse_unknown(by_id)
        waiting = sorted(by_id.values(), key=_urgency)
        placed: set[int] = set()
        ordered: list[Task] = []
        while waiting:
            ready = next((task for task in waiting if placed.issuperset(task.after)), None)
            if ready is None:
                path = " -> ".join(str(task_id) for task_id in _circle(by_id, placed))
                raise StateError(
                    f"tasks wait for each other in a circle: {path}; "
                    f"take one of these out of the 'after' of the task before it"
                )
            waiting.remove(ready)
            placed.add(ready.id)
            ordered.append(ready)
        return tuple(ordered)


def _urgency(task: Task) -> tuple[int, int]:
    return (-task.priority, task.id)


def _refuse_unknown(by_id: Mapping[int, Task]) -> None:
    for task in by_id.values():
        for needed in task.after:
            if needed not in by_id:
                known = ", ".join(str(task_id) for task_id in sorted(by_id))
                raise StateError(
                    f"task {task.id} ({task.title!r}) waits for task {needed}, which does not exist; "
                    f"its 'after' may name: {known}"
                )


def _circle(by_id: Mapping[int, Task], placed: set[int]) -> list[int]:
    """Walk from any task that can never be placed along what it waits for, until a task comes twice."""
    path = [min(task_id for task_id in by_id if task_id not in placed)]
    while True:
        following = next(needed for needed in by_id[path[-1]].after if needed not in placed)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
