"""Lookout: looks at a database and at what runs leave beside it, again and again, and writes nothing.

A look costs one row where nothing is new. What changed is read by queries that leave large columns alone; the
workspace of a running task is photographed less often, as that reads files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obra.domain import Breakpoint, Task, TaskStatus
from obra.errors import StateError
from obra.state.address import is_at_rest
from obra.state.glimpses import UnderWay, Usage
from obra.state.state_manager import StateManager
from obra.watching.live import LiveActsRead
from obra.watching.scene import Detail, Scene, TaskLine
from obra.watching.scope import Everything, Scope
from obra.watching.tail import Tail
from obra.watching.work import WorkSeen

_MOST_TASKS = 500
"""Tasks that are looked at, the last changed first."""
_MOST_BREAKPOINTS = 100
_MOST_EVENTS = 500
_ALIVE_EVERY = 2.0
"""Seconds between two looks whether running tasks still have their process: that is written nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where what is watched lies."""

    database: str
    """The database's URL."""
    live: Path
    """Folder in which runs tell what their agents do; it needs not be there."""
    log: Path | None = None
    """The log file."""
    store: Path | None = None
    """The snapshots."""
    ignore: tuple[str, ...] = ()
    """Names that are no part of the work."""
    file: Path | None = None
    """The database's own file, where it is one."""


@dataclass(slots=True)
class _Seen:
    """What the last look at the database found."""

    mark: Mapping[str, Any] | None = None
    tasks: list[Task] = field(default_factory=list)
    under_way: Mapping[int, UnderWay] = field(default_factory=dict)
    breakpoints: tuple[Breakpoint, ...] = ()
    at: float = 0.0


class Lookout:
    """Reads one :class:`~obra.watching.scene.Scene` after the other; one thread at a time may call it."""

    def __init__(self, places: Places, scope: Scope | None = None) -> None:
        """Take where to look and which tasks to show; nothing is opened yet."""
        self.places = places
        self.scope: Scope = scope or Everything()
        self._state: StateManager | None = None
        self._file: tuple[int, ...] | None = None
        self._seen = _Seen()
        self._last_event = 0
        self._usage: dict[tuple[int, int], Usage] = {}
        self._acts = LiveActsRead(places.live)
        self._work = WorkSeen(places.store, places.ignore)
        self._log = Tail(places.log) if places.log else None

    @property
    def is_empty(self) -> bool:
        """True when the database is a file that is not there yet."""
        return self.places.file is not None and not self.places.file.exists()

    def open(self) -> StateManager:
        """Return the database, opened for reading; one whose file was replaced is opened anew.

        Raises:
            StateError: it is not there, cannot be read, or has tables of another version.
        """
        file = self.places.file
        if file is not None and self._state is not None and _identity(file) != self._file:
            self.close()
        if self._state is None:
            self._file = _identity(file) if file is not None else None
            self._state = StateManager(self.places.database, read_only=True)
        return self._state

    def close(self) -> None:
        """Close the database and remove what looking needed; the next look opens it again."""
        self._work.close()
        if self._state is not None:
            self._state.close()
            self._state = None
        self._seen, self._last_event = _Seen(), 0
        self._usage.clear()

    def look(self, chosen: int | None = None) -> Scene:
        """Return what is to be seen now.

        Args:
            chosen: id of the task to show in full; one that there is not (any more) is nothing to show.

        Raises:
            StateError: the database cannot be read.
        """
        state = self.open()
        self._read_tasks(state)
        shown = self.scope.of(self._seen.tasks)
        lines = tuple(self._line(state, task) for task in shown)
        ids = {task.id for task in shown}
        return Scene(
            tasks=tuple(sorted(lines, key=lambda line: (not line.is_running, -line.task.id))),
            detail=self._detail(state, next((line for line in lines if line.task.id == chosen), None)),
            breakpoints=tuple(one for one in self._seen.breakpoints if one.task_id in ids),
            events=tuple(one for one in self._events(state) if one["task_id"] in ids),
            log=self._log_lines(),
        )

    def _read_tasks(self, state: StateManager) -> None:
        seen, mark, now = self._seen, state.mark(), time.monotonic()
        is_due = now - seen.at > _ALIVE_EVERY and any(one.status is TaskStatus.RUNNING for one in seen.tasks)
        if mark == seen.mark and not is_due:
            return
        tasks = list(state.list_tasks(limit=_MOST_TASKS))
        found = state.breakpoints(limit=_MOST_BREAKPOINTS)
        self._seen = _Seen(mark=mark, tasks=tasks, under_way=state.under_way(), breakpoints=found, at=now)

    def _events(self, state: StateManager) -> Sequence[Mapping[str, Any]]:
        newest = (self._seen.mark or {}).get("event") or 0
        if newest <= self._last_event:
            return ()
        found = state.events_after(self._last_event, limit=_MOST_EVENTS)
        self._last_event = found[-1]["id"] if found else newest
        return found

    def _line(self, state: StateManager, task: Task) -> TaskLine:
        if task.status is not TaskStatus.RUNNING:
            return TaskLine(task=task, usage=self._usage_of(state, task))
        acts = self._acts.of(task)
        return TaskLine(
            task=task,
            usage=self._usage_of(state, task),
            under_way=self._seen.under_way.get(task.id),
            act=acts[-1].text if acts else "",
        )

    def _usage_of(self, state: StateManager, task: Task) -> Usage:
        key = (task.id, task.iterations)
        if key not in self._usage:
            none = Usage(seconds=0.0, cost_usd=0.0, cost_known=True)
            self._usage[key] = state.usage(task.id) if task.iterations else none
        return self._usage[key]

    def _detail(self, state: StateManager, line: TaskLine | None) -> Detail | None:
        if line is None:
            return None
        project = state.get_project(line.task.project_id)
        return Detail(
            line=line,
            project=project,
            attempts=state.attempt_lines(line.task.id),
            acts=tuple(self._acts.of(line.task)),
            controls=state.controls(line.task.id),
            work=self._work.of(line, project, state),
        )

    def _log_lines(self) -> tuple[str, ...]:
        if self._log is None:
            return ()
        try:
            return tuple(self._log.lines())
        except OSError as error:
            raise StateError(f"the log {self._log.path} cannot be read: {error.strerror or error}") from error


def _identity(file: Path) -> tuple[int, ...] | None:
    """Return what tells one database file from another; of one that is at rest, every change makes another."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    state = (status.st_mtime_ns, status.st_size) if is_at_rest(file) else ()
    return status.st_dev, status.st_ino, *state
