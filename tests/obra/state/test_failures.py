from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from obra.errors import StateError
from obra.state.failures import masked, state_error
from obra.state.state_manager import StateManager


def test_passwords_are_masked_wherever_they_stand():
    """Neither the user part, nor the query, nor the driver's own words show a password."""
    url = sa.make_url("postgresql://bob:s3cret@db/obra?sslpassword=s3cret&application_name=ci")
    error = OperationalError("SELECT 'prompt'", {"a": "prompt"}, sqlite3.OperationalError("login s3cret failed"))
    for text in (masked(url), str(state_error(error, url))):
        assert "s3cret" not in text
        assert "***" in text
        assert "bob" in text
        assert "application_name=ci" in text
    assert "prompt" not in str(state_error(error, url))


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("database is locked", "another process holds the database"),
        ("attempt to write a readonly database", "writable"),
        ("database or disk is full", "free some space"),
        ("disk I/O error", "check the disk"),
        ("unable to open database file", "folder exists"),
        ("file is not a database", "something else"),
        ("database disk image is malformed", "restore a backup"),
        ("table task already exists", "not Obra's"),
        ("FOREIGN KEY constraint failed", "create that first"),
        ("something new", "check database.url"),
    ],
)
def test_each_kind_of_failure_gets_its_advice(words, advice):
    """The message says what happened, where, and what to do next."""
    error = OperationalError("SELECT 1", {}, sqlite3.OperationalError(words))
    text = str(state_error(error, sa.make_url("sqlite:////w/obra.db")))
    assert text.startswith(f"the database sqlite:////w/obra.db failed: {words}; ")
    assert advice in text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database URL; write for example sqlite:"),
        ("postgresql://bob:s3cret@db:notaport/x", "not a database URL"),
        ("nosuch://bob:s3cret@db/x", "nosuch"),
        ("oracle+cx_oracle://bob:s3cret@db/x", "needs the driver 'cx_Oracle'"),
        ("sqlite:////proc/nowhere/obra.db", "/proc/nowhere of the database cannot be made"),
        ("sqlite:////proc/obra.db", "unable to open database file; check that its folder"),
    ],
)
def test_a_url_that_cannot_be_opened_is_explained(url, message):
    """No traceback of a library, no password, and nothing left open."""
    with pytest.raises(StateError, match=message) as caught:
        StateManager(url)
    assert "s3cret" not in str(caught.value)
