"""Who holds a task: what may be changed by whom, and how the others are refused."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from obra.domain import LEGAL_STATUS_CHANGES, Record, Task, TaskStatus
from obra.errors import IllegalStatus, TaskBusy
from obra.state import journal, steps, waiting
from obra.state.connection import Connection
from obra.state.owners import describe, is_alive
from obra.state.tables import task as tasks

_FIND_HELD = (
    sa.select(
        tasks.c.id,
        tasks.c.status,
        tasks.c.status_reason,
        tasks.c.owner,
        tasks.c.fence,
        tasks.c.iterations,
        tasks.c.claimed_by,
    )
    .where(tasks.c.id == sa.bindparam("key"))
    .with_for_update()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Record):
    """What every attempt reads of its task; the rest of a task costs time to read."""

    id: int
    status: TaskStatus
    status_reason: str
    owner: str
    fence: int
    iterations: int
    claimed_by: str


def find(connection: Connection, task_id: int) -> Held:
    """Return what says who may change a task, and keep others from it until the transaction ends.

    Raises:
        NotFound: there is none with that id.
    """
    row = connection.first(_FIND_HELD, {"key": task_id})
    if row is None:
        raise journal.no_task(task_id)
    return Held(**{**row, "status": TaskStatus(row["status"])})


def require_legal(stored: Task | Held, status: TaskStatus) -> None:
    """Raise IllegalStatus unless *stored* may become *status*."""
    allowed = LEGAL_STATUS_CHANGES[stored.status]
    if status not in allowed:
        words = ", ".join(sorted(allowed)) or "nothing else: create a new task"
        raise IllegalStatus(
            f"task {stored.id} is {stored.status} and cannot become {status}; "
            f"from {stored.status} it may become {words}"
        )


def require_held(stored: Task | Held, fence: int) -> None:
    """Raise TaskBusy unless *stored* still runs by its start number *fence*."""
    if (stored.status, stored.fence) != (TaskStatus.RUNNING, fence):
        raise steps.lost(stored.id, fence, stored.status, stored.claimed_by or stored.owner, stored.fence)


def refuse_if_busy(stored: Task, *, also_when_unknown: bool) -> None:
    """Raise TaskBusy when the owner of *stored* lives, or may live on another host; not once its lease is out."""
    if waiting.is_out(stored.lease_until):
        return
    alive = is_alive(stored.owner)
    if alive:
        raise TaskBusy(f"{describe(stored.owner)} is working on task {stored.id}; wait for it, or end it first")
    if alive is None and also_when_unknown:
        raise TaskBusy(
            f"{describe(stored.owner)} is working on task {stored.id}, and from here it cannot be seen whether "
            f"it still runs; end it there, or once it is gone: obra task release {stored.id}"
        )
