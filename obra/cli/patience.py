"""A sign of life for commands that think: on a terminal, a line that says what they do after a second of silence.

The line stands on standard error, is taken back before anything else is printed, and leaves no trace.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_SECONDS = 1.0
"""Of silence before the line appears."""
_EVERY_SECONDS = 0.5


class _Line:
    """The line, and since when nothing else was printed."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._began = self._heard = time.monotonic()
        self._is_shown = False

    def show(self) -> None:
        """Print the line, or print it anew with the seconds that have passed, when it is time."""
        with self._lock:
            now = time.monotonic()
            if now - self._heard < FIRST_SECONDS:
                return
            sys.stderr.write(f"\r{self._what} ... {now - self._began:.0f} s ")
            sys.stderr.flush()
            self._is_shown = True

    def take_back(self) -> None:
        """Remove the line, if it is there; something else is about to be printed."""
        with self._lock:
            self._heard = time.monotonic()
            if self._is_shown:
                sys.stderr.write("\r" + " " * (len(self._what) + 16) + "\r")
                sys.stderr.flush()
                self._is_shown = False


_lines: list[_Line] = []


def make_way() -> None:
    """Take the line back; whoever prints calls this first."""
    for line in _lines:
        line.take_back()


@contextmanager
def patient(what: str) -> Iterator[None]:
    """Show *what* is under way whenever nothing was printed for a second, if standard error is a terminal."""
    if not what or _lines or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    line, over = _Line(what), threading.Event()

    def tick() -> None:
        while not over.wait(_EVERY_SECONDS):
            line.show()

    thread = threading.Thread(target=tick, name="obra-patience", daemon=True)
    _lines.append(line)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        line.take_back()
        _lines.remove(line)
