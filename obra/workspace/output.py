"""The output of a command: read all of it, keep its head and its tail, and never wait for its end.

End-of-file is no sign that a command ended: whatever it left behind may hold the pipe open.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import subprocess
import time
from collections.abc import Iterator

from obra.workspace.ctrl_c import HEARD_WITHIN

_CHUNK = 1 << 16
_SLICE = 0.05
_LAST_READ_SECONDS = 1.0
_LARGEST_PIPE = 1 << 20
"""Bytes that a pipe holds at most, see pipe(7): so many are read however late it is."""


class KeptOutput:
    """Bytes come in without end; a text of limited length comes out."""

    def __init__(self, limit: int) -> None:
        """Keep *limit* characters: a character of UTF-8 has at most 4 bytes, and half are for each end."""
        self._limit = limit
        self._room = 2 * limit
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def take(self, data: bytes) -> None:
        """Add *data*; memory stays within a few times the limit."""
        missing = self._room - len(self._head)
        if missing > 0:
            self._head += data[:missing]
            data = data[missing:]
        self._tail += data
        if len(self._tail) > 2 * self._room + _CHUNK:
            self._shorten()

    def _shorten(self) -> None:
        extra = max(len(self._tail) - self._room, 0)
        self._left_out += extra
        del self._tail[:extra]

    def text(self) -> str:
        """Return what was kept, with a line in the middle where something was left out."""
        size = len(self._head) + len(self._tail) + self._left_out
        if size <= 2 * self._room:
            text = first = last = (self._head + self._tail).decode("utf-8", errors="replace")
            if len(text) <= self._limit:
                return text
        else:
            self._shorten()
            whole_characters = codecs.getincrementaldecoder("utf-8")(errors="replace")
            first = whole_characters.decode(bytes(self._head))  # without the half of one at the cut
            last = self._tail.decode("utf-8", errors="replace")
        note = f"\n[... {size} bytes in all, the middle is left out ...]\n"
        room = self._limit - len(note)
        if room <= 0:
            return first[: self._limit]
        front = room // 2
        return first[:front] + note + last[len(last) - (room - front) :]


def read_until_ended(pipe: int, process: subprocess.Popen[bytes], kept: KeptOutput, deadline: float) -> bool:
    """Read *pipe* until *process* itself ends; ``False`` when :func:`time.monotonic` passes *deadline*."""
    os.set_blocking(pipe, False)
    if process.returncode is not None:
        return True
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    with end_of(process) as ended:
        if ended >= 0:
            poller.register(ended, select.POLLIN)
        open_pipe = True
        while process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            ready = poller.poll(1000 * min(left, HEARD_WITHIN if ended >= 0 else _SLICE))
            if open_pipe and any(descriptor == pipe for descriptor, _ in ready) and _read(pipe, kept):
                poller.unregister(pipe)  # it closed its output and works on
                open_pipe = False
    return True


def read_the_rest(pipe: int, kept: KeptOutput) -> None:
    """Read what still stands in *pipe*, and what somebody writes into it for a second."""
    deadline, size = time.monotonic() + _LAST_READ_SECONDS, 0
    with contextlib.suppress(BlockingIOError):
        while (size <= _LARGEST_PIPE or time.monotonic() < deadline) and (data := os.read(pipe, _CHUNK)):
            size += len(data)
            kept.take(data)


def _read(pipe: int, kept: KeptOutput) -> bool:
    """Read one chunk; tell whether it was the end."""
    try:
        data = os.read(pipe, _CHUNK)
    except BlockingIOError:
        return False
    kept.take(data)
    return not data


@contextlib.contextmanager
def end_of(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """Give a descriptor that becomes readable when *process* ends; -1 where there is no such thing."""
    if not hasattr(os, "pidfd_open"):
        yield -1
        return
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:  # another thread, which stops it, has just reaped it
        yield -1
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)
