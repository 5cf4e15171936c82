"""ServerSlots: no more questions at once than the server works on, counted over all processes of one user.

A server queues what it cannot work on, and a client's time limit runs meanwhile; with many test workers the last
in the queue would time out although nothing is wrong. So the queue is here, before the limit starts.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obra.errors import LLMTimeout, LLMUnavailable

LONGEST_WAIT = 3600.0
"""Seconds. Whoever holds a slot has limits of its own and loses it when it dies; this is for the unforeseen."""

_PAUSE = 0.02


class ServerSlots:
    """A semaphore made of lock files, one for each slot; the kernel frees those of a process that dies."""

    def __init__(self, place: str, count: int, *, longest_wait: float = LONGEST_WAIT) -> None:
        """Take what tells one server from another, its number of slots and the longest wait in seconds."""
        digest = hashlib.sha256(place.encode("utf-8", "backslashreplace")).hexdigest()[:16]
        self._names = [f"llm-{digest}-{number}.lock" for number in range(count)]
        self._place = place
        self._longest_wait = longest_wait

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for a free slot and hold it.

        Raises:
            LLMTimeout: none became free.
            LLMUnavailable: the folder of the lock files is not ours.
        """
        from filelock import FileLock, Timeout

        folder = _folder()
        locks = [FileLock(folder / name, thread_local=False, mode=0o600) for name in self._names]
        deadline = time.monotonic() + self._longest_wait
        while True:
            for lock in locks:
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    continue
                try:
                    yield
                finally:
                    lock.release()
                return
            if time.monotonic() > deadline:
                raise LLMTimeout(
                    f"all {len(locks)} slot(s) of the LLM server {self._place} were taken for "
                    f"{self._longest_wait:g} s; end what uses it, or raise llm.parallel if it can do more at once"
                )
            time.sleep(_PAUSE)


def _folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"obra-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise LLMUnavailable(
            f"{folder}, where the questions to the LLM are counted, belongs to somebody else; "
            f"remove it, or set TMPDIR to a folder of yours"
        )
    return folder
