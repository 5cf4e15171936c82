"""Ctrl-C that comes while a program is started: it waits until that is over.

A fork runs callbacks of the standard library in this process, and what is raised in one of them is printed and
lost. A Ctrl-C that came just then was not obeyed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HEARD_WITHIN = 0.5
"""Seconds that the main thread waits at a time: a Ctrl-C that the kernel gives to another thread does not end its
wait. So it may be with a process that was stopped, by Ctrl-Z or ``docker pause``, and goes on."""

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let a signal that would raise KeyboardInterrupt in this thread do so at the end of the block.

    Handlers of other kinds, and threads that no signal reaches, are left as they are.
    """
    usual = signal.default_int_handler
    waiting = [number for number in _STOPS if signal.getsignal(number) is usual]
    if threading.current_thread() is not threading.main_thread() or not waiting:
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # a handler's arguments
        came.append(number)

    for number in waiting:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in waiting:
            signal.signal(number, usual)
        if came:
            signal.raise_signal(came[0])
