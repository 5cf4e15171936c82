"""A private copy of a workspace: faithful enough to run programs in, with no way back into the original.

Written out instead of ``shutil.copytree`` because a workspace is hostile: it has pipes that block a reader, files
nobody may read, absolute links that lead back into the original, and files that vanish meanwhile.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

from obra.evidence.paths import is_within

LEFT_OUT = frozenset(
    {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox", ".obra"}
)
"""Names that are never copied: caches, which hold other paths and stale results, and Obra's own state."""

_BLOCK = 512
"""Bytes of a block in which the system counts what a file takes up (POSIX, sys/stat.h as Linux has it)."""
_CHUNK = 1024 * 1024


def copy_tree(source: Path, destination: Path, *, skip: Path) -> None:
    """Copy the folder *source* to *destination*, which must not exist yet.

    Modes and times of change are kept. Special files are left out; so is *skip*, for the case that the copy is
    made below the source. A file or folder that may not be read becomes an empty one with the same mode.

    Raises:
        OSError: *source* cannot be read, or the copy cannot be written.
    """
    root = os.path.realpath(source, strict=True)
    if not os.access(root, os.R_OK | os.X_OK):
        raise PermissionError(f"the workspace {source} may not be read")
    folders: list[tuple[str, os.stat_result]] = []
    todo = [(root, str(destination))]
    while todo:
        here, there = todo.pop()
        Path(there).mkdir()
        try:
            folders.append((there, Path(here).stat()))
            with os.scandir(here) as scan:
                entries = list(scan)
        except (FileNotFoundError, PermissionError):
            continue  # vanished meanwhile, or closed to us: an empty folder shows both truthfully
        for entry in entries:
            if entry.name in LEFT_OUT or entry.path == str(skip):
                continue
            target = f"{there}/{entry.name}"
            if entry.is_symlink():
                _copy_link(entry.path, target, root, str(destination))
            elif entry.is_dir(follow_symlinks=False):
                todo.append((entry.path, target))
            elif entry.is_file(follow_symlinks=False):
                _copy_file(entry, target)
    for there, status in reversed(folders):  # last of all: a read-only folder cannot be filled
        _copy_status(there, status)


def _copy_file(entry: os.DirEntry[str], target: str) -> None:
    if entry.name == ".git" and _leads_elsewhere(entry.path):
        return  # the link of a git worktree: commands would change the index of the real one
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # it vanished meanwhile
    try:
        if status.st_blocks * _BLOCK < status.st_size:
            _copy_sparse(entry.path, target)
        else:
            shutil.copyfile(entry.path, target, follow_symlinks=False)
    except FileNotFoundError:
        return  # it vanished meanwhile
    except PermissionError:
        Path(target).touch()
    _copy_status(target, status)


def _copy_sparse(path: str, target: str) -> None:
    """Copy a file with its holes: written out, one of a terabyte that takes no room would fill the disk."""
    with Path(path).open("rb", buffering=0) as source, Path(target).open("wb", buffering=0) as copy:
        size = copy.truncate(os.fstat(source.fileno()).st_size)
        end = 0
        while end < size:
            try:
                start = os.lseek(source.fileno(), end, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:  # nothing but a hole is left
                    raise
                return
            end = os.lseek(source.fileno(), start, os.SEEK_HOLE)
            source.seek(start)
            copy.seek(start)
            while start < end and (data := source.read(min(_CHUNK, end - start))):
                start += copy.write(data)


def _copy_status(target: str, status: os.stat_result) -> None:
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    Path(target).chmod(stat.S_IMODE(status.st_mode) & 0o777)


def _copy_link(path: str, target: str, root: str, destination: str) -> None:
    """Copy a link; one that reaches into the original from outside is turned to reach into the copy."""
    try:
        text = str(Path(path).readlink())
    except FileNotFoundError:
        return  # it vanished meanwhile
    lexical = os.path.normpath(Path(path).parent / text)
    if Path(text).is_absolute() or not is_within(lexical, root):
        real = os.path.realpath(lexical)
        if is_within(real, root):
            text = os.path.normpath(Path(destination, os.path.relpath(real, root)))
    Path(target).symlink_to(text)


def _leads_elsewhere(path: str) -> bool:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(4096).removeprefix(b"gitdir:").strip().startswith(b"/")
    except OSError:
        return True


def make_writable(workspace: Path, path: str) -> None:
    """Let the file *path* of a copy be written, and nothing else through it: a link becomes a file.

    Raises:
        OSError: there is no such file, or its folder is reached by a link that leads out of the copy.
    """
    target = workspace / path
    if not is_within(os.path.realpath(target.parent), os.path.realpath(workspace)):
        raise PermissionError(f"{path} leads out of the copy {workspace} through a link")
    target.parent.chmod(0o700)
    if target.is_symlink():
        data = target.read_bytes()
        target.unlink()
        target.write_bytes(data)
    target.chmod(0o600)


def delete_tree(folder: Path) -> None:
    """Delete *folder* with all below it, also where modes forbid it.

    Raises:
        OSError: something is left.
    """
    try:
        shutil.rmtree(folder)
    except OSError:
        _open_up(folder)
        shutil.rmtree(folder)


def _open_up(folder: Path) -> None:
    """Give the owner every right on *folder* and the folders below it; links are not followed."""
    folder.chmod(0o700)
    for here, names, _ in os.walk(folder):
        for name in names:
            below = Path(here, name)
            if not below.is_symlink():
                below.chmod(0o700)
