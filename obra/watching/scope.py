"""Which tasks are shown: all, one, the newest, or those of one run of scenarios."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from obra.domain import Task
from obra.watching.tail import Tail


class Scope(Protocol):
    """Chooses among tasks."""

    title: str
    """What is shown, for the head line."""

    def of(self, tasks: Sequence[Task]) -> list[Task]:
        """Return those of *tasks* that are to be shown, in their order."""
        ...


class Everything:
    """All tasks of the database."""

    title = ""

    def of(self, tasks: Sequence[Task]) -> list[Task]:
        """Return them all."""
        return list(tasks)


class OneTask:
    """One task by its id."""

    def __init__(self, task_id: int) -> None:
        self.title = f"task {task_id}"
        self._id = task_id

    def of(self, tasks: Sequence[Task]) -> list[Task]:
        """Return that one, if it is among them."""
        return [task for task in tasks if task.id == self._id]


class Latest:
    """The task that was made last, whichever that is at the time."""

    title = "latest"

    def of(self, tasks: Sequence[Task]) -> list[Task]:
        """Return the one with the highest id."""
        return [max(tasks, key=lambda task: task.id)] if tasks else []


class OneRun:
    """The tasks of one run of scenarios, as its folder names them; while it goes on, also those made since."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of a run, see :mod:`obra.reports.run_writer`."""
        self.title = f"run {folder.name}"
        self._summary = folder / "summary.json"
        self._rows = Tail(folder / "results.jsonl", most=None)
        self._ids: set[int] = set()

    def of(self, tasks: Sequence[Task]) -> list[Task]:
        """Return those that a row names; of a run without a summary also all that were made after the first."""
        for line in self._rows.lines():
            row = json.loads(line)
            self._ids.update(_ids_in(row))
        first = min(self._ids, default=0)
        goes_on = not self._summary.exists()
        return [task for task in tasks if task.id in self._ids or (goes_on and task.id >= first)]


def _ids_in(row: dict[str, Any]) -> list[int]:
    named = [row.get("task"), *(part.get("task") for part in row.get("tasks", ()))]
    return [one for one in named if isinstance(one, int)]
