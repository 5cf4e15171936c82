"""SSHLink: a connection that comes back after it was lost; the link is tried again, a turn never."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from obra.agents.ssh_connection import SSHConnection, is_another_machine
from obra.errors import AgentCrashed, AgentUnavailable

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

Result = TypeVar("Result")


class SSHLink:
    """Logs in, and again where the connection was lost, with growing pauses and for a bounded time.

    Only the link is tried again. What was said over it is not: whoever uses it counts the bytes that arrived.
    """

    def __init__(self, log_in: Callable[[], SSHConnection], patience: float) -> None:
        """Log in.

        Args:
            log_in: makes a connection.
            patience: seconds for which a lost connection is tried again.

        Raises:
            AgentUnavailable: there is no connection to be had; the first login is tried once.
        """
        self.connection = log_in()
        self._log_in = log_in
        self._patience = patience
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def renewed(self, lost: SSHConnection, *, patience: float | None = None) -> SSHConnection:
        """Return a connection in place of *lost*: the one that another thread has made, or a new one.

        Raises:
            AgentCrashed: it did not come back within *patience* seconds (by default those of the link), the
                machine there is another one, or the link was closed meanwhile.
        """
        with self._lock:
            if self.connection is not lost:
                return self.connection
            lost.close()
            seconds = self._patience if patience is None else patience
            end = time.monotonic() + seconds
            pause = _FIRST_PAUSE
            while not self._closing.is_set():
                try:
                    self.connection = self._log_in()
                except AgentUnavailable as error:
                    if is_another_machine(error) or time.monotonic() + pause > end:
                        raise AgentCrashed(
                            f"the SSH connection was lost and did not come back within {seconds:g} s: {error}"
                        ) from error
                else:
                    return self.connection
                self._closing.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        raise AgentCrashed("the SSH connection was closed")

    def do(self, work: Callable[[SSHConnection], Result], *, patience: float | None = None) -> Result:
        """Return what *work* does over a live connection; once more, from its beginning, when it breaks meanwhile.

        Raises:
            AgentCrashed: the connection does not come back, or *work* failed over a good one.
        """
        connection = self.connection
        if not connection.is_alive():
            connection = self.renewed(connection, patience=patience)
        try:
            return work(connection)
        except AgentCrashed:
            if connection.is_alive():
                raise
        return work(self.renewed(connection, patience=patience))

    def close(self) -> None:
        """Log out; nobody logs in again."""
        self._closing.set()
        with self._lock:
            self.connection.close()
