"""Controls: what people ask of a running task, and what became of it. They are events in the task's story.

Whoever asks need not be the process that runs the task, nor on its machine: the database is all that they share.
The loop looks here between two steps and, while a step takes long, twice a second; see :mod:`obra.steering`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from obra.domain import Action, Control, ControlAct, Step, Task, TaskStatus
from obra.errors import IllegalStatus, StateError
from obra.state import claims, journal, steps, tasks
from obra.state.connection import Connection
from obra.state.encoding import clean, from_json, to_json
from obra.state.tables import Columns, event

ASKED = "control"
"""Kind of the event that holds what was asked."""
OBEYED = "control_obeyed"
"""Kind of the event that says what became of it."""

_INSERT = sa.insert(event)
_OF_TASK = (
    sa.select(event)
    .where(event.c.task_id == sa.bindparam("key"), event.c.id > sa.bindparam("after"))
    .where(sa.or_(event.c.kind == ASKED, event.c.kind == OBEYED))
    .order_by(event.c.id)
)


def ask(connection: Connection, wanted: Control) -> Control:
    """Store what a person asks of a task, and return it with its id, its time and the attempt it is about.

    Raises:
        NotFound: there is no such task.
        IllegalStatus: the task is not running, so that nobody would obey; a message may wait for the next run.
        StateError: a message or an override without words, or an override without its action.
    """
    _require_words(wanted)
    task = tasks.as_it_stands(tasks.find_to_change(connection, wanted.task_id))
    waits = wanted.act is ControlAct.SAY and task.status is not TaskStatus.COMPLETED
    if task.status is not TaskStatus.RUNNING and not waits:
        how = "resume" if task.status is TaskStatus.INTERRUPTED else "run"
        cure = (
            f"'obra {how} --task {task.id}' goes on with it; " if task.status is not TaskStatus.COMPLETED else ""
        )
        raise IllegalStatus(
            f"task {task.id} is {task.status}, not running, so there is nothing to {wanted.act}; "
            f"{cure}'obra task show {task.id}' says how it stands"
        )
    if wanted.act is ControlAct.STOP and task.queued_at is not None:  # else the next worker would go on with it
        claims.pause(connection, task.id, paused=True)
    now = datetime.now(UTC)
    asked = replace(
        wanted,
        by=clean(wanted.by),
        text=clean(wanted.text),
        attempt_number=wanted.attempt_number or task.iterations + 1,
        at=now,
        effect="",
    )
    data = {name: asked[name] for name in ("act", "by", "text", "action", "attempt_number")}
    values = {"task_id": task.id, "kind": ASKED, "data": to_json(data), "at": now}
    return replace(asked, id=connection.insert(_INSERT, values))


def obeyed(connection: Connection, control: Control, effect: str) -> Control:
    """Store what became of *control* and return it with that."""
    journal.write_event(connection, control.task_id, OBEYED, {"control": control.id, "effect": effect})
    return replace(control, effect=effect)


def of_task(connection: Connection, task_id: int, after: int) -> tuple[Control, ...]:
    """Return what was asked of a task behind the event *after*, oldest first, each with what became of it."""
    found: dict[int, Control] = {}
    for row in connection.rows(_OF_TASK, {"key": task_id, "after": after}):
        data = from_json(row["data"])
        if row["kind"] == ASKED:
            found[row["id"]] = _control_of(row, data)
        elif data["control"] in found:
            found[data["control"]] = replace(found[data["control"]], effect=data["effect"])
    return tuple(found.values())


def keep_step(connection: Connection, task: Task, step: Step, seen: int | None) -> tuple[Control, ...]:
    """Keep *step*, and return what was asked of its task behind the event *seen*.

    Raises:
        TaskBusy: this process holds the task no more.
    """
    steps.add(connection, task, step)
    return () if seen is None else of_task(connection, task.id, seen)


def _control_of(row: Columns, data: Mapping[str, Any]) -> Control:
    return Control(
        id=row["id"],
        task_id=row["task_id"],
        act=ControlAct(data["act"]),
        by=data["by"],
        text=data["text"],
        action=Action(data["action"]) if data["action"] else None,
        attempt_number=data["attempt_number"],
        at=row["at"],
    )


def _require_words(wanted: Control) -> None:
    if wanted.act in (ControlAct.SAY, ControlAct.OVERRIDE) and not wanted.text.strip():
        what = "the message" if wanted.act is ControlAct.SAY else "the reason of the override"
        raise StateError(f"{what} is empty; it is shown to the agent or to those who read the report, so say it")
    if wanted.act is ControlAct.OVERRIDE and wanted.action is None:
        raise StateError(f"an override needs an action: {', '.join(Action)}")
