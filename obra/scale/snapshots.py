"""How a workspace travels: the objects of each snapshot, stored before the snapshot counts.

Whoever takes a case over reads all objects of it into its own store, and restores the workspace from there.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from obra.errors import ScaleError
from obra.scale.artefacts import Artefacts
from obra.settings import WorkspaceSettings
from obra.workspace.snapshot_store import BLOB, FOLDER, TREE, SnapshotStore
from obra.workspace.workspace import Workspace

_KINDS = {"tree": TREE, "blob": BLOB}
_SUBMODULE = 0o160000
"""Mode of an entry that names a commit of another repository; there is no object of it here."""


class TravellingWorkspace(Workspace):
    """A workspace whose snapshots are stored for others, too.

    Args:
        root: the folder.
        store: this machine's snapshots.
        settings: what is ignored and guarded.
        artefacts: where the objects go.
        folder: the case's own folder among the artefacts.
    """

    def __init__(
        self, root: Path, store: SnapshotStore, settings: WorkspaceSettings, *, artefacts: Artefacts, folder: str
    ) -> None:
        super().__init__(root, store, ignore=settings.ignore, guarded=settings.guarded)
        self._artefacts = artefacts
        self._folder = folder
        self._stored: set[str] = set()

    def snapshot(self) -> str:
        """Do as :meth:`Workspace.snapshot`, and return when others can read it, too.

        Raises:
            WorkspaceError: as there.
            ScaleError: the objects cannot be stored.
        """
        tree = super().snapshot()
        new = list(self._new(tree))
        if new:
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for kind, name in new:
                    archive.writestr(f"{kind}/{name}", self.store.read(name))
            self._artefacts.write(f"{self._folder}/objects/{tree}.zip", stream.getvalue())
            self._stored.update(name for _, name in new)
        return tree

    def _new(self, tree: str) -> Iterator[tuple[str, str]]:
        """Yield kind and id of what was not stored yet; a tree that was has nothing new below it."""
        seen = set(self._stored)
        waiting = [("tree", tree)]
        while waiting:
            kind, name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            yield kind, name
            if kind == "tree":
                entries = [entry for entry in self.store.read_tree(name) if entry.mode != _SUBMODULE]
                waiting += [("tree" if entry.mode == FOLDER else "blob", entry.id) for entry in entries]


def fetch(store: SnapshotStore, artefacts: Artefacts, folder: str) -> None:
    """Read all objects of a case into *store*.

    Raises:
        ScaleError: an archive cannot be read or does not hold what its name says.
    """
    for reference in artefacts.list(f"{folder}/objects"):
        try:
            is_sound = _is_stored(store, artefacts.read(reference))
        except (zipfile.BadZipFile, zlib.error, EOFError):
            is_sound = False
        if not is_sound:
            raise ScaleError(
                f"{artefacts.shown}: {reference!r} does not hold what its names say; it was changed, so the case "
                f"cannot be gone on with: submit it again"
            )


def _is_stored(store: SnapshotStore, packed: bytes) -> bool:
    """Store the objects of an archive; tell whether each was what its name says."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for entry in archive.namelist():
            kind, _, name = entry.partition("/")
            if kind not in _KINDS or store.write(_KINDS[kind], archive.read(entry)) != name:
                return False
    return True
