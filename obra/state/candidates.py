"""Which tasks could be taken up next: a bounded part of the queue, read by index.

The queue may hold millions. What is read of it is the same at any length: the first :data:`FIRST` of all by place,
and, only when there are more than these, the first of :data:`PROJECTS` projects, beginning behind the one that was
served last. So the choice is exact as long as no more than :data:`FIRST` tasks can run, and fair beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from obra.domain import Record, Task, TaskStatus
from obra.scheduler import Running
from obra.state.connection import Connection
from obra.state.tables import UTCDateTime, project_state, task_after
from obra.state.tables import task as tasks

FIRST = 100
"""Tasks that are looked at in any case."""

PROJECTS = 50
"""Projects whose first task is looked at besides."""

_NOW = sa.bindparam("now", type_=UTCDateTime)


def _can_run(row: Any) -> list[sa.ColumnElement[bool]]:
    """Return what the queue says of a row of the table *row*: early, waiting and paused ones are left out."""
    needed = tasks.alias("needed")
    is_active = sa.exists().where(project_state.c.id == row.c.project_id, project_state.c.status == "active")
    waits = (
        sa.exists()
        .where(task_after.c.task_id == row.c.id, needed.c.id == task_after.c.needs)
        .where(needed.c.status != TaskStatus.COMPLETED.value)
    )
    return [sa.or_(row.c.not_before.is_(None), row.c.not_before <= _NOW), sa.not_(waits), is_active]


def _columns(row: Any) -> list[Any]:
    earlier = tasks.alias("earlier")
    served = (
        sa.select(sa.func.max(earlier.c.claimed_at))
        .where(earlier.c.project_id == row.c.project_id, earlier.c.claimed_at.is_not(None))
        .scalar_subquery()
    )
    names = ("id", "project_id", "priority", "status", "deadline", "queued_at", "created_at")
    return [*(row.c[name] for name in names), sa.type_coerce(served, UTCDateTime).label("served")]


_LEASED = sa.select(tasks.c.id, tasks.c.project_id, tasks.c.agent, tasks.c.llm, tasks.c.lease_until).where(
    tasks.c.lease_until.is_not(None)
)
_IN_ORDER = (
    sa.select(*_columns(tasks))
    .where(tasks.c.place.is_not(None), *_can_run(tasks))
    .order_by(tasks.c.place, tasks.c.id)
    .limit(FIRST)
)
_IN_ORDER_OF_PROJECT = _IN_ORDER.where(tasks.c.project_id == sa.bindparam("project"))
_LEASE_IS_OUT = sa.select(*_columns(tasks)).where(
    tasks.c.lease_until.is_not(None), tasks.c.lease_until <= _NOW, sa.not_(tasks.c.paused), *_can_run(tasks)
)
_SERVED_LAST = (
    sa.select(tasks.c.project_id)
    .where(tasks.c.claimed_at.is_not(None))
    .order_by(tasks.c.claimed_at.desc())
    .limit(1)
)


def _first_of_projects() -> sa.Select[Any]:
    """Return the first task of each of the next projects, found by one jump in the index for each project."""
    following = tasks.alias("following")

    def next_after(project: Any) -> Any:
        return (
            sa.select(sa.func.min(following.c.project_id))
            .where(following.c.place.is_not(None), following.c.project_id > project)
            .scalar_subquery()
        )

    projects = sa.select(next_after(sa.bindparam("behind")).label("project"), sa.literal(1).label("count")).cte(
        "projects", recursive=True
    )
    projects = projects.union_all(
        sa.select(next_after(projects.c.project), projects.c.count + 1).where(
            projects.c.project.is_not(None), projects.c.count < PROJECTS
        )
    )
    first = tasks.alias("first")
    key = (
        sa.select(first.c.id)
        .where(first.c.project_id == projects.c.project, first.c.place.is_not(None), *_can_run(first))
        .order_by(first.c.place, first.c.id)
        .limit(1)
        .scalar_subquery()
    )
    return sa.select(*_columns(tasks)).select_from(projects.join(tasks, tasks.c.id == key))


_FIRST_OF_PROJECTS = _first_of_projects()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Record):
    """Tasks that can run, with what a choice among them looks at, and when their projects were served last."""

    tasks: Sequence[Task]
    served: Mapping[int, datetime]


def leased(connection: Connection) -> list[tuple[Running, datetime]]:
    """Return every task under a claim, with the end of its lease."""
    return [
        (
            Running(task_id=row["id"], project_id=row["project_id"], agent=row["agent"], llm=row["llm"]),
            row["lease_until"],
        )
        for row in connection.rows(_LEASED)
    ]


def able(connection: Connection, now: datetime, project_id: int | None, *, also_leased: bool) -> Found:
    """Return tasks that can run now, of all projects or of one; too late ones are still among them.

    Args:
        connection: the transaction.
        now: the time by which leases are measured.
        project_id: look at one project alone.
        also_leased: also look for tasks whose lease ran out.
    """
    if project_id is None:
        rows = list(connection.rows(_IN_ORDER, {"now": now}))
        if len(rows) == FIRST:
            rows += _of_other_projects(connection, now)
    else:
        rows = list(connection.rows(_IN_ORDER_OF_PROJECT, {"now": now, "project": project_id}))
    if also_leased:
        out = connection.rows(_LEASE_IS_OUT, {"now": now})
        rows += [row for row in out if project_id in (None, row["project_id"])]
    return Found(
        tasks=list({row["id"]: _task_of(row) for row in rows}.values()),
        served={row["project_id"]: row["served"] for row in rows if row["served"] is not None},
    )


def _of_other_projects(connection: Connection, now: datetime) -> list[Mapping[str, Any]]:
    last = connection.first(_SERVED_LAST)
    behind = last["project_id"] if last else 0
    rows = list(connection.rows(_FIRST_OF_PROJECTS, {"now": now, "behind": behind}))
    if behind and len(rows) < PROJECTS:
        rows += connection.rows(_FIRST_OF_PROJECTS, {"now": now, "behind": 0})
    return rows


def _task_of(row: Mapping[str, Any]) -> Task:
    return Task(
        id=row["id"],
        project_id=row["project_id"],
        title="",
        status=TaskStatus(row["status"]),
        priority=row["priority"],
        deadline=row["deadline"],
        queued_at=row["queued_at"],
        created_at=row["created_at"],
    )
