"""Projects and events: the two tables that are only ever appended to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from obra.domain import Project
from obra.errors import NotFound, StateError
from obra.state.connection import Connection
from obra.state.encoding import clean, from_json, to_json
from obra.state.tables import Columns, event, project_state, task

_INSERT_PROJECT = sa.insert(project_state)
_INSERT_EVENT = sa.insert(event)
_PAUSE_PROJECT = sa.update(project_state).where(project_state.c.id == sa.bindparam("key"))
_PROJECTS = sa.select(project_state).order_by(project_state.c.id)
_PROJECT = sa.select(project_state).where(project_state.c.id == sa.bindparam("key"))
_TASK_EXISTS = sa.select(task.c.id).where(task.c.id == sa.bindparam("key"))
_EVENTS = sa.select(event).where(event.c.task_id == sa.bindparam("key")).order_by(event.c.id)
_OF_KIND = (
    sa.select(event.c.task_id, event.c.data)
    .where(event.c.kind == sa.bindparam("kind"))
    .order_by(event.c.id.desc())
)


def create_project(connection: Connection, name: str, description: str, working_dir: str) -> Project:
    """Store a project and return it with its id."""
    if not name.strip():
        raise StateError("a project needs a name; the one given is empty")
    now = datetime.now(UTC)
    values = {
        "project_name": clean(name),
        "description": clean(description),
        "working_dir": clean(working_dir),
        "status": "active",
        "created_at": now,
        "updated_at": now,
    }
    key = connection.insert(_INSERT_PROJECT, values)
    return _project_of({**values, "id": key})


def projects(connection: Connection) -> tuple[Project, ...]:
    """Return all projects, oldest first."""
    return tuple(_project_of(row) for row in connection.rows(_PROJECTS))


def project(connection: Connection, project_id: int) -> Project:
    """Return one project.

    Raises:
        NotFound: there is none with that id.
    """
    row = connection.first(_PROJECT, {"key": project_id})
    if row is None:
        raise NotFound(f"no project has the id {project_id}; 'obra project list' shows those there are")
    return _project_of(row)


def pause_project(connection: Connection, project_id: int, *, paused: bool) -> Project:
    """Keep the tasks of a project from being taken up by workers, or let them be again, and return it.

    Raises:
        NotFound: there is none with that id.
        StateError: it is completed or archived.
    """
    found = project(connection, project_id)
    if found.status not in ("active", "paused"):
        raise StateError(f"project {project_id} is {found.status}; only an active one can be paused and resumed")
    status = "paused" if paused else "active"
    connection.run(_PAUSE_PROJECT, {"key": project_id, "status": status, "updated_at": datetime.now(UTC)})
    return replace(found, status=status)


def require_task(connection: Connection, task_id: int) -> None:
    """Raise NotFound when there is no task *task_id*."""
    if connection.first(_TASK_EXISTS, {"key": task_id}) is None:
        raise no_task(task_id)


def no_task(task_id: int) -> NotFound:
    """Return the error that says there is no task *task_id*."""
    return NotFound(f"no task has the id {task_id}; 'obra task list' shows those there are")


def write_event(
    connection: Connection, task_id: int, kind: str, data: Mapping[str, Any], now: datetime | None = None
) -> None:
    """Append one event to the story of a task that is known to exist."""
    values = {"task_id": task_id, "kind": clean(kind), "data": to_json(data), "at": now or datetime.now(UTC)}
    connection.run(_INSERT_EVENT, values)


def tell(connection: Connection, task_id: int, kind: str, data: Mapping[str, Any]) -> None:
    """Append one event to the story of a task.

    Raises:
        NotFound: there is no such task.
    """
    require_task(connection, task_id)
    write_event(connection, task_id, kind, data)


def events(connection: Connection, task_id: int) -> tuple[Mapping[str, Any], ...]:
    """Return the story of a task, oldest first, as mappings of ``id, task_id, kind, data, at``."""
    require_task(connection, task_id)
    rows = connection.rows(_EVENTS, {"key": task_id})
    return tuple(MappingProxyType({**row, "data": from_json(row["data"])}) for row in rows)


def of_kind(connection: Connection, kind: str) -> tuple[tuple[int, Mapping[str, Any]], ...]:
    """Return task and data of all events of one kind, the newest first."""
    rows = connection.rows(_OF_KIND, {"kind": kind})
    return tuple((row["task_id"], from_json(row["data"])) for row in rows)


def _project_of(row: Columns) -> Project:
    return Project(
        id=row["id"],
        name=row["project_name"],
        description=row["description"],
        working_dir=row["working_dir"],
        status=row["status"],
        created_at=row["created_at"],
    )
