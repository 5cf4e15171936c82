"""What somebody asks for when a task is created: the mapping, checked key by key and value by value."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from obra.domain import Limits, Task
from obra.errors import StateError
from obra.state.encoding import utc

if TYPE_CHECKING:
    from pydantic import TypeAdapter

KEYS = (
    "title",
    "description",
    "acceptance",
    "checks",
    "limits",
    "priority",
    "after",
    "working_dir",
    "script",
    "reviewer",
    "queued",
    "not_before",
    "deadline",
    "retries",
)
_SCHEDULE = frozenset(KEYS[-4:])
_LIMITS = tuple(field.name for field in fields(Limits))


def task_of(project_id: int, data: Mapping[str, Any]) -> Task:
    """Return the task that *data* describes, not yet stored.

    Raises:
        StateError: a key is unknown, the title is missing or empty, or a value is of the wrong type.
    """
    from pydantic import ValidationError

    _refuse_unknown(data, KEYS, "task_data")
    values = dict(data)
    queued = values.pop("queued", False)
    if not isinstance(queued, bool):
        raise StateError(f"task_data['queued'] is {queued!r}; give True for a task that waits for a worker")
    if isinstance(values.get("limits"), Mapping):
        _refuse_unknown(values["limits"], _LIMITS, "task_data['limits']")
    if isinstance(values.get("working_dir"), os.PathLike):
        values["working_dir"] = os.fspath(values["working_dir"])
    try:
        task = _tasks().validate_python({**values, "project_id": project_id})
    except ValidationError as error:
        raise StateError("task_data is wrong: " + "; ".join(_sentences(error.errors()))) from error
    if not task.title.strip():
        raise StateError("task_data['title'] is empty; say in one line what is to be done")
    return _scheduled(task, queued=queued) if _SCHEDULE.intersection(data) else task


def _scheduled(task: Task, *, queued: bool) -> Task:
    if task.retries < 0:
        raise StateError(f"task_data['retries'] is {task.retries}; give 0 or more")
    return replace(
        task,
        queued_at=datetime.now(UTC) if queued else None,
        not_before=utc(task.not_before) if task.not_before else None,
        deadline=utc(task.deadline) if task.deadline else None,
    )


def _refuse_unknown(data: Mapping[str, Any], known: Collection[str], name: str) -> None:
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it may hold: {', '.join(known)}"
            raise StateError(f"{name} holds the unknown key {key!r}; {hint}")


def _sentences(problems: Collection[Any]) -> list[str]:
    from obra.wrong_values import reason_of

    found = []
    for problem in problems:
        key = ".".join(str(step) for step in problem["loc"])
        if problem["type"] == "missing":
            found.append(f"the key {key!r} is missing")
        else:
            found.append(f"{key!r} {reason_of(problem)}; it is {problem['input']!r:.60}")
    return found


@cache
def _tasks() -> TypeAdapter[Task]:
    """Build the reader once, when it is first needed: it costs some milliseconds."""
    from pydantic import TypeAdapter

    return TypeAdapter(Task)
