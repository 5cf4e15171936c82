"""A field on SQLite or PostgreSQL for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from field import Field, field_of
from postgres_server import PostgresServer
from sqlite_queue import need_sqlite_queue

pytest.importorskip("dbos", reason="the extra 'scale' is not installed: pip install 'obra[scale]'")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of our own; skipped, with the reason, where there is none."""
    with PostgresServer.or_skip() as server:
        yield server


@pytest.fixture
def field(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Field]:
    """A field on SQLite, or on what the test's parameter says."""
    kind = getattr(request, "param", "sqlite")
    if kind == "sqlite":
        need_sqlite_queue()
        database = f"sqlite:///{tmp_path}/queue/obra.db"
    else:
        database = request.getfixturevalue("postgres").new_database()
    with field_of(tmp_path, database) as made:
        yield made
