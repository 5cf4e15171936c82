"""What is seen of a task's workspace: as it is while somebody works there, else as the last attempt left it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from obra.domain import Project, Task
from obra.errors import WorkspaceError
from obra.state.state_manager import StateManager
from obra.watching.scene import TaskLine, Work
from obra.workspace.live_difference import LiveDifference

_EVERY = 1.0
"""Seconds between two looks into a workspace at the least."""
_SHARE = 10
"""A look that took long is followed by a pause so many times as long."""


class WorkSeen:
    """Looks into the workspace of one task after the other."""

    def __init__(self, store: Path | None, ignore: tuple[str, ...]) -> None:
        """Name the snapshots of the runs, and what is no part of the work."""
        self._store = store
        self._ignore = ignore
        self._live: LiveDifference | None = None
        self._live_of: tuple[int, str] | None = None
        self._next = 0.0
        self._last: Work | None = None
        self._left: dict[tuple[int, int], Work] = {}

    def of(self, line: TaskLine, project: Project, state: StateManager) -> Work:
        """Return what is seen of the workspace of *line* now."""
        task = line.task
        folder = Path(task.working_dir or project.working_dir or ".")
        is_here = bool(task.working_dir or project.working_dir) and self._store is not None and folder.is_dir()
        if line.is_running and task.base_snapshot and is_here:
            return self._now(task, folder)
        self._forget()
        left = self._as_left(task, folder, state)
        if line.is_running:
            return replace(left, problem="the folder cannot be seen from here; this is what the last attempt left")
        return left

    def close(self) -> None:
        """Remove what was photographed."""
        self._forget()
        self._left.clear()

    def _forget(self) -> None:
        if self._live is not None:
            self._live.close()
        self._live = self._live_of = self._last = None

    def _now(self, task: Task, folder: Path) -> Work:
        which = (task.id, task.base_snapshot)
        if which != self._live_of:
            self._forget()
            assert self._store is not None  # noqa: S101  # of() asked; tells mypy so
            self._live = LiveDifference(folder, self._store, ignore=self._ignore)
            self._live_of, self._next = which, 0.0
        begun = time.monotonic()
        if self._last is None or begun >= self._next:
            self._last = self._photographed(task, folder)
            ended = time.monotonic()
            self._next = ended + max(_EVERY, _SHARE * (ended - begun))
        return self._last

    def _photographed(self, task: Task, folder: Path) -> Work:
        assert self._live is not None  # noqa: S101  # the same
        try:
            found = self._live.since(task.base_snapshot)
        except WorkspaceError as error:  # such as a file that went while it was read
            return Work(where=str(folder), is_live=True, problem=str(error))
        return Work(where=str(folder), is_live=True, changes=found.changes, patch=found.patch)

    def _as_left(self, task: Task, folder: Path, state: StateManager) -> Work:
        key = (task.id, task.iterations)
        if key not in self._left:
            if not task.iterations:
                return Work(where=str(folder), is_live=False)
            seen = state.attempt(task.id, task.iterations).evidence
            self._left = {
                key: Work(
                    where=str(folder),
                    is_live=False,
                    changes=seen.total_changes or seen.changes,
                    patch=seen.patch,
                )
            }
        return self._left[key]
