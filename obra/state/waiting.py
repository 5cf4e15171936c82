"""A task that waits for a worker: the columns that say so, as its life goes on.

``place`` is what the claim looks for by index: it is there exactly while a worker may take the task up, now or
when ``not_before`` has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from obra.domain import Task, TaskStatus
from obra.errors import IllegalStatus, TaskBusy
from obra.scheduler import RUNNABLE, is_to_be_retried, pause_before, place
from obra.state.owners import describe, is_alive

UNCLAIMED: Mapping[str, Any] = {"claimed_by": "", "lease_until": None}
"""What stands in a task that nobody has taken up."""

NOT_WAITING: Mapping[str, Any] = {
    "queued_at": None,
    "not_before": None,
    "deadline": None,
    "paused": False,
    "retries": 0,
    "tries": 0,
    **UNCLAIMED,
}
"""What stands in a task that runs only when somebody names it."""


def asked_for(task: Task) -> dict[str, Any]:
    """Return the columns of a new task that are not as in :data:`NOT_WAITING`."""
    columns = {name: task[name] for name, usual in NOT_WAITING.items() if task[name] != usual}
    return columns | ({"place": place(task)} if task.queued_at else {})


def place_of(task: Task) -> int | None:
    """Return the place of *task* in its queue; ``None`` while no worker may take it up."""
    waits = task.queued_at is not None and not task.paused and not task.claimed_by
    return place(task) if waits and (task.status in RUNNABLE or is_to_be_retried(task)) else None


def is_out(lease_until: datetime | None) -> bool:
    """Tell whether there was a lease and it ran out, by the clock of this machine."""
    return lease_until is not None and lease_until <= datetime.now(UTC)


def at_start(task: Task, owner: str, now: datetime) -> dict[str, Any]:
    """Return the columns to write when *owner* sets *task* running, ``fence`` among them.

    Raises:
        TaskBusy: another process has taken it up.
        IllegalStatus: it was never begun and its deadline passed.
    """
    if _is_anothers(task, owner):
        raise TaskBusy(
            f"{describe(task.claimed_by)} has taken task {task.id} up; its lease runs until "
            f"{task.lease_until:%Y-%m-%d %H:%M:%S} UTC"
        )
    if task.status is TaskStatus.PENDING and task.deadline is not None and task.deadline <= now:
        raise IllegalStatus(
            f"task {task.id} is not begun: its deadline passed at {task.deadline:%Y-%m-%d %H:%M:%S} UTC; "
            f"create it anew with a later one, or without"
        )
    if task.claimed_by == owner:  # the claim has raised the number for this start
        return {"fence": task.fence}
    return {"fence": task.fence + 1} | ({"place": None, **UNCLAIMED} if task.queued_at else {})


def _is_anothers(task: Task, owner: str) -> bool:
    return (
        task.claimed_by not in ("", owner)
        and not is_out(task.lease_until)
        and is_alive(task.claimed_by) is not False
    )


def at_end(task: Task, status: TaskStatus, now: datetime) -> dict[str, Any]:
    """Return the columns to write when a run of *task* ends as *status*; a failed run may wait for the next."""
    if task.queued_at is None:
        return {}
    ended = replace(task, status=status, claimed_by="", lease_until=None)
    columns = dict(UNCLAIMED)
    if status is TaskStatus.FAILED:
        ended = replace(ended, tries=task.tries + 1)
        columns["tries"] = ended.tries
        if is_to_be_retried(ended):
            columns["not_before"] = now + timedelta(seconds=pause_before(ended.tries, task.id))
    return columns | {"place": place_of(ended)}
