"""Make a folder's files exactly those of a snapshot.

Every step goes by the descriptor of a folder that was opened without following symlinks; an old file is
removed and a new one made, never written into. So nothing is written through a link that leads outside.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from obra.workspace.snapshot_store import FOLDER, PROGRAM, SYMLINK, Entry, SnapshotStore
from obra.workspace.walking import OPEN_FILE, OPEN_FOLDER, git_mode

_MAKE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Restorer:
    """Writes one store's trees into folders, and leaves ignored names alone."""

    def __init__(self, store: SnapshotStore, ignore: frozenset[str], *, keep_empty: bool = True) -> None:
        """Take the store to read from, the names that are never touched, and whether empty folders stay."""
        self._store = store
        self._ignore = ignore
        self._keep_empty = keep_empty

    def restore(self, folder: int, tree: str) -> None:
        """Make the open *folder* hold what *tree* holds.

        Raises:
            OSError: something cannot be removed or written; ``filename`` says what.
            WorkspaceError: the store lacks an object.
        """
        wanted = {os.fsdecode(entry.name): entry for entry in self._store.read_tree(tree)}
        _make_usable(folder)
        for name in os.listdir(folder):  # a descriptor
            if name not in wanted and name not in self._ignore:
                self._remove(folder, name)
        for name, entry in wanted.items():
            if name not in self._ignore:
                self._put(folder, name, entry)

    def _put(self, folder: int, name: str, entry: Entry) -> None:
        status = _look(folder, name)
        if entry.mode == FOLDER:
            if status is None or not stat.S_ISDIR(status.st_mode):
                if status is not None:
                    os.unlink(name, dir_fd=folder)
                os.mkdir(name, dir_fd=folder)
            with _opened(folder, name) as below:
                self.restore(below, entry.id)
        elif status is None or not self._is_there(folder, name, status, entry):
            if status is not None:
                self._remove(folder, name, wholly=True)
            self._make(folder, name, entry)

    def _is_there(self, folder: int, name: str, status: os.stat_result, entry: Entry) -> bool:
        if entry.mode == SYMLINK:
            if not stat.S_ISLNK(status.st_mode):
                return False
            return os.fsencode(os.readlink(name, dir_fd=folder)) == self._store.read(entry.id)
        if not stat.S_ISREG(status.st_mode) or git_mode(status) != entry.mode or status.st_nlink > 1:
            return False  # a second link may lie outside: give the workspace a file of its own
        if status.st_size != self._store.size(entry.id):
            return False
        try:
            descriptor = os.open(name, OPEN_FILE, dir_fd=folder)
        except PermissionError:
            return False
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            return (stream.readall() or b"") == self._store.read(entry.id)

    def _make(self, folder: int, name: str, entry: Entry) -> None:
        content = self._store.read(entry.id)
        if entry.mode == SYMLINK:
            os.symlink(content, os.fsencode(name), dir_fd=folder)
            return
        rights = 0o777 if entry.mode == PROGRAM else 0o666  # the umask takes its share
        with os.fdopen(os.open(name, _MAKE_FILE, rights, dir_fd=folder), "wb") as stream:
            stream.write(content)

    def _remove(self, folder: int, name: str, *, wholly: bool = False) -> bool:
        """Remove a name; of a folder, all but ignored names unless *wholly*. Tell whether anything went.

        A folder that was empty before stays, unless told otherwise: snapshots do not know empty folders.
        """
        status = _look(folder, name)
        if status is None:
            return False
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=folder)
            return True
        with _opened(folder, name) as below:
            _make_usable(below)
            names = [item for item in os.listdir(below) if wholly or item not in self._ignore]  # noqa: PTH208  # a descriptor
            removed = [self._remove(below, item, wholly=wholly) for item in names]
        if wholly:
            os.rmdir(name, dir_fd=folder)
        elif any(removed) or not self._keep_empty:
            with contextlib.suppress(OSError):  # it still holds ignored names or folders that were empty
                os.rmdir(name, dir_fd=folder)
        return wholly or any(removed)


def _look(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _opened(folder: int, name: str) -> Iterator[int]:
    try:
        descriptor = os.open(name, OPEN_FOLDER, dir_fd=folder)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=folder)  # a folder, as its caller has seen
        descriptor = os.open(name, OPEN_FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make_usable(folder: int) -> None:
    rights = stat.S_IMODE(os.fstat(folder).st_mode)
    if rights & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(folder, rights | stat.S_IRWXU)
