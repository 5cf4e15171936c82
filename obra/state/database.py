"""One database: opening it, its schema, and the two kinds of transactions, reading and writing.

SQLite runs in WAL mode with ``synchronous=NORMAL``: after a power cut the database is whole, but the very last
transactions may be missing; after the death of a process (kill -9) nothing is missing. That trade saves one
disk flush for every attempt. Writers begin with BEGIN IMMEDIATE: two at once wait for each other, where the
default would let both read first and then fail the second one.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool, StaticPool

from obra.errors import StateError
from obra.state import schema
from obra.state.failures import masked, state_error

_statement_log = logging.getLogger("obra.sql")

_IMMEDIATE = "obra_immediate"
"""Name of our own execution option: this transaction will write."""


_PAUSE = 0.05
"""Seconds between two looks for a server that is away."""

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """One engine, opened and checked at construction. Threads may share it; a forked child reconnects.

    Attributes:
        url: where it is, with an absolute path for SQLite.
    """

    def __init__(self, url: str, *, echo: bool = False, busy_timeout: float = 5.0) -> None:
        """Open *url*; create the tables if there are none, and migrate those of an older Obra (with a backup).

        Raises:
            StateError: it cannot be opened, is not Obra's, or was written by a newer Obra.
        """
        self._patience = busy_timeout
        self.url = _parsed(url)
        self.is_memory = False
        self._guard = threading.RLock()
        self._process = os.getpid()
        self._inherited: list[Any] = []
        engine = self._make_engine(echo=echo)
        self._readers: sa.Engine | None = engine
        self._writers = engine.execution_options(**{_IMMEDIATE: True})
        try:
            self._prepare()
        except StateError:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give one consistent view; never waits for writers in SQLite.

        Raises:
            StateError: the database failed, or is closed.
        """
        with self._transaction(self._readers) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give one transaction: all of it is stored, or, when anything is raised inside, none of it.

        Raises:
            StateError: the database failed, is closed, or another writer did not finish in time.
        """
        with self._transaction(self._writers if self._readers else None) as connection:
            yield connection

    def read(self, function: Callable[Concatenate[sa.Connection, P], T], *values: P.args, **named: P.kwargs) -> T:
        """Return what *function* finds in one consistent view; see :meth:`write`."""
        return self._patiently(self.reading, function, *values, **named)

    def write(self, function: Callable[Concatenate[sa.Connection, P], T], *values: P.args, **named: P.kwargs) -> T:
        """Return what *function* does in one transaction, all of it or nothing.

        When the connection to a server is lost before the end of the transaction was asked for, nothing of it was
        stored, and it is done again, for as long as the busy timeout says. Lost after that, it may be stored or
        not; that is an error, and whoever resumes reads which.

        Raises:
            StateError: the database failed, is closed, or another writer did not finish in time.
        """
        return self._patiently(self.writing, function, *values, **named)

    def _patiently(
        self,
        transaction: Callable[[], AbstractContextManager[sa.Connection]],
        function: Callable[Concatenate[sa.Connection, P], T],
        *values: P.args,
        **named: P.kwargs,
    ) -> T:
        end = 0.0
        while True:
            is_done = False
            try:
                with transaction() as connection:
                    made = function(connection, *values, **named)
                    is_done = True
            except StateError as error:
                end = end or time.monotonic() + self._patience
                if is_done or not self._is_gone(error.__cause__) or time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)
            else:
                return made

    def _is_gone(self, cause: BaseException | None) -> bool:
        """Tell whether a server is away, or the connection to it was cut."""
        return self.url.get_backend_name() != "sqlite" and isinstance(cause, (OperationalError, InterfaceError))

    def close(self) -> None:
        """Close every connection; safe to call twice."""
        engine, self._readers = self._readers, None
        if engine is not None:
            engine.dispose(close=os.getpid() == self._process)

    @contextmanager
    def _transaction(self, engine: sa.Engine | None) -> Iterator[sa.Connection]:
        if engine is None:
            raise StateError(f"the database {masked(self.url)} is closed; open a new StateManager")
        if os.getpid() != self._process:
            self._leave_connections_to_parent(engine)
        try:
            if not self.is_memory:
                with engine.begin() as connection:
                    yield connection
            else:  # all threads share one connection
                with self._guard, engine.begin() as connection:
                    yield connection
        except (SQLAlchemyError, OverflowError, sqlite3.Error) as error:
            raise state_error(error, self.url) from error

    def _make_engine(self, *, echo: bool) -> sa.Engine:
        options: dict[str, Any] = {"hide_parameters": not echo}
        sqlite = self.url.get_backend_name() == "sqlite"
        if sqlite:
            self.is_memory = self.url.database in (None, "", ":memory:") or "mode=memory" in str(self.url)
            options["poolclass"] = StaticPool if self.is_memory else QueuePool
            options["connect_args"] = {"timeout": self._patience, "check_same_thread": False}
            if not self.is_memory:
                self.url = _with_folder(self.url)
        else:
            options["pool_pre_ping"] = True  # a server may have restarted since the last transaction
            options["connect_args"] = {"options": f"-c lock_timeout={int(self._patience * 1000)}"}
        try:
            engine = sa.create_engine(self.url, **options)
        except (SQLAlchemyError, TypeError) as error:
            raise state_error(error, self.url) from error
        except ImportError as error:
            raise StateError(
                f"the database {masked(self.url)} needs the driver {error.name!r}; install it, "
                f"for PostgreSQL with: pip install 'obra[postgres]'"
            ) from error
        if echo:  # not SQLAlchemy's own echo, which prints to standard output, where results belong
            _statement_log.setLevel(logging.INFO)
            sa.event.listen(engine, "before_cursor_execute", _log_statement)
        if sqlite:
            sa.event.listen(engine, "connect", _on_connect)
            sa.event.listen(engine, "begin", partial(_on_begin, echo=echo))
        return engine

    def _prepare(self) -> None:
        with self.reading() as connection:
            if schema.is_current(connection):
                return
        with self.reading() as connection:
            version = schema.version_of(connection)
        if version:
            schema.refuse_unknown(version, self.url)
            from obra.state.migrating import PATIENCE, migrate

            migrate(self.url, patience=max(self._patience, PATIENCE))
        else:
            self._write_ahead()
            with self.writing() as connection:
                schema.create(connection)

    def _write_ahead(self) -> None:
        """Switch the file to WAL, once for all time; SQLite does not wait for others here, so we do."""
        if self.url.get_backend_name() != "sqlite" or self.is_memory or self._readers is None:
            return
        end = time.monotonic() + self._patience
        while True:
            connection = self._readers.raw_connection()
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            except sqlite3.Error as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise state_error(error, self.url) from error
                time.sleep(0.005)
            else:
                return
            finally:
                connection.close()

    def _leave_connections_to_parent(self, engine: sa.Engine) -> None:
        """Forget what a fork gave us: SQLite connections must not be used, nor closed, in two processes."""
        with self._guard:
            if os.getpid() != self._process:
                self._process = os.getpid()
                if not self.is_memory:
                    self._inherited.append(engine.pool)
                    engine.dispose(close=False)


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise StateError(
            "database.url is not a database URL; write for example sqlite:///.obra/obra.db"
        ) from error


def _with_folder(url: sa.URL) -> sa.URL:
    """Make the folder of an SQLite file and return *url* with an absolute path (the folder may change later)."""
    name = url.database or ""
    if name.startswith("file:"):
        return url
    path = Path(name).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ignore = path.parent / ".gitignore"
        if path.parent.name == ".obra" and not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")
    except OSError as error:
        raise StateError(
            f"the folder {path.parent} of the database cannot be made: {error.strerror or error}; "
            f"make it, or name another database.url"
        ) from error
    return url.set(database=str(path))


def _on_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin by itself; _on_begin does
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")


def _log_statement(_connection: sa.Connection, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
    _statement_log.info("%s %r", " ".join(statement.split()), values)


def _on_begin(connection: sa.Connection, *, echo: bool) -> None:
    immediate = connection.get_execution_options().get(_IMMEDIATE)
    statement = "BEGIN IMMEDIATE" if immediate else "BEGIN"
    if echo:
        _log_statement(connection, None, statement, ())
    # Straight to the driver: SQLAlchemy's own way to a word without a result costs as much as a whole statement.
    connection.connection.cursor().execute(statement)
