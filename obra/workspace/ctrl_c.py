"""Ctrl-C that comes while a program is started: it waits until somebody holds the program who can end it.

A fork runs callbacks of the standard library in this process, and what is raised in one of them is printed and
lost. A Ctrl-C that came just then was not obeyed; one that came a moment later left a program running that nobody
knew of. A person's stop and a case that was lost to another worker are told by signals too, and wait with it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

HEARD_WITHIN = 0.5
"""Seconds that the main thread waits at a time: a Ctrl-C that the kernel gives to another thread does not end its
wait. So it may be with a process that was stopped, by Ctrl-Z or ``docker pause``, and goes on."""

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What breaks off a run, the most urgent first: where several raise, its error is the one that is heard.
The last two are those of :mod:`obra.steering` and :mod:`obra.scale.interruption`."""


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let the handler of a signal that may break off this thread run at the end of the block.

    Signals without a handler in Python, and threads that no signal reaches, are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {number: handler for number in _STOPS if callable(handler := signal.getsignal(number))}
    came: set[int] = set()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # a handler's arguments
        came.add(number)

    def run_handler(number: int) -> None:
        if number in came:
            signal.raise_signal(number)

    with ExitStack() as after:  # does the last thing first, and each, whatever the others raise
        for number in usual:
            after.callback(run_handler, number)
        for number, handler in usual.items():
            after.callback(signal.signal, number, handler)
        for number in usual:
            signal.signal(number, note)
        yield
