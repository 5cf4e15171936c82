"""The queue on DBOS Transact: the one place that knows it.

A workflow of DBOS is a shift: one worker's work on the cases of a submission. DBOS keeps which shift is waiting,
taken or over, and gives each to one executor at a time by a row lock (``FOR UPDATE SKIP LOCKED`` on PostgreSQL). A
case is not a workflow of its own, since to start and end one costs more than the rest of what a worker does for a
short case, and the next one would be taken only when DBOS looks again.

Its traps, and what is done about them: its version is fixed here and not a hash of source code; each worker has
an executor id of its own; data is JSON, not pickle; and that a dead executor's work goes to others is done by us,
since the open library does it only for the executor itself.
"""

from __future__ import annotations

import secrets
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from obra.errors import PrerequisiteError
from obra.scale.address import QueueAddress

if TYPE_CHECKING:
    from dbos import DBOSClient

VERSION = "2"
"""Version of what a shift means. Raise it when older workers could not do what is put on the queue now."""
_QUEUE = "shifts"
_NAME = "obra"
_BETWEEN = "."
"""Stands between a submission and the number of a shift; names of submissions have none."""
_POOL = 3
"""Connections of one worker's DBOS: one takes shifts, one stores ends, one looks after the rest."""
_AWAY_SECONDS = 60
"""How long DBOS waits for a shift under way when it is stopped; the worker has waited for it before."""

_SUBSECONDS = (3, 42)
"""The SQLite from which on ``unixepoch('subsec')`` is known, see its list of changes."""


def require_subseconds(python: tuple[Any, ...], sqlite: tuple[int, ...]) -> None:
    """Refuse a SQLite that DBOS cannot use: it decides by the version of Python what it asks of SQLite.

    Args:
        python: ``sys.version_info``.
        sqlite: ``sqlite3.sqlite_version_info``.

    Raises:
        PrerequisiteError: under Python 3.12 or newer SQLite is older than 3.42.
    """
    if python >= (3, 12) and sqlite < _SUBSECONDS:
        here = ".".join(map(str, sqlite))
        reason = (
            f"the queue needs SQLite 3.42 or newer under Python 3.12 or newer, and this Python has {here}: "
            f"name a PostgreSQL in database.url, or use a Python with a newer SQLite"
        )
        raise PrerequisiteError([reason])


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
        if self._file is not None:
            require_subseconds(sys.version_info, sqlite3.sqlite_version_info)

    @cached_property
    def _client(self) -> DBOSClient:
        """The connection for calling and looking; its tables are made when they are not there."""
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

    def call(self, submission: str, workers: int = 1) -> None:
        """Put so many shifts of a submission on the queue."""
        for _ in range(workers):
            shift = f"{submission}{_BETWEEN}{secrets.token_hex(6)}"
            self._client.enqueue(
                {"workflow_name": _QUEUE, "queue_name": _QUEUE, "workflow_id": shift, "app_version": VERSION},
                submission,
            )

    def called(self) -> frozenset[str]:
        """Return the submissions with a shift that waits for a worker."""
        found = self._client.list_workflows(
            status="ENQUEUED", queue_name=_QUEUE, app_version=VERSION, load_input=False, load_output=False
        )
        return frozenset(one.workflow_id.partition(_BETWEEN)[0] for one in found)

    def forget(self, submissions: Iterable[str]) -> None:
        """Remove all that is kept of submissions that are over."""
        prefixes = [f"{one}{_BETWEEN}" for one in submissions]
        if prefixes:
            found = self._client.list_workflows(workflow_id_prefix=prefixes, load_input=False, load_output=False)
            self._client.delete_workflows([one.workflow_id for one in found])

    def serve(self, worker: str, handler: Callable[[str], str]) -> None:
        """Begin to take shifts for *worker*, one at a time.

        *handler* is called in a thread with the submission, and returns in a word why the shift ended.
        """
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

        def work(submission: str) -> str:  # a plain function: DBOS writes attributes on it
            return handler(submission)

        DBOS.workflow(name=_QUEUE)(work)
        DBOS.launch()

    def stop(self) -> None:
        """Take no more shifts, and wait for the one under way."""
        if self._serving is not None:
            self._serving.destroy(destroy_registry=True, workflow_completion_timeout_sec=_AWAY_SECONDS)
            self._serving = None

    def hand_over(self, worker: str) -> None:
        """Put back the shifts that *worker* had taken and not finished."""
        taken = self._client.list_workflows(
            status="PENDING", executor_id=worker, queue_name=_QUEUE, load_input=False, load_output=False
        )
        for one in taken:
            self._client.resume_workflow(one.workflow_id, queue_name=_QUEUE)

    def workers_at_work(self) -> frozenset[str]:
        """Return the ids of all workers that have taken a shift and not finished it, dead ones too."""
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
