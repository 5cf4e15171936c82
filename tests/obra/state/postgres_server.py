"""A real PostgreSQL server in a folder of its own, reached by a socket in that folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_SECONDS = 90


def programs() -> Path | None:
    """Return the folder with the newest server's programs; Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """Started at construction; ``kill`` and ``start`` stand for a machine that goes away and comes back."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._data, self._sockets, self._binaries = folder / "data", folder, binaries
        self._user = _unprivileged() if os.geteuid() == 0 else None  # the server refuses to run as root
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", "-D", self._data, "-U", "obra", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )
        self.start()

    @classmethod
    @contextmanager
    def or_skip(cls) -> Iterator[PostgresServer]:
        """Give a running server and end it; skip where it or its driver is missing."""
        pytest.importorskip("psycopg", reason="no psycopg: pip install 'obra[postgres]'")
        binaries = programs()
        if binaries is None:
            pytest.skip("no PostgreSQL server: apt-get install postgresql")
        folder = Path(tempfile.mkdtemp(prefix="obra-postgres-"))
        try:
            server = cls(folder, binaries)
            try:
                yield server
            finally:
                server.kill()
        finally:
            shutil.rmtree(folder)

    def url(self, name: str) -> str:
        """Return the address of a database."""
        return f"postgresql+psycopg://obra@/{name}?host={self._sockets}"

    def new_database(self) -> str:
        """Make the one database empty and return its address: what stood in it before is gone."""
        self._execute(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; "
            "DROP SCHEMA IF EXISTS dbos CASCADE; DROP SCHEMA IF EXISTS obra_queue CASCADE"
        )
        return self.url("postgres")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = subprocess.Popen(
            [
                self._binaries / "postgres", "-D", self._data, "-k", self._sockets,
                "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as_user(),
        )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while self._run("pg_isready", "-q", "-h", self._sockets, "-U", "obra", check=False):
            assert time.monotonic() < end
            time.sleep(0.05)

    def kill(self) -> None:
        """End the server at once, as when its machine loses power; its children end with it."""
        self._process.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate shutdown: nothing is written any more
        self._process.wait(START_SECONDS)

    def cut_connections(self) -> None:
        """Cut every connection, as a network does."""
        self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )

    def _execute(self, statement: str) -> None:
        import psycopg

        place = {"host": str(self._sockets), "user": "obra", "dbname": "postgres"}
        with psycopg.connect(**place, autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *words: object, check: bool = True) -> int:
        done = subprocess.run(
            [self._binaries / program, *map(str, words)], cwd="/", capture_output=True, text=True, check=False,
            **self._as_user(),
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done.returncode

    def _as_user(self) -> dict:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
