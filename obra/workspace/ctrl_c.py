"""Ctrl-C that comes while a program is started: it waits until somebody holds the program who can end it.

A fork runs callbacks of the standard library in this process, and what is raised in one of them is printed and
lost. A Ctrl-C that came just then was not obeyed; one that came a moment later left a program running that nobody
knew of. A person's stop and a case that was lost to another worker are told by signals too, and wait with it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

HEARD_WITHIN = 0.5
"""Seconds that the main thread waits at a time: a Ctrl-C that the kernel gives to another thread does not end its
wait. So it may be with a process that was stopped, by Ctrl-Z or ``docker pause``, and goes on."""

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What breaks off a run, the most urgent first: where several raise, its error is the one that is heard.
The last two are those of :mod:`obra.steering` and :mod:`obra.scale.interruption`."""


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let the handler of a signal that may break off this thread run at the end of the block, as often as it came.

    Signals without a handler in Python, and threads that no signal reaches, are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {number: handler for number in _STOPS if callable(handler := signal.getsignal(number))}
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # a handler's arguments
        came.append(number)

    try:
        for number in usual:
            signal.signal(number, note)
        yield
    finally:
        handlers = list(usual)
        error = _emptied(handlers, lambda: (signal.signal(handlers[-1], usual[handlers[-1]]), handlers.pop()))
        waited = [number for number in usual for _ in range(came.count(number))]
        error = _emptied(waited, lambda: signal.raise_signal(waited.pop())) or error
        if error is not None:
            raise error


def _emptied(left: list[signal.Signals], act: Callable[[], object]) -> BaseException | None:
    """Act until nothing is left, whatever a handler raises meanwhile; return what was raised last."""
    error = None
    while left:
        try:
            while left:
                act()
        except BaseException as raised:  # noqa: BLE001  # of whatever handler: the others must have theirs back
            error = raised
    return error
