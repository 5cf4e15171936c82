"""The tables' version: which one a database has, how a new database is made, and how a foreign one is refused."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from obra.errors import StateError
from obra.state.connection import Connection
from obra.state.failures import masked, state_error
from obra.state.tables import SCHEMA_VERSION, first_schema, metadata, schema_version, tell_postgresql

FIRST_VERSION = "0001"
_VERSION = sa.select(schema_version.c.version_num)
_FIRST = sa.select(sa.func.max(first_schema.c.version))
_LOCK = sa.text("SELECT pg_advisory_xact_lock(:key)")
_LOCK_KEY = 0x6F627261
"""Our own number among PostgreSQL's advisory locks: ``obra`` in ASCII."""


def is_current(connection: Connection) -> bool:
    """Tell by one query whether a database has the tables that this Obra knows."""
    return connection.first(_VERSION) == {schema_version.c.version_num.name: SCHEMA_VERSION}


def version_of(connection: sa.Connection) -> str:
    """Return the version of the tables, such as ``0002``; empty when there are none of ours."""
    has = connection.dialect.has_table
    if has(connection, schema_version.name):
        return str(connection.execute(_VERSION).scalar() or "")
    if has(connection, first_schema.name):
        return f"{connection.execute(_FIRST).scalar() or 0:04}"
    return ""


def found_version(url: str) -> str:
    """Return the version that the tables at *url* have; empty when there are none. Nothing is changed.

    Raises:
        StateError: the database cannot be reached or read, or its version is unknown to this Obra.
    """
    address = sa.make_url(url)
    engine = sa.create_engine(address, poolclass=sa.pool.NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            version = version_of(connection)
    except sa.exc.SQLAlchemyError as error:
        raise state_error(error, address) from error
    finally:
        engine.dispose()
    if version:
        refuse_unknown(version, address)
    return version


def lock(connection: sa.Connection) -> None:
    """Keep other processes from making or changing the tables until the transaction ends."""
    if connection.dialect.name == "postgresql":  # in SQLite, BEGIN IMMEDIATE has done it
        connection.execute(_LOCK, {"key": _LOCK_KEY})


def create(connection: sa.Connection) -> None:
    """Make all tables at once, unless another process was faster."""
    lock(connection)
    if version_of(connection):
        return
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    connection.execute(sa.insert(schema_version), {"version_num": SCHEMA_VERSION})


def refuse_unknown(version: str, url: sa.URL) -> None:
    """Refuse a version that this Obra cannot have come from.

    Raises:
        StateError: a newer Obra wrote it, or it is no version of ours.
    """
    from obra import __version__

    if version.isdecimal() and FIRST_VERSION <= version <= SCHEMA_VERSION:
        return
    newer = version.isdecimal() and version > SCHEMA_VERSION
    who = "a newer Obra has written it" if newer else "no Obra has written that"
    advice = (
        "upgrade this one (pip install --upgrade obra), or let the newer one go back with "
        f"'obra database downgrade {SCHEMA_VERSION}', or name another database.url"
        if newer
        else "restore a backup, or name another database.url"
    )
    raise StateError(
        f"the database {masked(url)} has schema version {version}, this Obra ({__version__}) knows "
        f"{FIRST_VERSION} to {SCHEMA_VERSION}: {who}; {advice}"
    )


def refuse_to_change(version: str, url: sa.URL) -> None:
    """Say why a database that must not be changed cannot be read as it is.

    Raises:
        StateError: always.
    """
    if not version:
        raise StateError(f"the database {masked(url)} has no tables of Obra's; nothing has been stored there yet")
    raise StateError(
        f"the database {masked(url)} has schema version {version}, this Obra reads {SCHEMA_VERSION}, and looking "
        f"must not change it; a command that writes, such as 'obra run', brings it up to date (it makes a copy)"
    )


@cache
def _statements(dialect: str) -> tuple[str, ...]:
    """Return the statements that create all tables; compiling them is the slow part, so it is done once."""
    if dialect == "postgresql":
        tell_postgresql()
    speaks = sa.create_mock_engine(f"{dialect}://", lambda *_: None).dialect
    found: list[str] = []
    for table in (*metadata.sorted_tables, schema_version):
        found.append(str(CreateTable(table).compile(dialect=speaks)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        found.extend(str(CreateIndex(index).compile(dialect=speaks)) for index in indexes)
    return tuple(found)
