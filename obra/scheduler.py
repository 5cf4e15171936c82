"""Which task is next. Pure: tasks in, a task out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from obra.domain import Task, TaskStatus
from obra.errors import StateError

Key = TypeVar("Key", int, str)

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
                path = " -> ".join(str(task_id) for task_id in circle({task.id: task.after for task in tasks}))
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


def circle(waits: Mapping[Key, Sequence[Key]]) -> list[Key]:
    """Return a path on which things wait for each other, from one back to itself; empty when there is none.

    Args:
        waits: what each thing waits for; everything that is waited for is a key itself.
    """
    left = dict(waits)
    while ready := [key for key, needed in left.items() if not any(one in left for one in needed)]:
        for key in ready:
            del left[key]
    if not left:
        return []
    path = [min(left)]
    while path[-1] not in path[:-1]:
        path.append(next(needed for needed in left[path[-1]] if needed in left))
    return path[path.index(path[-1]) :]
