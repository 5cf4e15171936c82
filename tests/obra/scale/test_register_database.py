"""The database of the register: what cannot be used is told with its address and without its password."""

from __future__ import annotations

import sys

import pytest

from obra.errors import ScaleError
from obra.scale.address import QueueAddress
from obra.scale.register_database import RegisterDatabase


def test_a_file_that_is_no_database_is_told_at_once(tmp_path):
    """Nobody waits for a server to come back that there is none of."""
    file = tmp_path / "queue.db"
    file.write_text("this is no database " * 100)
    message = rf"^the queue sqlite:///{file} cannot be used: file is not a database; see that it is there and that"
    with pytest.raises(ScaleError, match=message):
        RegisterDatabase(QueueAddress(url=f"sqlite:///{file}", file=file), patience=1000)


def test_a_driver_that_is_missing_is_told_with_the_command(monkeypatch):
    """The password is not in it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ScaleError, match=r"needs the driver 'psycopg': pip install 'obra\[postgres\]'$") as told:
        RegisterDatabase(QueueAddress(url="postgresql+psycopg://anna:geheim@127.0.0.1:1/x", file=None))
    assert "geheim" not in str(told.value)
