"""Connection: SQLAlchemy's statements on the database's own driver, on both databases."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
import weakref
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from obra.errors import StateError
from obra.state import connection as connections
from obra.state.tables import project_state

NOON = datetime(2025, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
PROJECT = {
    "project_name": "p",
    "description": "",
    "working_dir": "",
    "status": "active",
    "created_at": NOON,
    "updated_at": NOON,
}


@pytest.fixture
def database(manager):
    """Both databases, one after the other."""
    return manager._database


def test_values_travel_as_their_types_say(database):
    """A time goes in with its own offset and comes out in UTC; the row has its new id and its names."""

    def work(connection):
        key = connection.insert(sa.insert(project_state), PROJECT)
        return key, connection.first(sa.select(project_state))

    key, row = database.write(work)
    assert row == {**PROJECT, "id": key, "created_at": NOON.astimezone(UTC), "updated_at": NOON.astimezone(UTC)}
    assert row["created_at"].tzinfo is UTC


def test_many_rows_in_one_call_and_none(database):
    """As many rows are there as were given, and none when none were given."""

    def work(connection):
        connection.run_many(sa.insert(project_state), [])
        connection.run_many(sa.insert(project_state), [{**PROJECT, "project_name": name} for name in "abc"])
        return connection.rows(sa.select(project_state.c.project_name).order_by(project_state.c.id))

    assert database.write(work) == [{"project_name": name} for name in "abc"]


def test_a_statement_with_values_of_its_own_and_without_an_answer(database):
    """A condition and a limit that stand in the statement count; no row is None."""
    query = sa.select(project_state.c.id).where(project_state.c.project_name == "p").limit(1)
    assert database.read(lambda connection: connection.first(query)) is None
    database.write(lambda connection: connection.run_many(sa.insert(project_state), [PROJECT, PROJECT]))
    assert len(database.read(lambda connection: connection.rows(query))) == 1


def test_what_the_database_refuses_is_undone_and_an_error_of_state(database):
    """The row before the wrong one is not there afterwards, and the next transaction works."""

    def work(connection):
        connection.run(sa.insert(project_state), PROJECT)
        connection.run(sa.insert(project_state), {**PROJECT, "status": "nonsense"})

    with pytest.raises(StateError, match="the value is outside of what the table allows"):
        database.write(work)
    assert database.read(lambda connection: connection.rows(sa.select(project_state))) == []
    database.write(lambda connection: connection.run(sa.insert(project_state), PROJECT))


def test_a_statement_made_for_one_call_is_forgotten(database):
    """Only statements that somebody holds are kept prepared."""
    statement = sa.select(project_state.c.id).limit(3)
    known = weakref.ref(statement)
    database.read(connections.Connection.rows, statement)
    assert statement in connections._known
    del statement
    gc.collect()
    assert known() is None


def test_a_writer_waits_in_short_looks_and_leaves_the_timeout_as_it_was(file, manager):
    """It begins soon after another one ended, and what SQLite itself waits for other things is as before."""
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    begun, ended = threading.Event(), []

    def end():
        begun.wait(10)
        ended.append(time.monotonic())
        other.execute("COMMIT")

    ender = threading.Thread(target=end)
    ender.start()
    driver = sqlite3.connect(file, isolation_level=None, timeout=7)
    connection = connections.Connection(driver, manager._database._opened().dialect, lambda *_: begun.set())
    connection.begin("BEGIN IMMEDIATE", patience=7)
    assert ended
    assert driver.in_transaction
    assert driver.execute("PRAGMA busy_timeout").fetchone() == (7000,)
    ender.join()
    other.close()
    driver.close()


def test_a_writer_gives_up_when_its_patience_is_over(file, manager):
    """The error is SQLite's own, and not before the time is over."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(sqlite3.connect(file, isolation_level=None)) as driver:
            connection = connections.Connection(driver, manager._database._opened().dialect, None)
            began = time.monotonic()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                connection.begin("BEGIN IMMEDIATE", patience=0.2)
            assert time.monotonic() - began >= 0.2
