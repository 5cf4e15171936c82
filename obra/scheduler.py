"""Which task is next. Pure: tasks, what runs, limits and the time in; a task out.

The rule, the strongest word first:

1. A task that cannot run is passed over; :meth:`TaskScheduler.why_not` says why.
2. Within a project the lowest :func:`place` is first, then the nearest deadline, then the lowest id. The place is
   the priority with linear ageing: each :data:`AGEING` seconds of waiting count as one step of priority. It is one
   fixed number (J. R. Jackson, "Some problems in queueing with dynamic priorities", Naval Research Logistics
   Quarterly 7, 1960: serve by arrival time plus urgency number), so that a database can keep an index of it.
3. Between projects the highest level is first. It is the highest priority among the project's tasks that can
   run, plus one for each :data:`AGEING` seconds in which it waited and was not served: a long queue does not
   make its own project more urgent while something of it is being done.
4. Among projects of one level: the nearest deadline of the task that would run, then the fewest running tasks,
   then the one that was served longest ago (round robin), then the lowest id.

So nothing starves: a project that is passed over rises by one level in each :data:`AGEING` seconds until it is
served, and within a project only tasks of a lower place, which are finitely many, go before a task.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from typing import TypeVar

from obra.domain import Record, Task, TaskStatus
from obra.errors import StateError

Key = TypeVar("Key", int, str)

RUNNABLE = frozenset({TaskStatus.PENDING, TaskStatus.INTERRUPTED})

AGEING = 900.0
"""Seconds of waiting that count as one step of priority: a quarter of an hour, the example of Silberschatz, Galvin
and Gagne, "Operating System Concepts", where they come to priority scheduling."""

FIRST_PAUSE = 30.0
"""Seconds before the first retry, without the jitter."""

LONGEST_PAUSE = 3600.0
"""Seconds that a retry waits at the most."""

_NEVER = datetime.max.replace(tzinfo=UTC)
_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running(Record):
    """One task that is being worked on: whose it is, and which agent and LLM it keeps busy."""

    task_id: int = 0
    project_id: int = 0
    agent: str = ""
    llm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity(Record):
    """How many tasks may run at once: in all, and for each agent and LLM by its name; others are not limited."""

    total: int | None = None
    agents: Mapping[str, int] = field(default_factory=dict)
    llms: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything is limited."""
        return self.total is not None or bool(self.agents) or bool(self.llms)

    def what_is_full(self, running: Sequence[Running], agent: str = "", llm: str = "") -> str:
        """Return what keeps one more task of *agent* and *llm* from running; empty when nothing does."""
        counts = (
            ("tasks", self.total, len(running)),
            (f"tasks of the agent {agent}", self.agents.get(agent), sum(one.agent == agent for one in running)),
            (f"tasks of the LLM {llm}", self.llms.get(llm), sum(one.llm == llm for one in running)),
        )
        full = [f"{most} {what} may run at once" for what, most, now in counts if most is not None and now >= most]
        return ", ".join(full)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(Record):
    """What a choice depends on besides the tasks.

    ``now`` without a value stands for a world without time: no ageing, and no task is too early or too late.
    """

    now: datetime | None = None
    running: Sequence[Running] = ()
    served: Mapping[int, datetime] = field(default_factory=dict)
    """When each project last had a task taken up; one that is not named never had."""
    paused: Collection[int] = ()
    """Ids of projects that are paused."""
    capacity: Capacity = field(default_factory=Capacity)
    agent: str = ""
    """Whom the task would be given to."""
    llm: str = ""
    """Who would review it."""


class TaskScheduler:
    """Chooses the next task, and puts tasks in order; the rule stands at the head of this module."""

    def next_task(self, tasks: Sequence[Task], moment: Moment | None = None) -> Task | None:
        """Return the task to run now, or ``None`` when none can run or may run.

        Takes time proportional to the number of tasks.

        Raises:
            StateError: tasks wait for each other in a circle, or for a task that is not among *tasks*.
        """
        moment = moment or Moment()
        known = self.order(tasks)  # refuses circles, wherever they are
        done = {task.id for task in known if task.status is TaskStatus.COMPLETED}
        return self.pick([task for task in known if not self.why_not(task, done, moment)], moment)

    def pick(self, able: Sequence[Task], moment: Moment) -> Task | None:
        """Return the first of tasks that can all run; ``None`` without any, or when the capacity is used up."""
        if moment.capacity.what_is_full(moment.running, moment.agent, moment.llm):
            return None
        projects: dict[int, list[Task]] = {}
        for task in able:
            projects.setdefault(task.project_id, []).append(task)
        busy = Counter(one.project_id for one in moment.running)
        heads = [
            (_turn_of(queue, head, busy[head.project_id], moment), head)
            for queue in projects.values()
            for head in [min(queue, key=_within_project)]
        ]
        return min(heads, key=lambda one: one[0])[1] if heads else None

    def why_not(self, task: Task, done: Collection[int], moment: Moment) -> str:
        """Return why *task* cannot run now, in a few words; empty when it can.

        Args:
            task: the task.
            done: ids of completed tasks.
            moment: the time, and which projects are paused; who is busy does not matter here.
        """
        if task.status not in RUNNABLE and not is_to_be_retried(task):
            return f"it is {task.status}"
        if task.paused:
            return "it is paused"
        if task.project_id in moment.paused:
            return f"project {task.project_id} is paused"
        if open_ones := [str(needed) for needed in task.after if needed not in done]:
            return f"it waits for task {', '.join(open_ones)}"
        return _not_in_time(task, moment.now) if moment.now else ""

    def order(self, tasks: Sequence[Task]) -> tuple[Task, ...]:
        """Return all *tasks*, whatever their status, each behind everything it waits for.

        Among those whose turn it could be, higher priority is first, then the lower id. With n tasks and e
        dependencies this takes O((n + e) log n) steps (A. B. Kahn, "Topological sorting of large networks",
        Communications of the ACM 5, 1962, with a heap).

        Raises:
            StateError: tasks wait for each other in a circle, or for a task that is not among *tasks*.
        """
        by_id = {task.id: task for task in tasks}
        _refuse_unknown(by_id)
        open_needs = {task.id: len(set(task.after)) for task in by_id.values()}
        waiting: dict[int, list[int]] = {}
        for task in by_id.values():
            for needed in set(task.after):
                waiting.setdefault(needed, []).append(task.id)
        ready = [(-task.priority, task.id) for task in by_id.values() if not task.after]
        heapify(ready)
        ordered: list[Task] = []
        while ready:
            _, key = heappop(ready)
            ordered.append(by_id[key])
            for later in waiting.get(key, ()):
                open_needs[later] -= 1
                if not open_needs[later]:
                    heappush(ready, (-by_id[later].priority, later))
        if len(ordered) < len(by_id):
            path = " -> ".join(str(task_id) for task_id in circle({task.id: task.after for task in tasks}))
            raise StateError(
                f"tasks wait for each other in a circle: {path}; "
                f"take one of these out of the 'after' of the task before it"
            )
        return tuple(ordered)


def place(task: Task) -> int:
    """Return where *task* stands in the queue of its project; lower is earlier, and it never changes.

    It is the number of whole :data:`AGEING` periods since 1970 at which the task began to wait, less its priority.
    """
    return int(_since(task).timestamp() // AGEING) - task.priority


def is_to_be_retried(task: Task) -> bool:
    """Tell whether a failed task has retries left; ``tries`` are the runs that failed while it was queued."""
    return task.status is TaskStatus.FAILED and 0 < task.tries <= task.retries


def pause_before(tries: int, task_id: int) -> float:
    """Return the seconds to wait after the run number *tries* of a task has failed, counted from 1.

    It doubles from :data:`FIRST_PAUSE` up to :data:`LONGEST_PAUSE`. Half of it is fixed and half is a jitter
    (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: "equal jitter") made from the
    task's id, so that tasks that failed together do not come back together, and each choice can be made again.
    """
    whole = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 20))
    mark = hashlib.sha256(f"{task_id}:{tries}".encode()).digest()
    return whole / 2 + whole / 2 * int.from_bytes(mark[:4], "big") / 2**32


def _since(task: Task) -> datetime:
    return task.queued_at or task.created_at or _LONG_AGO


def _not_in_time(task: Task, now: datetime) -> str:
    if task.deadline and task.deadline <= now:
        return f"its deadline passed at {task.deadline:%Y-%m-%d %H:%M:%S} UTC"
    if task.not_before and task.not_before > now:
        return f"not before {task.not_before:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def _within_project(task: Task) -> tuple[int, datetime, int]:
    return (place(task), task.deadline or _NEVER, task.id)


def _turn_of(
    queue: Sequence[Task], head: Task, running: int, moment: Moment
) -> tuple[int, datetime, int, datetime, int]:
    """Return the key of a project whose tasks *queue* can run; the lowest is served."""
    served = moment.served.get(head.project_id, _LONG_AGO)
    waited = 0.0
    if moment.now is not None:
        waited = (moment.now - max(served, min(map(_since, queue)))).total_seconds()
    level = max(task.priority for task in queue) + int(max(waited, 0.0) // AGEING)
    return (-level, head.deadline or _NEVER, running, served, head.id)


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
