"""The folder an agent works in: photographed, compared, restored, copied.

Snapshots are trees in a :class:`SnapshotStore` outside the workspace. The user's own repository, if there is one,
is never written: no index, branch, stash or reflog of it changes.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from obra.domain import FileChange
from obra.errors import WorkspaceError
from obra.settings import WorkspaceSettings
from obra.workspace.difference import WorkspaceDiff, compare, tampering
from obra.workspace.path_names import to_bytes, to_text
from obra.workspace.repository_state import repository_state
from obra.workspace.restoring import Restorer
from obra.workspace.snapshot_store import FILE, FOLDER, PROGRAM, SnapshotStore
from obra.workspace.walking import Walker, opened_root

IGNORED = WorkspaceSettings().ignore
GUARDED = WorkspaceSettings().guarded
_FILES = (FILE, PROGRAM)
_SHOWN = 300
"""Characters of a path or a reason in a message: an agent's paths may be very long."""
ALWAYS_IGNORED = frozenset({".git", ".obra"})
"""git cannot hold the one; the other is Obra's own state, where somebody works in the folder they started from."""


class Workspace:
    """One folder and its snapshots.

    A snapshot holds files, their content, symlinks (as links, never followed) and whether the owner may run a
    file. It does not hold empty folders, other permission bits, times, pipes, sockets and devices, nor the
    ignored names. Ignore files and attributes in the workspace have no effect. File names are given as text, see
    ``path_names.py`` for names that are not UTF-8.

    Attributes:
        root: the folder; a symlink in its place is refused, not followed.
        store: where the snapshots are.
        ignore: names that are left out at any depth; ``.git`` and ``.obra`` always are.
        guarded: paths whose change is tampering.
    """

    def __init__(
        self,
        root: Path,
        store: SnapshotStore,
        *,
        ignore: Sequence[str] = IGNORED,
        guarded: Sequence[str] = GUARDED,
    ) -> None:
        """Take the folder and the store.

        Raises:
            WorkspaceError: the store lies inside the folder, and not under a name that is left out.
        """
        parent = root.absolute().parent.resolve()  # the folder itself is not resolved: it may become a link
        self.root = parent / root.name if root.name not in ("", "..") else root.resolve()
        self.store = store
        self.ignore = frozenset(ignore) | ALWAYS_IGNORED
        self.guarded = tuple(guarded)
        place = store.real_path
        if place.is_relative_to(self.root) and self.ignore.isdisjoint(place.relative_to(self.root).parts):
            raise WorkspaceError(
                f"the snapshot store {store.path} lies in the workspace {self.root}; set workspace.store to a "
                f"folder outside"
            )
        self._walker = Walker(self.root, store, self.ignore)

    def snapshot(self) -> str:
        """Store all files as they are now and return the tree id, 40 hexadecimal digits.

        Files that did not change since the last snapshot of this object are not read again.

        Raises:
            WorkspaceError: the folder is gone or replaced by a link, or a file cannot be read.
        """
        return self._walker.walk()

    def files(self, tree: str) -> tuple[str, ...]:
        """Return all paths of a snapshot, sorted.

        Raises:
            WorkspaceError: there is no such snapshot.
        """
        found: list[str] = []
        waiting = [("", tree)]
        while waiting:
            above, name = waiting.pop()
            entries = self.store.loose_tree(name)
            for entry in self.store.read_tree(name) if entries is None else entries:
                path = above + to_text(entry.name)
                if entry.mode == FOLDER:
                    waiting.append((path + "/", entry.id))
                else:
                    found.append(path)
        return tuple(sorted(found))

    def read(self, tree: str, path: str) -> bytes | None:
        """Return what a snapshot has in the file *path*; ``None`` where it has no file, or a link.

        Raises:
            WorkspaceError: there is no such snapshot.
        """
        *folders, last = to_bytes(path).split(b"/")
        for folder in folders:
            tree = next((e.id for e in self.store.read_tree(tree) if (e.name, e.mode) == (folder, FOLDER)), "")
            if not tree:
                return None
        found = (entry.id for entry in self.store.read_tree(tree) if entry.name == last and entry.mode in _FILES)
        name = next(found, "")
        return self.store.read(name) if name else None

    def diff(self, before: str, after: str, *, max_patch: int = 200_000) -> WorkspaceDiff:
        """Return what differs between two snapshots, renames found.

        Args:
            before: tree id of the older snapshot.
            after: tree id of the newer one.
            max_patch: characters of the patch; beyond it large files are cut, each with a note.

        Raises:
            WorkspaceError: there is no such snapshot.
        """
        return compare(self.store, before, after, max_patch)

    def tampering(self, changes: Sequence[FileChange]) -> tuple[str, ...]:
        """Return a sentence for each change at or under a guarded path; see ``difference.tampering``."""
        return tampering(changes, self.guarded)

    def git_state(self) -> str:
        """Return HEAD, commit and hashes of config and hooks, a line each; empty without a repository.

        Raises:
            WorkspaceError: the workspace is gone or replaced by a link.
        """
        with opened_root(self.root):
            return repository_state(self.root)

    def restore(self, tree: str, *, keep_empty: bool = True) -> None:
        """Make the files exactly those of a snapshot; ignored names stay as they are.

        Nothing is written through a symlink. A root that is gone is made again.

        Args:
            tree: id of the snapshot.
            keep_empty: whether folders stay that hold nothing, which snapshots do not know.

        Raises:
            WorkspaceError: there is no such snapshot, the root is a symlink, or something cannot be written.
        """
        self.store.read_tree(tree)
        try:
            if not self.root.exists() and not self.root.is_symlink():
                self.root.mkdir(parents=True)
            with opened_root(self.root) as descriptor:
                Restorer(self.store, self.ignore, keep_empty=keep_empty).restore(descriptor, tree)
        except OSError as error:
            name = to_text(os.fsencode(error.filename or self.root))
            raise WorkspaceError(
                f"the workspace {self.root} cannot be restored: {name}: {error.strerror}; "
                f"give yourself the right to write there and restore again"
            ) from error
        except RecursionError as error:
            raise WorkspaceError(f"folders in {self.root} are nested too deep; remove them by hand") from error

    def copy_to(self, destination: Path) -> None:
        """Copy the workspace as it is now, ``.git`` too but no caches, to a new or empty folder.

        Symlinks stay symlinks; pipes, sockets and devices are left out.

        Raises:
            WorkspaceError: *destination* is not new or empty or lies inside, or something cannot be copied.
        """
        with opened_root(self.root):  # says it clearly when the workspace is gone
            pass
        if destination.resolve().is_relative_to(self.root):
            raise WorkspaceError(f"{destination} lies in the workspace {self.root}; copy to a folder outside")
        try:
            if destination.exists() and any(destination.iterdir()):
                raise WorkspaceError(f"{destination} is not empty; copy to a new folder")
            shutil.copytree(self.root, destination, symlinks=True, ignore=self._not_copied, dirs_exist_ok=True)
        except shutil.Error as error:
            source, _, reason = error.args[0][0]
            raise WorkspaceError(f"{source[:_SHOWN]} cannot be copied: {reason[:_SHOWN]}") from error
        except OSError as error:
            raise WorkspaceError(f"{self.root} cannot be copied to {destination}: {error}") from error
        except RecursionError as error:
            raise WorkspaceError(f"folders in {self.root} are nested too deep; remove them by hand") from error

    def _not_copied(self, folder: str, names: list[str]) -> set[str]:
        left_out = {name for name in names if name in self.ignore and name != ".git"}
        with os.scandir(folder) as listing:
            for item in listing:
                mode = item.stat(follow_symlinks=False).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                    left_out.add(item.name)
        return left_out
