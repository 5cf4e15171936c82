"""Breakpoints: where a person must look, and what that person answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from obra.domain import Breakpoint, BreakpointStatus, TaskStatus, Trigger
from obra.errors import IllegalStatus, NotFound, StateError
from obra.state import holding, journal, steps
from obra.state.connection import Connection
from obra.state.encoding import clean, utc
from obra.state.tables import Columns
from obra.state.tables import breakpoint_ as breakpoints
from obra.state.tables import task as tasks

_INSERT = sa.insert(breakpoints)
_NEWEST = sa.select(breakpoints).order_by(breakpoints.c.id.desc())
_NEWEST_OF_TASK = _NEWEST.where(breakpoints.c.task_id == sa.bindparam("key"))
_FIND = sa.select(breakpoints).where(breakpoints.c.id == sa.bindparam("key")).with_for_update()
_UPDATE = sa.update(breakpoints).where(breakpoints.c.id == sa.bindparam("key"))
_UPDATE_TASK = sa.update(tasks).where(tasks.c.id == sa.bindparam("key"))
_ANSWERED = "its breakpoint was answered, and the run that hears the answer has not begun"


def open_(
    connection: Connection, wanted: Breakpoint, task_id: int, now: datetime, attempt_id: int | None = None
) -> Breakpoint:
    """Store *wanted* as an open breakpoint of a task and return it with its ids and its time."""
    opened = replace(
        wanted,
        task_id=task_id,
        reason=clean(wanted.reason),
        status=BreakpointStatus.OPEN,
        answer="",
        created_at=utc(wanted.created_at) if wanted.created_at else now,
        resolved_at=None,
    )
    values = {
        "task_id": task_id,
        "attempt_id": attempt_id,
        "attempt_number": opened.attempt_number,
        "reason": opened.reason,
        "status": opened.status.value,
        "trigger": opened.trigger.value,
        "answer": "",
        "created_at": opened.created_at,
        "resolved_at": None,
    }
    return replace(opened, id=connection.insert(_INSERT, values))


def open_alone(connection: Connection, wanted: Breakpoint) -> Breakpoint:
    """Store an open breakpoint that no attempt's decision opened, and return it.

    Raises:
        NotFound: there is no such task.
    """
    journal.require_task(connection, wanted.task_id)
    return open_(connection, wanted, wanted.task_id, datetime.now(UTC))


def open_resolved(connection: Connection, wanted: Breakpoint, answer: str, request: str = "") -> Breakpoint:
    """Store a breakpoint that was answered at once and return it.

    Raises:
        NotFound: there is no such task.
    """
    return resolve(connection, open_alone(connection, wanted).id, answer, request=request)


def newest(
    connection: Connection, task_id: int | None, status: BreakpointStatus | None, limit: int | None
) -> tuple[Breakpoint, ...]:
    """Return breakpoints, the newest first."""
    if limit is not None and limit < 0:
        raise StateError(f"limit is {limit}; give 0 or more, or None for all")
    if task_id is not None and status is None and limit is None:  # asked at the start of every run
        return tuple(breakpoint_of(row) for row in connection.rows(_NEWEST_OF_TASK, {"key": task_id}))
    query = _NEWEST.limit(limit)
    if task_id is not None:
        query = query.where(breakpoints.c.task_id == task_id)
    if status is not None:
        query = query.where(breakpoints.c.status == status.value)
    return tuple(breakpoint_of(row) for row in connection.rows(query))


def resolve(
    connection: Connection,
    breakpoint_id: int,
    answer: str,
    run: Mapping[str, Any] | None = None,
    *,
    request: str = "",
) -> Breakpoint:
    """Store a person's answer, and with *run* leave the escalated task as a run that is interrupted at its begin.

    *request* is what the agent called its question, if it was one; the event that tells of the answer says it.

    Raises:
        NotFound: there is no such breakpoint.
        IllegalStatus: it is answered already, or there is a *run* and the task is not escalated.
    """
    row = connection.first(_FIND, {"key": breakpoint_id})
    if row is None:
        raise NotFound(f"no breakpoint has the id {breakpoint_id}; 'obra breakpoint list' shows those there are")
    found, now = breakpoint_of(row), datetime.now(UTC)
    if found.status is not BreakpointStatus.OPEN:
        raise IllegalStatus(
            f"breakpoint {breakpoint_id} is resolved already, with the answer {found.answer!r:.80}; "
            f"the first answer stays. Run task {found.task_id} again to have it judged anew"
        )
    values = {"status": BreakpointStatus.RESOLVED.value, "answer": clean(answer), "resolved_at": now}
    connection.run(_UPDATE, {"key": breakpoint_id, **values})
    told = {"breakpoint_id": breakpoint_id, "answer": answer, **({"request": request} if request else {})}
    journal.write_event(connection, found.task_id, "breakpoint_resolved", told, now)
    if run is not None:
        _leave_to_go_on(connection, found.task_id, run, now)
    return replace(found, status=BreakpointStatus.RESOLVED, answer=clean(answer), resolved_at=now)


def _leave_to_go_on(connection: Connection, task_id: int, run: Mapping[str, Any], now: datetime) -> None:
    task = holding.find(connection, task_id)
    if task.status is not TaskStatus.ESCALATED:
        raise IllegalStatus(f"task {task_id} is {task.status}, not escalated: no run of it waits for an answer")
    steps.begin(connection, task_id, task.iterations + 1, run)
    values = {"status": TaskStatus.INTERRUPTED.value, "status_reason": _ANSWERED, "updated_at": now}
    connection.run(_UPDATE_TASK, {"key": task_id, **values})


def breakpoint_of(row: Columns) -> Breakpoint:
    """Return the breakpoint that stands in a row."""
    return Breakpoint(
        id=row["id"],
        task_id=row["task_id"],
        attempt_number=row["attempt_number"],
        trigger=Trigger(row["trigger"]),
        reason=row["reason"],
        status=BreakpointStatus(row["status"]),
        answer=row["answer"],
        created_at=row["created_at"],
        resolved_at=row["resolved_at"],
    )
