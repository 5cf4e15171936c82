"""One engine for the register: opening it, its clock, and transactions that survive a server's restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from obra.errors import ScaleError
from obra.redaction import without_secrets
from obra.scale.address import QueueAddress
from obra.scale.register_tables import SCHEMA, metadata, waiting

T = TypeVar("T")

_PAUSE = 0.1
_BUSY_SECONDS = 30
"""How long a writer waits for another one in SQLite."""
_FROZEN = "-c idle_in_transaction_session_timeout=5000"
"""Milliseconds after which PostgreSQL takes the locks of one who was frozen in the middle of a transaction."""
_LOCK = 0x0B8A
"""Number of PostgreSQL's advisory lock under which the tables are made: two at once would both try."""


class RegisterDatabase:
    """The database of the register, open.

    Args:
        address: the database.
        patience: seconds that a transaction is tried again for while the server is away.
    """

    def __init__(self, address: QueueAddress, *, patience: float = 10.0) -> None:
        self._is_file = address.file is not None
        self._shown = without_secrets(sa.make_url(address.url).render_as_string(hide_password=True))
        self._patience = patience
        options: dict[str, Any] = {"pool_size": 1, "max_overflow": 2}  # transact() finds out who is away
        if self._is_file:
            options["connect_args"] = {"timeout": _BUSY_SECONDS}
        else:
            options["connect_args"] = {"options": _FROZEN}
        try:
            engine = sa.create_engine(address.url, **options)
        except ImportError as error:
            raise ScaleError(
                f"the queue {self._shown} needs the driver {error.name!r}: pip install 'obra[postgres]'"
            ) from error
        if self._is_file:
            sa.event.listen(engine, "connect", _on_connect)
        self._engine = engine.execution_options(schema_translate_map={None: None if self._is_file else SCHEMA})
        self.transact(self._make_tables)

    @property
    def now(self) -> sa.ColumnElement[float]:
        """The database's own clock in seconds since 1970: the clocks of machines differ."""
        if self._is_file:
            # 2440587.5 is the Julian day on which 1970 began; an SQLite of Debian 12 has no unixepoch('subsec').
            return sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Float)
        return sa.literal_column("extract(epoch from clock_timestamp())::float8", sa.Float)

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what *work* does in one transaction; when the server is away, it is tried again for a while.

        What is done twice because the answer to a commit was lost must do no harm: every statement of the register
        names what it expects to find.

        Raises:
            ScaleError: the database cannot be used.
        """
        end = time.monotonic() + self._patience
        while True:
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except SQLAlchemyError as error:
                is_away = isinstance(error, OperationalError) or getattr(error, "connection_invalidated", False)
                if not is_away or time.monotonic() > end:
                    raise self._failed(error) from error
                time.sleep(_PAUSE)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _make_tables(self, connection: sa.Connection) -> None:
        if not self._is_file:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
        metadata.create_all(connection)
        connection.execute(sa.schema.CreateIndex(waiting, if_not_exists=True))  # the table may be an older one

    def _failed(self, error: Exception) -> ScaleError:
        said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        return ScaleError(
            f"the queue {self._shown} cannot be used: {said}; see that it is there and that you may write"
        )


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = "IMMEDIATE"  # two writers wait for each other instead of failing
    connection.execute("PRAGMA journal_mode=WAL")
