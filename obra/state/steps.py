"""Steps of the attempt under way: kept as they are done, read when another process goes on, gone once recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from obra.domain import Step, Task, TaskStatus
from obra.errors import TaskBusy
from obra.state.connection import Connection
from obra.state.encoding import from_json, to_json
from obra.state.owners import describe, this_process
from obra.state.tables import attempt_step
from obra.state.tables import task as tasks

RUN = "run"
"""Name of the step that stands before all others of an attempt: what the run has used up so far."""

_INSERT = sa.insert(attempt_step)
_FORGET = sa.delete(attempt_step).where(attempt_step.c.task_id == sa.bindparam("key"))
_HOLDER = sa.select(tasks.c.status, tasks.c.owner, tasks.c.fence, tasks.c.claimed_by).where(
    tasks.c.id == sa.bindparam("key")
)
_HOLDER_TO_CHANGE = _HOLDER.with_for_update()  # SQLite has no row locks: there BEGIN IMMEDIATE has locked all
_OF_TASK = (
    sa.select(attempt_step)
    .where(attempt_step.c.task_id == sa.bindparam("key"))
    .order_by(attempt_step.c.number, attempt_step.c.position)
)


def add(connection: Connection, task: Task, step: Step) -> None:
    """Keep one step of a task that this process holds.

    Raises:
        TaskBusy: it holds it no more: the task was released, or given to somebody else.
    """
    row = connection.first(_HOLDER_TO_CHANGE, {"key": task.id})
    if row is None:
        raise lost(task.id, task.fence, "gone", "", 0)
    if (row["status"], row["fence"]) != (TaskStatus.RUNNING, task.fence):
        raise lost(task.id, task.fence, row["status"], row["claimed_by"] or row["owner"], row["fence"])
    values = {"task_id": task.id, "number": step.number, "position": step.position, "name": step.name}
    connection.run(_INSERT, {**values, "data": to_json(step.data), "at": datetime.now(UTC)})


def lost(task_id: int, fence: int, status: str, owner: str, now_fence: int) -> TaskBusy:
    """Return the error that tells this process that a task is no longer its own."""
    holder = f"{describe(owner)} works on it now" if owner else f"it was released and is {status} now"
    return TaskBusy(
        f"{describe(this_process())} has lost task {task_id}: {holder} (start {now_fence} of the task, ours was "
        f"{fence}). This process stops and writes nothing more"
    )


def begin(connection: Connection, task_id: int, number: int, run: Mapping[str, Any]) -> None:
    """Forget what was kept of a task, and say what its run has used up before attempt *number*."""
    forget(connection, task_id)
    values = {"task_id": task_id, "number": number, "position": 0, "name": RUN}
    connection.run(_INSERT, {**values, "data": to_json({RUN: run}), "at": datetime.now(UTC)})


def forget(connection: Connection, task_id: int) -> None:
    """Forget what was kept of a task."""
    connection.run(_FORGET, {"key": task_id})


def of_task(connection: Connection, task_id: int) -> tuple[Step, ...]:
    """Return what is kept of a task, in order."""
    rows = connection.rows(_OF_TASK, {"key": task_id})
    return tuple(
        Step(number=row["number"], position=row["position"], name=row["name"], data=from_json(row["data"]))
        for row in rows
    )
