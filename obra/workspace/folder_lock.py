"""One task in one folder at a time: a lock on the folder itself, which the kernel frees when its holder dies.

No file is written; the lock is ``flock(2)`` on the folder. A folder that is removed and made again is another
folder: what was locked is gone with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obra.errors import FolderBusy, WorkspaceError


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold the folder *root* alone; programs that are started meanwhile do not inherit the lock.

    Raises:
        FolderBusy: somebody holds it, in this process or another one of this machine.
        WorkspaceError: it cannot be opened, or its file system knows no locks.
    """
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise WorkspaceError(f"the workspace {root} cannot be opened: {error.strerror}") from error
    try:
        _lock(descriptor, root)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise FolderBusy(
                f"another task is at work in the folder {root}; wait until it has ended, or give this task a "
                f"folder of its own"
            ) from error
        raise WorkspaceError(
            f"the folder {root} cannot be locked against other tasks ({error.strerror}); work in a folder whose "
            f"file system knows locks"
        ) from error
