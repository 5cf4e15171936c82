"""Ending what runs in the main thread, from another thread, as Ctrl-C would."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Interruption:
    """Made in the main thread. SIGUSR2 carries it: Ctrl-C keeps its own meaning, and steering has SIGUSR1."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._main = threading.get_ident()
        self._running: object = None
        self._reason = ""
        self._since = 0.0
        signal.signal(signal.SIGUSR2, self._on_signal)

    @contextmanager
    def possible(self, work: object) -> Iterator[None]:
        """Let the block, which does *work*, be ended by :meth:`stop`, with KeyboardInterrupt; not what follows."""
        with self._guard:
            self._running, self._reason = work, ""
        try:
            yield
        finally:
            with self._guard:
                self._running = None

    @property
    def reason(self) -> str:
        """Why the last block was ended, or empty."""
        return self._reason

    @property
    def waiting(self) -> float:
        """Seconds since the block was told to end, which it has not yet; 0 when none was."""
        with self._guard:
            return time.monotonic() - self._since if self._running and self._reason else 0.0

    def stop(self, reason: str, work: object = None) -> None:
        """End the block that runs, and only where it does *work*, if that is given: it may be over meanwhile.

        Once is enough, and without a block nothing happens.
        """
        with self._guard:
            if self._running and not self._reason and work in (None, self._running):
                self._reason, self._since = reason, time.monotonic()
                signal.pthread_kill(self._main, signal.SIGUSR2)

    def _on_signal(self, *_: object) -> None:
        if self._running and self._reason:
            raise KeyboardInterrupt(self._reason)
