"""Where snapshots live: a bare git object store of our own, outside every workspace.

It has objects and nothing else: no index, no refs, no work tree. The format is git's, so that
``git --git-dir STORE show TREE`` works for people; the user's own repository is never opened.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from obra.errors import WorkspaceError
from obra.workspace import loose_objects

if TYPE_CHECKING:
    import pygit2

TREE, BLOB = 2, 3  # git's object types, as libgit2 numbers them
FOLDER, FILE, PROGRAM, SYMLINK = 0o40000, 0o100644, 0o100755, 0o120000  # git's modes
_KINDS = {TREE: b"tree", BLOB: b"blob"}
_ALTERNATES = "info/alternates"
"""In a store's folder of objects: where others lie that it builds upon."""
_MOST_KNOWN = 5_000
"""Ids that are remembered as stored, some 0.7 MB; one that is forgotten is looked for once more."""
_MOST_RECENT, _SMALL = 16, 4_096
"""Objects just written that are kept for whoever compares them, and the most bytes that each may have."""
_MOST_OPEN = 4
_RENAME_LIMIT = 500
"""Beyond this many new or lost files renames are not looked for: each is compared with each."""

# The person's own git settings must not change what a diff looks like; local settings win over global ones.
_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tabbrev = 7
\tattributesFile = /dev/null
[diff]
\tnoprefix = false
\tmnemonicPrefix = false
[gc]
\tauto = 0
"""


class Entry(NamedTuple):
    """One name in a folder: git's mode and the id of its content."""

    name: bytes
    mode: int
    id: str


class SnapshotStore:
    """Content by the hash of its content. Several processes may use one store at once.

    Attributes:
        path: the bare repository; made when first needed.
    """

    def __init__(self, path: Path) -> None:
        """Name the store; nothing is opened or made yet."""
        self.path = path.absolute()
        self._known: set[str] = set()
        self._recent: dict[str, tuple[bytes, bytes]] = {}
        self._place: tuple[int, ...] = ()
        self._is_open = False

    @cached_property
    def real_path(self) -> Path:
        """The path without symlinks, as it was when it was first asked for."""
        return self.path.resolve()

    @property
    def is_in_place(self) -> bool:
        """False when the folder that was opened is gone or another one stands there now."""
        try:
            return not self._place or self._place == _place(self.path)
        except OSError:
            return False

    @cached_property
    def repository(self) -> pygit2.Repository:
        """The open repository.

        Raises:
            WorkspaceError: the folder cannot be made, or holds something else.
        """
        import pygit2

        try:
            repository = pygit2.Repository(str(self.objects.parent))
        except pygit2.GitError as error:
            raise self._unusable(error) from error
        self._is_open = True
        return repository

    @cached_property
    def objects(self) -> Path:
        """The folder of the objects; the store is made when there is none.

        Raises:
            WorkspaceError: it cannot be made, or something else stands in its place.
        """
        try:
            if not (self.path / "HEAD").exists():
                self._create()
            self._place = _place(self.path)
        except OSError as error:
            raise self._unusable(error) from error
        return self.path / "objects"

    def _unusable(self, error: Exception) -> WorkspaceError:
        return WorkspaceError(
            f"the snapshot store {self.path} cannot be opened: {error}. Give an empty or new folder"
        )

    @cached_property
    def _stands_alone(self) -> bool:
        return not (self.objects / _ALTERNATES).exists()

    def _create(self) -> None:
        """Build the store under another name and move it into place, so that no one sees half of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f"{self.path.name}.new-", dir=self.path.parent))
        try:
            for folder in ("objects/info", "objects/pack", "refs/heads"):
                (made / folder).mkdir(parents=True)
            (made / "config").write_text(_CONFIG, encoding="utf-8")
            (made / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8")
            made.chmod(0o755)
            made.rename(self.path)
        except OSError:
            if not (self.path / "HEAD").exists():  # else another process was first, and that is as good
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def write(self, kind: int, data: bytes) -> str:
        """Store a :data:`BLOB` or :data:`TREE` and return its id; costs a hash when it was stored before.

        Raises:
            WorkspaceError: the store cannot be opened, or the object not be written.
        """
        content = b"%s %d\0%s" % (_KINDS[kind], len(data), data)
        name = loose_objects.name_of(content)
        if name not in self._known:
            self._put(name, kind, data, content)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known.add(name)
        if len(data) <= _SMALL and not self._is_open and self._stands_alone:
            if len(self._recent) >= _MOST_RECENT:
                del self._recent[next(iter(self._recent))]
            self._recent[name] = _KINDS[kind], data
        return name

    def _put(self, name: str, kind: int, data: bytes, content: bytes) -> None:
        if self._is_open or not self._stands_alone:  # libgit2 knows what lies in packs and alternates
            self.repository.odb.write(kind, data)
            return
        try:
            loose_objects.write(self.objects, name, content)
        except OSError as error:
            raise WorkspaceError(
                f"the snapshot store {self.path} cannot take more: {error.strerror}; make room on its disk, "
                f"or let it be writable"
            ) from error

    def write_stream(self, stream: IO[bytes]) -> str:
        """Store the rest of *stream* as a blob, without holding it in memory."""
        return str(self.repository.create_blob_fromiobase(stream))  # type: ignore[arg-type]  # any binary file

    def write_tree(self, entries: Iterable[Entry]) -> str:
        """Store a folder and return its id."""
        ordered = sorted(entries, key=lambda entry: entry.name + b"/" if entry.mode == FOLDER else entry.name)
        return self.write(TREE, b"".join(b"%o %s\0%s" % (e.mode, e.name, bytes.fromhex(e.id)) for e in ordered))

    def read(self, name: str) -> bytes:
        """Return the content of a blob or the raw bytes of a tree.

        Raises:
            WorkspaceError: there is no such object.
        """
        if (found := self._loose(name)) is not None:
            return found[1]
        import pygit2

        try:
            data: bytes = self.repository.odb.read(pygit2.Oid(hex=name))[1]
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise WorkspaceError(
                f"the snapshot store {self.path} has no object {name!r}; was the store replaced or cleaned?"
            ) from error
        return data

    def read_tree(self, name: str) -> list[Entry]:
        """Return the entries of a folder in git's order.

        Raises:
            WorkspaceError: there is no such tree.
        """
        return _entries(self.read(name))

    def loose_tree(self, name: str) -> list[Entry] | None:
        """Return the entries of a folder; ``None`` where it does not lie in the store as a tree by itself.

        Here and in :meth:`loose_blob` what was just written is not read again. :meth:`read`, by which workspaces
        are put back, always looks at what is stored.
        """
        kind, data = self._recent.get(name) or self._loose(name) or (b"", b"")
        return _entries(data) if kind == _KINDS[TREE] else None

    def loose_blob(self, name: str) -> bytes | None:
        """Return the content of a file; ``None`` where it does not lie in the store as a blob by itself."""
        kind, data = self._recent.get(name) or self._loose(name) or (b"", b"")
        return data if kind == _KINDS[BLOB] else None

    def _loose(self, name: str) -> tuple[bytes, bytes] | None:
        return loose_objects.read(self.objects, name) if _is_id(name) else None

    def size(self, name: str) -> int:
        """Return the size of a blob in bytes without reading all of it."""
        import pygit2

        size: int = self.repository.odb.read_header(pygit2.Oid(hex=name))[1]
        return size

    def diff(self, before: str, after: str, context: int = 3) -> pygit2.Diff:
        """Return git's diff of two trees, renames found.

        Raises:
            WorkspaceError: one of the trees is not there.
        """
        import pygit2

        trees = [self.repository.get(name) if _is_id(name) else None for name in (before, after)]
        for name, tree in zip((before, after), trees, strict=True):
            if not isinstance(tree, pygit2.Tree):
                raise WorkspaceError(f"the snapshot store {self.path} has no snapshot {name!r}")
        old, new = trees
        found: pygit2.Diff = old.diff_to_tree(new, context_lines=context)  # type: ignore[union-attr]
        found.find_similar(flags=pygit2.enums.DiffFind.FIND_RENAMES, rename_limit=_RENAME_LIMIT)
        return found


def store_at(path: Path) -> SnapshotStore:
    """Return the store in the folder *path*; asked again, a thread gets the same one, as long as it stands there.

    To open one costs more than a snapshot of a small folder.
    """
    key = (path.absolute(), threading.get_ident(), os.getpid())  # libgit2 shares no repository between threads
    found = _opened(*key)
    if not found.is_in_place:
        _opened.cache_clear()
        found = _opened(*key)
    return found


@lru_cache(_MOST_OPEN)
def _opened(path: Path, thread: int, process: int) -> SnapshotStore:
    del thread, process
    return SnapshotStore(path)


def _entries(data: bytes) -> list[Entry]:
    entries, at = [], 0
    while at < len(data):
        blank = data.index(b" ", at)
        end = data.index(b"\0", blank)
        entries.append(Entry(data[blank + 1 : end], int(data[at:blank], 8), data[end + 1 : end + 21].hex()))
        at = end + 21  # the zero byte, and 20 bytes of SHA-1
    return entries


def _place(path: Path) -> tuple[int, ...]:
    status = (path / "HEAD").stat()
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _is_id(name: str) -> bool:
    return len(name) == 40 and all(letter in "0123456789abcdef" for letter in name)  # noqa: PLR2004  # SHA-1
