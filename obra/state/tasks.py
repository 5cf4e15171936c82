"""Tasks: storing, reading as they truly stand, and the only status changes there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from obra.domain import Breakpoint, Limits, Project, ScriptStep, Task, TaskStatus
from obra.errors import IllegalStatus, NotFound, StateError
from obra.state import breakpoints, holding, journal, steps, waiting
from obra.state.connection import Connection
from obra.state.encoding import clean, from_json, to_json
from obra.state.owners import describe, is_alive, this_process
from obra.state.tables import Columns, task_after
from obra.state.tables import task as tasks

_INSERT = sa.insert(tasks)
_INSERT_AFTER = sa.insert(task_after)
_UPDATE = sa.update(tasks).where(tasks.c.id == sa.bindparam("key"))
_FIND = sa.select(tasks).where(tasks.c.id == sa.bindparam("key"))
_FIND_TO_CHANGE = _FIND.with_for_update()  # SQLite has no row locks: there BEGIN IMMEDIATE has locked all
_NEWEST = sa.select(tasks).order_by(tasks.c.updated_at.desc(), tasks.c.id.desc())
_MAY_BE_INTERRUPTED = sa.or_(
    tasks.c.status == TaskStatus.INTERRUPTED.value, tasks.c.status == TaskStatus.RUNNING.value
)
_PROJECT = sa.select(tasks.c.project_id).where(tasks.c.id == sa.bindparam("key"))


def create(connection: Connection, task: Task) -> Task:
    """Store *task*, which is new, and return it with its id.

    Raises:
        NotFound: its project, or a task that it waits for, does not exist.
        StateError: it waits for a task of another project.
    """
    journal.project(connection, task.project_id)
    _require_earlier(connection, task)
    return _insert(connection, task)


def _insert(connection: Connection, task: Task) -> Task:
    """Store *task*, whose project and tasks to wait for are known to be there."""
    now = datetime.now(UTC)
    data = {name: task[name] for name in ("after", "acceptance", "checks", "limits", "working_dir")}
    data |= {name: task[name] for name in ("script", "reviewer") if task[name] is not None}
    values = {
        "project_id": task.project_id,
        "title": clean(task.title),
        "description": clean(task.description),
        "status": TaskStatus.PENDING.value,
        "status_reason": "",
        "priority": task.priority,
        "owner": "",
        "base_snapshot": "",
        "iterations": 0,
        "quality_score": None,
        "confidence": None,
        "data": to_json(data),
        "created_at": now,
        "updated_at": now,
        "fence": 0,
        **waiting.asked_for(task),
    }
    key = connection.insert(_INSERT, values)
    connection.run_many(_INSERT_AFTER, [{"task_id": key, "needs": needed} for needed in dict.fromkeys(task.after)])
    return task_of_row({**waiting.NOT_WAITING, **values, "id": key})


def create_with_project(
    connection: Connection, wanted: Project, planned: Sequence[Task], told: Mapping[str, Mapping[str, Any]]
) -> tuple[Task, ...]:
    """Store a project, its tasks and what the story of each begins with; return the tasks with their ids.

    The ``after`` of each names places in *planned*, from 1.
    """
    project = journal.create_project(connection, wanted.name, wanted.description, wanted.working_dir)
    made: list[Task] = []
    for one in planned:
        after = tuple(made[place - 1].id for place in one.after)
        made.append(_insert(connection, replace(one, project_id=project.id, after=after)))
        for kind, data in told.items():
            journal.write_event(connection, made[-1].id, kind, data)
    return tuple(made)


def find_with_project(connection: Connection, task_id: int) -> tuple[Task, Project]:
    """Return a task as it truly stands, and its project.

    Raises:
        NotFound: there is no task with that id.
    """
    task = find(connection, task_id)
    return task, journal.project(connection, task.project_id)


def find(connection: Connection, task_id: int) -> Task:
    """Return a task as it truly stands: see :func:`as_it_stands`.

    Raises:
        NotFound: there is none with that id.
    """
    return as_it_stands(_stored(connection, task_id, _FIND))


def find_as_stored(connection: Connection, task_id: int) -> Task:
    """Return a task exactly as it is stored.

    Raises:
        NotFound: there is none with that id.
    """
    return _stored(connection, task_id, _FIND)


def find_to_change(connection: Connection, task_id: int) -> Task:
    """Return a task exactly as it is stored, and keep others from changing it until the transaction ends."""
    return _stored(connection, task_id, _FIND_TO_CHANGE)


def newest(
    connection: Connection, project_id: int | None, status: TaskStatus | None, limit: int | None
) -> tuple[Task, ...]:
    """Return tasks as they truly stand, the last changed first."""
    if limit is not None and limit < 0:
        raise StateError(f"limit is {limit}; give 0 or more, or None for all")
    query = _NEWEST
    if project_id is not None:
        query = query.where(tasks.c.project_id == project_id)
    if status is TaskStatus.INTERRUPTED:  # what is stored as running may turn out to be interrupted
        query = query.where(_MAY_BE_INTERRUPTED)
    elif status is not None:
        query = query.where(tasks.c.status == status.value)
    elif limit is not None:
        query = query.limit(limit)
    rows = connection.rows(query)
    return tuple(islice(_as_they_stand(rows, status), limit))


def as_it_stands(task: Task) -> Task:
    """Return *task*, but interrupted when it is stored as running and its process or its lease is gone.

    Nothing is written. Owners on other hosts are believed.
    """
    if task.status is not TaskStatus.RUNNING:
        return task
    if waiting.is_out(task.lease_until):
        reason = f"{describe(task.owner)} was working on it until its lease ran out; a worker goes on with it"
    elif is_alive(task.owner) is False:
        reason = f"{describe(task.owner)} was working on it and is gone; the task can be started again"
    else:
        return task
    return replace(task, status=TaskStatus.INTERRUPTED, status_reason=reason)


def start(
    connection: Connection, task_id: int, owner: str, base_snapshot: str, run: Mapping[str, Any] | None
) -> Task:
    """Give a task to *owner* and set it running; *run* replaces what is kept of an attempt under way.

    Raises:
        NotFound: there is none with that id.
        TaskBusy: another process is working on it, or may be.
        IllegalStatus: its status does not allow it.
    """
    stored, now = find_to_change(connection, task_id), datetime.now(UTC)
    if stored.status is TaskStatus.RUNNING and stored.owner != owner:
        holding.refuse_if_busy(stored, also_when_unknown=True)
        journal.write_event(connection, task_id, "owner_lost", {"owner": stored.owner}, now)
    else:
        holding.require_legal(stored, TaskStatus.RUNNING)
    columns = waiting.at_start(stored, owner, now)
    journal.write_event(connection, task_id, "started", {"owner": owner, "from": stored.status}, now)
    if run is not None:
        steps.begin(connection, task_id, stored.iterations + 1, run)
    return change(
        connection,
        stored,
        status=TaskStatus.RUNNING,
        status_reason="",
        owner=clean(owner),
        base_snapshot=clean(base_snapshot) or stored.base_snapshot,
        updated_at=now,
        **columns,
    )


def finish(
    connection: Connection,
    task_id: int,
    status: TaskStatus,
    reason: str,
    *,
    opened: Breakpoint | None,
    fence: int | None,
) -> Task:
    """End a running task for a cause that is no attempt's decision; what is kept of it stays if interrupted.

    Raises:
        NotFound: there is none with that id.
        IllegalStatus: it may not become *status*.
        TaskBusy: another living process of this host is working on it.
    """
    stored, now = find_to_change(connection, task_id), datetime.now(UTC)
    if status is TaskStatus.RUNNING:
        raise IllegalStatus(f"task {task_id} cannot be finished as running; start_task() sets a task running")
    if fence is not None:
        holding.require_held(stored, fence)
    holding.require_legal(stored, status)
    if status is not TaskStatus.INTERRUPTED:
        steps.forget(connection, task_id)
    if stored.owner != this_process():
        holding.refuse_if_busy(stored, also_when_unknown=False)
    if opened is not None:
        breakpoints.open_(connection, opened, task_id, now)
    journal.write_event(connection, task_id, "ended", {"status": status, "reason": reason}, now)
    columns = waiting.at_end(stored, status, now)
    return change(
        connection, stored, status=status, status_reason=clean(reason), owner="", updated_at=now, **columns
    )


def change(connection: Connection, stored: Task, **values: Any) -> Task:
    """Write columns of a task and return it as it is now. The caller has checked that it may."""
    plain = {name: value.value if isinstance(value, TaskStatus) else value for name, value in values.items()}
    write_columns(connection, stored.id, **plain)
    return replace(stored, **{name: value for name, value in values.items() if name != "place"})


def write_columns(connection: Connection, task_id: int, **values: Any) -> None:
    """Write columns of a task. The caller has checked that it may."""
    connection.run(_UPDATE, {"key": task_id, **values})


def _stored(connection: Connection, task_id: int, query: sa.Select[Any]) -> Task:
    row = connection.first(query, {"key": task_id})
    if row is None:
        raise journal.no_task(task_id)
    return task_of_row(row)


def _as_they_stand(rows: Iterable[Columns], status: TaskStatus | None) -> Iterator[Task]:
    for row in rows:
        task = as_it_stands(task_of_row(row))
        if status is None or task.status is status:
            yield task


def _require_earlier(connection: Connection, task: Task) -> None:
    """Check that each task to wait for exists; it is older then, so that no circle can come about."""
    for key in task.after:
        known = connection.first(_PROJECT, {"key": key})
        if known is None:
            raise NotFound(f"no task has the id {key}, which task_data['after'] names; create that task first")
        if known["project_id"] != task.project_id:
            raise StateError(
                f"task_data['after'] names task {key} of project {known['project_id']}, but this task belongs to "
                f"project {task.project_id}; a task can only wait for tasks of its own project"
            )


def task_of_row(row: Columns) -> Task:
    """Return the task that stands in a row."""
    data = from_json(row["data"])
    return Task(
        id=row["id"],
        project_id=row["project_id"],
        title=row["title"],
        description=row["description"],
        status=TaskStatus(row["status"]),
        status_reason=row["status_reason"],
        priority=row["priority"],
        after=tuple(data["after"]),
        acceptance=tuple(data["acceptance"]),
        checks=tuple(data["checks"]),
        limits=Limits(**data["limits"]),
        working_dir=data["working_dir"],
        script=_steps(data["script"]) if "script" in data else None,
        reviewer=tuple(data["reviewer"]) if "reviewer" in data else None,
        base_snapshot=row["base_snapshot"],
        owner=row["owner"],
        fence=row["fence"],
        iterations=row["iterations"],
        quality_score=row["quality_score"],
        confidence=row["confidence"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        **{name: row[name] for name in waiting.NOT_WAITING},
    )


def _steps(stored: Iterable[Mapping[str, Any]]) -> tuple[ScriptStep, ...]:
    """Return the steps of a script; JSON knows no tuples."""
    return tuple(
        ScriptStep(
            say=one["say"],
            write=one["write"],
            edit={path: (find, replacement) for path, (find, replacement) in one["edit"].items()},
            delete=tuple(one["delete"]),
            run=tuple(one["run"]),
        )
        for one in stored
    )
