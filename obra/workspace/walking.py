"""Walk a real folder into a snapshot: every file, whatever ignore or attribute files say.

The walk goes by folder descriptors and never through a symlink, so that nothing an agent builds can lead it
elsewhere. Files are hashed again only when something about them changed.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from obra.errors import WorkspaceError
from obra.workspace.path_names import to_text
from obra.workspace.snapshot_store import BLOB, FILE, FOLDER, PROGRAM, SYMLINK, Entry, SnapshotStore

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_STREAM_FROM = 16 << 20
_TICK = 20_000_000
"""Nanoseconds: Linux stamps files with a clock that lags by up to 10 ms (one jiffy at 100 Hz); twice that."""
_COARSE_TICK = 2_000_000_000
"""For stamps of whole seconds, as some file systems keep them; FAT counts in steps of 2 s."""
_DEEPEST = 300
_LONGEST = 3_500
"""Bytes of a folder's path in the workspace. Linux opens paths of up to 4,095 (PATH_MAX, limits.h); the rest is
for the names below, and for the place of the workspace or of a copy of it."""

Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Seen:
    stamp: Stamp
    id: str


@contextmanager
def opened_root(root: Path) -> Iterator[int]:
    """Open the workspace itself.

    Raises:
        WorkspaceError: it is gone, no folder any more, or replaced by a symlink, which is not followed.
    """
    try:
        descriptor = os.open(root, OPEN_FOLDER)
    except OSError as error:
        raise WorkspaceError(_why_no_root(root, error)) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _why_no_root(root: Path, error: OSError) -> str:
    if root.is_symlink():
        target = str(root.readlink())
        return f"the workspace {root} is a symlink to {target!r}, which is not followed; name the real folder"
    if not root.exists():
        return f"the workspace {root} is not there (any more); prepare it again"
    return f"the workspace {root} cannot be opened: {error.strerror}; it must be a readable folder"


class Walker:
    """Turns one folder into trees of one store, and remembers what it hashed."""

    def __init__(self, root: Path, store: SnapshotStore, ignore: frozenset[str]) -> None:
        """Take the folder, where to store, and the names that are left out at any depth."""
        self._root = root
        self._store = store
        self._ignore = ignore
        self._seen: dict[str, _Seen] = {}
        self._next: dict[str, _Seen] = {}
        self._started = 0

    def walk(self) -> str:
        """Return the tree id of the folder as it is now.

        Raises:
            WorkspaceError: the folder is gone, or something in it cannot be read.
        """
        self._started = time.time_ns()
        self._next = {}
        with opened_root(self._root) as descriptor:
            entries = self._folder(descriptor, "", 0)
        self._seen = self._next
        return self._store.write_tree(entries)

    def _folder(self, descriptor: int, path: str, depth: int) -> list[Entry]:
        if depth > _DEEPEST:
            raise WorkspaceError(
                f"{self._shown(path)[:200]}... is nested deeper than {_DEEPEST} folders; remove it"
            )
        if len(os.fsencode(path)) > _LONGEST:
            raise WorkspaceError(
                f"{self._shown(path)[:200]}... has a path of more than {_LONGEST} bytes; remove it"
            )
        entries = []
        with os.scandir(descriptor) as listing:
            items = [item for item in listing if item.name not in self._ignore]
        for item in items:
            try:
                entry = self._entry(descriptor, item, path + item.name, depth)
            except FileNotFoundError:
                continue  # it vanished while we looked
            except OSError as error:
                shown = self._shown(path + item.name)
                raise WorkspaceError(
                    f"{shown} cannot be read: {error.strerror}; give yourself the right to read it, or remove it"
                ) from error
            if entry is not None:
                entries.append(entry)
        return entries

    def _entry(self, descriptor: int, item: os.DirEntry[str], path: str, depth: int) -> Entry | None:
        """Return the entry for one name; nothing for empty folders, pipes, sockets and devices."""
        status = item.stat(follow_symlinks=False)
        name = os.fsencode(item.name)
        if stat.S_ISREG(status.st_mode):
            return Entry(name, git_mode(status), self.file_id(descriptor, item.name, path, status))
        if stat.S_ISLNK(status.st_mode):
            target = os.fsencode(os.readlink(item.name, dir_fd=descriptor))
            return Entry(name, SYMLINK, self._store.write(BLOB, target))
        if not stat.S_ISDIR(status.st_mode):
            return None
        below = os.open(item.name, OPEN_FOLDER, dir_fd=descriptor)
        try:
            entries = self._folder(below, path + "/", depth + 1)
        finally:
            os.close(below)
        return Entry(name, FOLDER, self._store.write_tree(entries)) if entries else None

    def file_id(self, descriptor: int, name: str, path: str, status: os.stat_result) -> str:
        """Return the blob id of the regular file *name* in the open folder, from memory when it is safe.

        Memory is not trusted for a file whose stamps are as young as the walk: it may be changed again
        without getting a new stamp (git calls such entries racy).
        """
        stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode)
        seen = self._seen.get(path)
        found = seen.id if seen is not None and seen.stamp == stamp else self._hash(descriptor, name)
        youngest = max(status.st_mtime_ns, status.st_ctime_ns)
        tick = _TICK if status.st_ctime_ns % 1_000_000_000 else _COARSE_TICK
        if youngest < self._started - tick:
            self._next[path] = seen if seen is not None and seen.stamp == stamp else _Seen(stamp, found)
        return found

    def _hash(self, folder: int, name: str) -> str:
        descriptor = os.open(name, OPEN_FILE, dir_fd=folder)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):  # swapped for something else while we looked
            os.close(descriptor)
            raise FileNotFoundError(name)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            if status.st_size >= _STREAM_FROM:
                return self._store.write_stream(stream)
            return self._store.write(BLOB, stream.readall() or b"")

    def _shown(self, path: str) -> str:
        return f"{self._root}/{to_text(os.fsencode(path))}"


def git_mode(status: os.stat_result) -> int:
    """Return git's mode of a regular file: its owner may run it, or not."""
    return PROGRAM if status.st_mode & stat.S_IXUSR else FILE
