"""LiveDifference: how a folder differs now from a snapshot, seen by somebody who must not write near it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from obra.workspace.difference import WorkspaceDiff
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace

MOST_PATCH = 60_000
"""Characters of the patch; enough to read along."""


class LiveDifference:
    """Photographs one folder into a store of its own, which reads the run's store and goes with :meth:`close`."""

    def __init__(self, root: Path, store: Path, *, ignore: Sequence[str]) -> None:
        """Take the folder, the store that holds the snapshot to compare with, and the names that are left out."""
        self._folder = TemporaryDirectory(prefix="obra-look-")
        own = SnapshotStore(Path(self._folder.name) / "look.git")
        _ = own.repository  # it is made now
        alternates = own.path / "objects" / "info" / "alternates"
        alternates.write_text(f"{store.absolute() / 'objects'}\n", encoding="utf-8")
        self._workspace = Workspace(root, SnapshotStore(own.path), ignore=ignore)

    def since(self, snapshot: str) -> WorkspaceDiff:
        """Return what differs now from *snapshot*.

        Raises:
            WorkspaceError: there is no such snapshot, or the folder is gone or cannot be read.
        """
        return self._workspace.diff(snapshot, self._workspace.snapshot(), max_patch=MOST_PATCH)

    def close(self) -> None:
        """Remove what was photographed; safe to call twice."""
        self._folder.cleanup()
