"""Taking a task from an owner that lost its lease, whether that process lives or not."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from obra.domain import Task, TaskStatus
from obra.state import journal, tasks
from obra.state.connection import Connection
from obra.state.encoding import clean
from obra.state.tables import project_state

_MOVE = sa.update(project_state).where(project_state.c.id == sa.bindparam("key"))


def take_over(connection: Connection, task_id: int, working_dir: str, reason: str) -> Task:
    """Free a task, and move its project to the folder *working_dir*; return the task.

    Nothing is asked of its owner: the caller knows by other means, such as a lease, that it lost the task.
    Whatever that one still writes is refused, since the task is not running any more, and has a higher fence once
    it is.

    Raises:
        NotFound: there is none with that id.
    """
    stored, now = tasks.find_to_change(connection, task_id), datetime.now(UTC)
    connection.run(_MOVE, {"key": stored.project_id, "working_dir": clean(working_dir), "updated_at": now})
    told = {"owner": stored.owner, "reason": reason, "working_dir": working_dir}
    journal.write_event(connection, task_id, "taken_over", told, now)
    if stored.status is not TaskStatus.RUNNING:
        return stored
    return tasks.change(
        connection, stored, status=TaskStatus.INTERRUPTED, status_reason=clean(reason), owner="", updated_at=now
    )
