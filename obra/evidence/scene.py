"""Scene: what a check may look at, and the private copy in which it may run programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from obra.domain import FileChange, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch(Record):
    """A private folder for one run of a program; nothing of it outlives the run."""

    workspace: Path
    """The copy of the workspace: the current folder of the program."""
    home: Path
    """An empty home folder; temporary files go below it."""
    reports: Path
    """Outside the copy: what the program reports to the check."""


def _nothing(_path: str) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Record):
    """What one round of checks looks at.

    A check reads below ``root`` and writes nowhere but in :meth:`scratch`.
    """

    root: Path
    """The workspace."""
    changes: tuple[FileChange, ...] = ()
    """What differs since the task began."""
    before: Callable[[str], bytes | None] = _nothing
    """Returns what stood in the file at a path when the task began; ``None`` when there was no such file."""
    timeout: float = 120
    """Seconds for one check that names no limit of its own."""
    max_output: int = 20_000
    """Characters of a check's output that are kept: the head and the tail."""

    @contextmanager
    def scratch(self) -> Iterator[Scratch]:
        """Give a fresh private copy of the workspace, and delete it afterwards, read-only files too.

        Raises:
            OSError: the copy cannot be made or deleted (no space, a disk that fails).
        """
        from obra.evidence.copying import copy_tree, delete_tree
        from obra.workspace.private_folder import make_private_folder

        folder = make_private_folder("check").resolve()
        try:
            scratch = Scratch(
                workspace=folder / "workspace",
                home=folder / "home",
                reports=folder / "reports",
            )
            scratch.home.mkdir()
            scratch.reports.mkdir()
            copy_tree(self.root, scratch.workspace, skip=folder)
            yield scratch
        finally:
            delete_tree(folder)
