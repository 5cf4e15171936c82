"""An old database becomes a new one, or the other way round: with a backup, in one transaction, by one process.

Alembic is imported here and in ``migrations/`` alone, and only when there is something to do.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from obra.errors import StateError
from obra.logbook import logger
from obra.state import schema
from obra.state.failures import masked, state_error
from obra.state.tables import SCHEMA_VERSION, first_schema, schema_version

PATIENCE = 300.0
"""Seconds to wait for another process that is migrating the same database."""


def migrate(url: sa.URL | str, version: str = SCHEMA_VERSION, *, patience: float = PATIENCE) -> Path | None:
    """Bring the tables of the database at *url* to *version*, upwards or downwards; all of it or nothing.

    Of two processes that try at once one migrates; the other one waits and finds nothing to do. An SQLite file is
    copied first, to a file beside it that is named after its version and the time; when a step fails, the copy
    goes again.

    Returns:
        The backup; ``None`` when nothing was to do, or where the server's own backups are the place (PostgreSQL).

    Raises:
        StateError: the database has, or *version* is, a version unknown to this Obra; a step failed (nothing is
            changed then); or another process held the database for longer than *patience* seconds.
    """
    url = sa.make_url(url)
    schema.refuse_unknown(version, url)
    engine = _engine(url, patience)
    try:
        with ExitStack() as undo, engine.begin() as connection:
            schema.lock(connection)
            found = schema.version_of(connection)
            if found == version:
                return None
            schema.refuse_unknown(found, url)
            backup = None
            if connection.dialect.name == "sqlite":
                backup = _backup(connection, found)
                undo.callback(backup.unlink)
            logger.info("%s: migrating from %s to %s, backup: %s", masked(url), found, version, backup)
            _run(connection, found, version)
            connection.commit()
            undo.pop_all()
            return backup
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise state_error(error, url) from error
    finally:
        engine.dispose()


def _run(connection: sa.Connection, found: str, version: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "obra.state:migrations")
    if connection.dialect.has_table(connection, first_schema.name):
        command.stamp(config, schema.FIRST_VERSION)
    (command.upgrade if found < version else command.downgrade)(config, version)
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise StateError(
                f"going from {found} to {version} would leave {len(broken)} row(s) without what they belong to, "
                f"the first in table {broken[0][0]!r}; nothing was changed. Repair or remove them, then try again"
            )
    if version == schema.FIRST_VERSION:  # that Obra looks at its own table alone
        schema_version.drop(connection)


def _engine(url: sa.URL, patience: float) -> sa.Engine:
    """Return an engine whose transactions hold the whole change, and which deletes nothing by a foreign key."""
    sqlite = url.get_backend_name() == "sqlite"
    engine = sa.create_engine(
        url,
        poolclass=sa.pool.NullPool,
        hide_parameters=True,
        connect_args={"timeout": patience} if sqlite else {},
    )
    if sqlite:
        sa.event.listen(engine, "connect", _take_over_transactions)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _take_over_transactions(connection: sqlite3.Connection, _entry: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=OFF")  # a table that is made anew must not take its children along
    connection.execute("PRAGMA synchronous=FULL")


def _backup(connection: sa.Connection, version: str) -> Path:
    """Copy the file as it was before this transaction, which has locked other writers out."""
    path = Path(connection.exec_driver_sql("PRAGMA database_list").all()[0][2])
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    made = path.with_name(f"{path.name}.{version}-{moment}.backup")
    partial = made.with_name(f"{made.name}.partial")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
    except sqlite3.Error:
        partial.unlink(missing_ok=True)
        raise
    return partial.replace(made)
