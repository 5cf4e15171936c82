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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool, StaticPool

from obra.errors import StateError
from obra.state import address, schema
from obra.state.connection import Connection, Told
from obra.state.failures import masked, state_error

_statement_log = logging.getLogger("obra.sql")

_BEGIN = "obra_begin"
"""Name of our own execution option: how the transaction begins in SQLite."""

_READ, _WRITE = "BEGIN", "BEGIN IMMEDIATE"

_PAUSE = 0.05
"""Seconds between two looks for a server that is away."""

_CACHE = 256
"""KiB of pages that SQLite keeps for each connection; the system keeps the file itself, too."""

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """One engine, opened and checked at construction. Threads may share it; a forked child reconnects.

    Attributes:
        url: where it is, with an absolute path for SQLite.
    """

    def __init__(
        self, url: str, *, echo: bool = False, busy_timeout: float = 5.0, read_only: bool = False
    ) -> None:
        """Open *url*; create the tables if there are none, and migrate those of an older Obra (with a backup).

        Raises:
            StateError: it cannot be opened, is not Obra's, or was written by a newer Obra; where it is only read,
                also when it is not there or was written by an older one.
        """
        self._patience = busy_timeout
        self._read_only = read_only
        self.url = address.parsed(url)
        self.is_memory = False
        self._is_sqlite = self.url.get_backend_name() == "sqlite"
        self._guard = threading.RLock()
        self._process = os.getpid()
        self._inherited: list[Any] = []
        self._idle: list[PoolProxiedConnection] = []
        self._told: Told | None = _log_statement if echo else None
        engine = self._make_engine(echo=echo)
        self._driver: Any = engine.dialect.dbapi
        self._engine: sa.Engine | None = engine
        try:
            self._prepare()
        except StateError:
            self.close()
            raise

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; ``None`` for one in memory or on a server."""
        return Path(str(self.url.database)) if self._is_sqlite and not self.is_memory else None

    def read(self, function: Callable[Concatenate[Connection, P], T], *values: P.args, **named: P.kwargs) -> T:
        """Return what *function* finds in one consistent view; in SQLite it never waits for writers.

        Raises:
            StateError: the database failed, or is closed.
        """
        return self._patiently(_READ, lambda connection: function(connection, *values, **named))

    def write(self, function: Callable[Concatenate[Connection, P], T], *values: P.args, **named: P.kwargs) -> T:
        """Return what *function* does in one transaction: all of it is stored, or, when it raises, nothing.

        When the connection to a server is lost before the end of the transaction was asked for, nothing of it was
        stored, and it is done again, for as long as the busy timeout says. Lost after that, it may be stored or
        not; that is an error, and whoever resumes reads which.

        Raises:
            StateError: the database failed, is closed, or another writer did not finish in time.
        """
        return self._patiently(_WRITE, lambda connection: function(connection, *values, **named))

    def _patiently(self, begin: str, function: Callable[[Connection], T]) -> T:
        is_done = False

        def work(connection: Connection) -> T:
            nonlocal is_done
            made = function(connection)
            is_done = True
            return made

        end = 0.0
        while True:
            try:
                return self._once(begin, work)
            except StateError as error:
                end = end or time.monotonic() + self._patience
                if is_done or not self._is_gone(error.__cause__) or time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)

    def _give_back(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _is_gone(self, cause: BaseException | None) -> bool:
        """Tell whether a server is away, or the connection to it was cut."""
        lost = (self._driver.OperationalError, self._driver.InterfaceError)
        return not self._is_sqlite and isinstance(getattr(cause, "orig", cause), lost)

    def close(self) -> None:
        """Close every connection; safe to call twice."""
        engine, self._engine = self._engine, None
        if engine is not None:
            if os.getpid() == self._process:
                self._give_back()
            engine.dispose(close=os.getpid() == self._process)

    def _once(self, begin: str, work: Callable[[Connection], T]) -> T:
        engine = self._opened()
        try:
            if not self.is_memory:
                return self._transact(engine, begin, work)
            with self._guard:  # all threads share one connection
                return self._transact(engine, begin, work)
        except (SQLAlchemyError, OverflowError, self._driver.Error) as error:
            raise state_error(error, self.url) from error

    def _transact(self, engine: sa.Engine, begin: str, work: Callable[[Connection], T]) -> T:
        driver = self._idle.pop() if self._idle else engine.raw_connection()
        is_good = False
        try:
            own: Any = driver.dbapi_connection  # the pool's stand-in looks each of its methods up
            connection = Connection(own, engine.dialect, self._told)
            self._begin(connection, own, begin)
            made = work(connection)
            own.commit()
            is_good = True
        except BaseException as error:
            self._take_back(driver, error)
            raise
        finally:
            if is_good:  # past the pool, which would ask a server each time whether it is there: see _patiently()
                self._idle.append(driver)
            else:
                driver.close()  # back to the pool
        return made

    def _begin(self, connection: Connection, driver: Any, begin: str) -> None:
        if self._is_sqlite:
            connection.begin(begin, patience=0 if begin == _READ or self.is_memory else self._patience)
            return
        # PostgreSQL's driver begins by itself before the first statement. What only reads needs neither that nor
        # an end: each statement sees what is committed (READ COMMITTED) inside a transaction, too.
        alone = begin == _READ
        if driver.autocommit is not alone:
            driver.autocommit = alone

    def _take_back(self, driver: PoolProxiedConnection, error: BaseException) -> None:
        """Undo a transaction that *error* broke; a connection that is lost is given up with it."""
        try:
            driver.rollback()
            if not self._is_sqlite:  # whoever gets it from the pool next makes tables, in one transaction
                driver.dbapi_connection.autocommit = False  # type: ignore[union-attr]  # it is there: it just answered
        except self._driver.Error as second:
            error.add_note(f"the connection is given up: {second}")
            driver.invalidate()

    @contextmanager
    def _tables(self, begin: str) -> Iterator[sa.Connection]:
        """Give SQLAlchemy's own connection, for making tables and looking which there are."""
        engine = self._opened()
        try:
            with engine.execution_options(**{_BEGIN: begin}).begin() as connection:
                yield connection
        except (SQLAlchemyError, self._driver.Error) as error:
            raise state_error(error, self.url) from error

    def _opened(self) -> sa.Engine:
        engine = self._engine
        if engine is None:
            raise StateError(f"the database {masked(self.url)} is closed; open a new StateManager")
        if os.getpid() != self._process:
            self._leave_connections_to_parent(engine)
        return engine

    def _make_engine(self, *, echo: bool) -> sa.Engine:
        options: dict[str, Any] = {"hide_parameters": not echo, "pool_reset_on_return": None}
        if self._is_sqlite:
            self.is_memory = self.url.database in (None, "", ":memory:") or "mode=memory" in str(self.url)
            options["poolclass"] = StaticPool if self.is_memory else QueuePool
            options["connect_args"] = {"timeout": self._patience, "check_same_thread": False}
            if not self.is_memory:
                self.url = (address.of_existing if self._read_only else address.with_folder)(self.url)
        else:
            options["pool_pre_ping"] = True  # a server may have restarted since the last transaction
            given = f"-c lock_timeout={int(self._patience * 1000)}"
            if self._read_only:
                given += " -c default_transaction_read_only=on"
            options["connect_args"] = {"options": given}
        try:
            is_read_file = self._is_sqlite and self._read_only and not self.is_memory
            engine = sa.create_engine(address.for_reading(self.url) if is_read_file else self.url, **options)
        except (SQLAlchemyError, TypeError) as error:
            raise state_error(error, self.url) from error
        except ImportError as error:
            raise StateError(
                f"the database {masked(self.url)} needs the driver {error.name!r}; install it, "
                f"for PostgreSQL with: pip install 'obra[postgres]'"
            ) from error
        if echo:  # not SQLAlchemy's own echo, which prints to standard output, where results belong
            _statement_log.setLevel(logging.INFO)
            sa.event.listen(engine, "before_cursor_execute", _log_execution)
        if self._is_sqlite:
            sa.event.listen(engine, "connect", _on_connect)
            sa.event.listen(engine, "begin", _on_begin)
        return engine

    def _prepare(self) -> None:
        # An error is mostly that there is no such table; version_of() looks closely and raises what is real.
        with suppress(StateError):
            if self.read(schema.is_current):
                return
        with self._tables(_READ) as tables:
            version = schema.version_of(tables)
        if version:
            schema.refuse_unknown(version, self.url)
        if self._read_only:
            schema.refuse_to_change(version, self.url)
        elif version:
            from obra.state.migrating import PATIENCE, migrate

            migrate(self.url, patience=max(self._patience, PATIENCE))
        else:
            self._write_ahead()
            with self._tables(_WRITE) as tables:
                schema.create(tables)

    def _write_ahead(self) -> None:
        """Switch the file to WAL, once for all time; SQLite does not wait for others here, so we do."""
        if not self._is_sqlite or self.is_memory or self._engine is None:
            return
        end = time.monotonic() + self._patience
        while True:
            connection = self._engine.raw_connection()
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
                    self._inherited.extend((engine.pool, *self._idle))
                    self._idle.clear()
                    engine.dispose(close=False)


def _on_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin by itself; _on_begin does
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA cache_size=-{_CACHE}")


def _log_statement(statement: str, values: Any) -> None:
    _statement_log.info("%s %r", " ".join(statement.split()), values)


def _log_execution(_connection: sa.Connection, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
    _log_statement(statement, values)


def _on_begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()[_BEGIN])
