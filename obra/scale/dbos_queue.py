"""The queue on DBOS Transact: the one place that knows it.

DBOS keeps which case is waiting, taken or over, and gives each to one executor at a time by a row lock
(``FOR UPDATE SKIP LOCKED`` on PostgreSQL). Its traps, and what is done about them: its version is fixed here and
not a hash of source code; each worker has an executor id of its own; data is JSON, not pickle; and that a dead
executor's work goes to others is done by us, since the open library does it only for the executor itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from obra.errors import PrerequisiteError
from obra.scale.address import QueueAddress

if TYPE_CHECKING:
    from dbos import DBOSClient

VERSION = "1"
"""Version of what a queued case means. Raise it when older workers could not run what is put on the queue now."""
_QUEUE = "cases"
_NAME = "obra"
_POOL = 3
"""Connections of one worker's DBOS: one takes cases, one stores ends, one looks after the rest."""
_AWAY_SECONDS = 60
"""How long DBOS waits for a case under way when it is stopped; the worker has waited for it before."""


class DBOSQueue:
    """Implements :class:`obra.scale.port.DurableQueue`.

    Args:
        address: the database.
        polling: seconds between two looks of a worker that has nothing to do.
    """

    def __init__(self, address: QueueAddress, *, polling: float = 0.2) -> None:
        self._url = address.for_dbos
        self._file = address.file
        self._polling = polling
        self._serving: Any = None
        self._require()

    @cached_property
    def _client(self) -> DBOSClient:
        """The connection for putting, cancelling and looking; its tables are made when they are not there."""
        from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer

        self._quiet()
        if self._file is not None:
            with closing(sqlite3.connect(self._file, timeout=30)) as connection:
                connection.execute(
                    "PRAGMA journal_mode=WAL"
                )  # kept in the file; writers then wait less for readers
        DBOS.migrate(self._url)
        client = DBOSClient(
            system_database_url=self._url,
            serializer=DBOSPortableJSONSerializer(),
            application_name=_NAME,
            system_database_pool_size=1,
        )
        client.register_queue(_QUEUE, worker_concurrency=1, polling_interval_sec=self._polling)
        return client

    def put(self, ids: Iterable[str]) -> None:
        """Put cases on the queue; one that is there already is not put twice."""
        for one in ids:
            self._client.enqueue(
                {"workflow_name": _QUEUE, "queue_name": _QUEUE, "workflow_id": one, "app_version": VERSION}, one
            )

    def cancel(self, ids: Iterable[str]) -> None:
        """Take cases off the queue, or let whoever works on one not store its end."""
        self._client.cancel_workflows(list(ids))

    def forget(self, ids: Iterable[str]) -> None:
        """Remove all that is kept of cases that are over."""
        self._client.delete_workflows(list(ids))

    def serve(self, worker: str, handler: Callable[[str], str]) -> None:
        """Begin to take cases for *worker*, one at a time; *handler* is called in a thread and returns its end."""
        from dbos import DBOS, DBOSPortableJSONSerializer

        _ = self._client  # makes the tables
        self._serving = DBOS
        DBOS(
            config={
                "name": _NAME,
                "system_database_url": self._url,
                "application_version": VERSION,
                "executor_id": worker,
                "serializer": DBOSPortableJSONSerializer(),
                "use_listen_notify": False,
                "sys_db_pool_size": _POOL,
                "log_level": "CRITICAL",
                "run_migrations": False,
            }
        )

        def run_case(case: str) -> str:  # a plain function: DBOS writes attributes on it
            return handler(case)

        DBOS.workflow(name=_QUEUE)(run_case)
        DBOS.launch()

    def stop(self) -> None:
        """Take no more cases, and wait for the one under way."""
        if self._serving is not None:
            self._serving.destroy(destroy_registry=True, workflow_completion_timeout_sec=_AWAY_SECONDS)
            self._serving = None

    def hand_over(self, worker: str) -> int:
        """Put back what *worker* had taken and not finished; return how many cases these are."""
        taken = self._client.list_workflows(
            status="PENDING", executor_id=worker, queue_name=_QUEUE, load_input=False, load_output=False
        )
        for one in taken:
            self._client.resume_workflow(one.workflow_id, queue_name=_QUEUE)
        return len(taken)

    def workers_at_work(self) -> frozenset[str]:
        """Return the ids of all workers that have taken a case and not finished it, dead ones too."""
        taken = self._client.list_workflows(
            status="PENDING", queue_name=_QUEUE, load_input=False, load_output=False
        )
        return frozenset(one.executor_id for one in taken if one.executor_id)

    def close(self) -> None:
        """Let go of the database."""
        if "_client" in vars(self):
            self._client.destroy()

    @staticmethod
    def _require() -> None:
        import importlib.util

        if importlib.util.find_spec("dbos") is None:
            raise PrerequisiteError(["the extra 'scale' is not installed: pip install 'obra[scale]'"])

    @staticmethod
    def _quiet() -> None:
        """Keep DBOS's own lines away; what matters of them is told by us."""
        import logging

        logging.getLogger("dbos").setLevel(logging.CRITICAL)
