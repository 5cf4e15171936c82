"""A heartbeat: renews a claim while its task is worked on, and stops the work when the claim is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import TracebackType
from typing import Self

from obra.domain import Claim
from obra.errors import StateError, TaskBusy
from obra.logbook import logger
from obra.state.state_manager import StateManager

_BEATS = 3
"""Renewals within one lease, so that one or two may be late."""


class Heartbeat:
    """Renews *claim* in a thread of its own, as a context manager of the main thread.

    When the claim is lost, or could not be renewed for the whole lease, the work is stopped as by Ctrl-C, and
    leaving the context raises what happened instead of ``KeyboardInterrupt``.

    Raises (on leaving):
        TaskBusy: the claim is lost.
        StateError: the database could not be reached for as long as the lease.
    """

    def __init__(self, state: StateManager, claim: Claim) -> None:
        self._state = state
        self._claim = claim
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._lost: StateError | None = None
        self._thread = threading.Thread(target=self._beat, name=f"lease of task {claim.task.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end()
        except KeyboardInterrupt as late:
            self._end()  # of a person, or our own: the claim was lost as the work came to its end
            error = error or late
            if self._lost is None:
                raise
        if self._lost is not None and isinstance(error, (KeyboardInterrupt, TaskBusy)):
            raise self._lost from error

    def _end(self) -> None:
        with self._guard:
            self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        renewed = time.monotonic()
        while not self._over.wait(self._claim.lease / _BEATS):
            try:
                self._state.renew_claim(self._claim)
            except TaskBusy as error:
                self._stop(error)
            except StateError as error:
                if time.monotonic() - renewed >= self._claim.lease:
                    self._stop(error)
                logger.warning("the lease of task %d could not be renewed: %s", self._claim.task.id, error)
            else:
                renewed = time.monotonic()

    def _stop(self, error: StateError) -> None:
        with self._guard:
            if self._over.is_set():
                return
            self._over.set()
            self._lost = error
            logger.warning("task %d is lost and its work is stopped: %s", self._claim.task.id, error)
            os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C does: it also ends a read that waits for the agent
