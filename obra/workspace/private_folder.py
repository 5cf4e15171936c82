"""Private folders for the programs that Obra runs; each is removed by its owner, or by whoever comes after.

A folder's name tells the process that made it. What a process leaves behind that was killed is removed when the
next one makes its first folder; one with an agent's session is kept for a day, for whoever goes on with the task.
"""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from obra.state.owners import is_alive, this_process

SESSION = "session"
"""Purpose of folders that hold an agent's session."""

_KEPT_SECONDS = 24 * 3600.0
_NAME = re.compile(r"obra-(?P<purpose>[a-z-]+)-(?P<pid>\d+)\.(?P<start>[\w.-]+)\.(?P<host>[0-9a-f]{8})-\w+")


def make_private_folder(purpose: str) -> Path:
    """Make an empty folder that only this user can enter: ``obra-PURPOSE-OWNER-…`` among the temporary files.

    The first call of a process removes the folders that dead processes of this user and machine have left there.

    Args:
        purpose: lower-case letters and hyphens.
    """
    place = tempfile.gettempdir()
    _sweep(place)
    _, pid, start = this_process().rsplit(":", 2)
    return Path(tempfile.mkdtemp(prefix=f"obra-{purpose}-{pid}.{start}.{_host()}-", dir=place))


@contextmanager
def private_folder(purpose: str) -> Iterator[Path]:
    """Give the folder of :func:`make_private_folder`, and remove it afterwards."""
    folder = make_private_folder(purpose)
    try:
        yield folder
    finally:
        remove_private_folder(folder)


def remove_private_folder(folder: Path) -> None:
    """Remove *folder*, with what tools left in it without write permission, such as module caches.

    Raises:
        OSError: something is left.
    """

    def make_removable(function: Callable[..., Any], path: str, _: object) -> None:
        with suppress(FileNotFoundError):  # a process that is ending, or another sweep, was faster
            if Path(path) != folder:  # what it stands in is not ours
                Path(path).parent.chmod(0o700)
            if not Path(path).is_symlink():
                Path(path).chmod(0o700)
            function(path)

    shutil.rmtree(folder, onerror=make_removable)


def sweep_private_folders(place: Path) -> tuple[Path, ...]:
    """Remove the private folders in *place* whose owners are dead; return them.

    Folders of living processes, of other machines and users, and whatever has another name, stay; those that hold
    a session stay for a day after their last change.
    """
    removed = []
    for folder in place.glob("obra-*"):
        if not is_abandoned(folder):
            continue
        with suppress(OSError):  # another user's: it is theirs to remove
            if folder.name.startswith(f"obra-{SESSION}-") and time.time() - folder.stat().st_mtime < _KEPT_SECONDS:
                continue
            remove_private_folder(folder)
            removed.append(folder)
    return tuple(removed)


def is_abandoned(folder: Path) -> bool:
    """Tell whether *folder* has the name of a private one whose owner was on this machine and is dead."""
    found = _NAME.fullmatch(folder.name)
    if found is None or found["host"] != _host():
        return False
    return is_alive(f"{socket.gethostname()}:{found['pid']}:{found['start']}") is False


@cache
def _sweep(place: str) -> None:
    sweep_private_folders(Path(place))


@cache
def _host() -> str:
    """Return eight digits for the host's name, which may hold anything."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"
