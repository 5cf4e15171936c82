from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from obra.errors import StateError
from obra.state.state_manager import StateManager


def test_an_sqlite_file_runs_in_the_documented_mode(manager, file):
    """WAL in the file; foreign keys, NORMAL flushes and the busy timeout on each connection."""
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def asked(connection):
        ask = connection._driver.execute
        names = ("foreign_keys", "synchronous", "busy_timeout")
        return {name: ask(f"PRAGMA {name}").fetchone()[0] for name in names}

    answers = manager._database.read(asked)
    assert answers == {"foreign_keys": 1, "synchronous": 1, "busy_timeout": 60_000}


def test_the_folder_of_the_file_is_made_and_kept_out_of_git(tmp_path, monkeypatch):
    """The default place ignores itself; other folders are left without extra files."""
    monkeypatch.chdir(tmp_path)
    with StateManager() as manager:
        project = manager.create_project("p")
        monkeypatch.chdir("/")  # the path was made absolute when it was opened
        assert manager.get_project(project.id) == project
    assert (tmp_path / ".obra" / "obra.db").is_file()
    assert (tmp_path / ".obra" / ".gitignore").read_text() == "*\n"
    StateManager(f"sqlite:///{tmp_path}/deep/er/x.db").close()
    assert sorted(path.name for path in (tmp_path / "deep" / "er").iterdir()) == ["x.db"]


def test_a_gitignore_of_the_user_is_kept(tmp_path):
    """Nothing in .obra is written over."""
    (tmp_path / ".obra").mkdir()
    (tmp_path / ".obra" / ".gitignore").write_text("mine\n")
    StateManager(f"sqlite:///{tmp_path}/.obra/x.db").close()
    assert (tmp_path / ".obra" / ".gitignore").read_text() == "mine\n"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_one_for_all_threads(url):
    """What one thread writes, another one reads, and many may write at once."""
    with StateManager(url) as manager:
        project = manager.create_project("p")

        def work():
            for _ in range(20):
                manager.create_task(project.id, {"title": "x"})

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(manager.list_tasks(limit=None)) == 80
    with StateManager(url) as other:
        assert other.projects() == ()


def test_threads_write_to_one_file_at_once(file, manager):
    """Four threads of one manager wait for each other, none fails."""
    project = manager.create_project("p")
    errors = []

    def work():
        try:
            for _ in range(20):
                manager.create_task(project.id, {"title": "x"})
        except StateError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(manager.list_tasks(limit=None)) == 80


def test_a_locked_database_is_an_error_after_the_busy_timeout_and_works_again_later(file):
    """Writing waits as long as asked and then no more; reading goes on all the while."""
    with (
        StateManager(f"sqlite:///{file}", busy_timeout=0.3) as manager,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        begin = time.monotonic()
        with pytest.raises(StateError, match=r"database is locked; another process holds the database"):
            manager.create_project("p")
        assert time.monotonic() - begin > 0.25
        assert manager.projects() == ()
        other.execute("ROLLBACK")
        assert manager.create_project("p").name == "p"


def test_a_writer_waits_for_another_one(manager, file):
    """When the other one ends in time, nothing fails."""
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.1, lambda: other.execute("COMMIT"))
    timer.start()
    assert manager.create_project("p").id == 1
    timer.join()
    other.close()


def test_opening_a_new_file_waits_for_its_writer_and_no_longer_than_asked(tmp_path):
    """SQLite does not wait by itself when a file is switched to WAL; we do."""
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE mine (x)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO mine VALUES (1)")
    with pytest.raises(StateError, match="database is locked"):
        StateManager(f"sqlite:///{path}", busy_timeout=0.1)
    timer = threading.Timer(0.1, lambda: other.execute("COMMIT"))
    timer.start()
    with StateManager(f"sqlite:///{path}") as manager:
        assert manager.projects() == ()
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    timer.join()
    other.close()


def test_a_read_only_file_is_read_and_writing_is_explained(manager, file):
    """Reading works; writing says what to do; reading still works afterwards."""
    project = manager.create_project("p")
    with StateManager(f"sqlite:///file:{file}?mode=ro&uri=true") as reader:
        with pytest.raises(StateError, match="readonly database; make the file and its folder writable"):
            reader.create_project("q")
        assert reader.projects() == (project,)


def test_a_missing_file_that_may_not_be_made_is_explained(tmp_path):
    """Read-only and not there: said in one sentence."""
    with pytest.raises(StateError, match="unable to open database file"):
        StateManager(f"sqlite:///file:{tmp_path}/none.db?mode=ro&uri=true")


def test_an_empty_read_only_file_is_explained(tmp_path):
    """Tables cannot be made in it."""
    (tmp_path / "empty.db").touch()
    with pytest.raises(StateError, match="readonly"):
        StateManager(f"sqlite:///file:{tmp_path}/empty.db?mode=ro&uri=true")


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path):
    """Somebody's notes are not written over."""
    notes = tmp_path / "notes.txt"
    notes.write_text("not a database, but long enough to be looked at " * 20)
    before = notes.read_bytes()
    with pytest.raises(StateError, match="file is not a database; the file is something else"):
        StateManager(f"sqlite:///{notes}")
    assert notes.read_bytes() == before


def test_somebody_elses_tables_are_left_as_they_are(tmp_path):
    """A database with a table called task that is not ours is refused, without a table of ours in it."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE task (x)")
    with pytest.raises(StateError, match="already exists; the database holds tables that are not Obra's"):
        StateManager(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("task",)]


@pytest.mark.parametrize("version", [2, 99, 0])
def test_an_unknown_version_in_the_first_table_of_versions_is_refused(tmp_path, version):
    """Before Alembic there was a number in a table; only 1 was ever written there."""
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw, raw:
        raw.execute("CREATE TABLE obra_schema (version INTEGER NOT NULL)")
        raw.execute("INSERT INTO obra_schema VALUES (?)", (version * 1000,))
    with pytest.raises(StateError, match=f"schema version {version * 1000:04}, this Obra .* knows 0001 to"):
        StateManager(f"sqlite:///{tmp_path}/old.db")


def test_a_failed_transaction_leaves_the_manager_usable(manager):
    """An exception inside one transaction undoes that one only."""
    kept = manager.create_project("kept")

    def fail(connection):
        connection.run(sa.text("DELETE FROM project_state"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        manager._database.write(fail)
    assert manager.projects() == (kept,)
    assert manager.create_project("next").id == kept.id + 1


def test_a_closed_manager_says_so(manager):
    """Closing twice is fine; using it afterwards is an error of state, not of a library."""
    manager.close()
    manager.close()
    for use in (manager.projects, lambda: manager.create_project("p")):
        with pytest.raises(StateError, match="is closed; open a new StateManager"):
            use()


def test_a_manager_shows_where_it_is(manager, file):
    """Its representation names the database."""
    assert repr(manager) == f"StateManager('sqlite:///{file}')"


@pytest.mark.parametrize("memory", [False, True])
def test_a_forked_child_gets_connections_of_its_own(file, memory):
    """Parent and child go on working with one manager after a fork, and both can close it."""
    with StateManager("sqlite://" if memory else f"sqlite:///{file}") as manager:
        manager.create_project("before")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                manager.create_project("child")
                manager.create_project("child")
                code = 0 if len(manager.projects()) == 3 else 2
                manager.close()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        manager.create_project("parent")
        names = [project.name for project in manager.projects()]
    assert names == (["before", "parent"] if memory else ["before", "child", "child", "parent"])


def test_processes_that_open_a_new_file_at_once_all_succeed(tmp_path):
    """Making the tables is a race that nobody loses."""
    program = (
        "import sys; from obra.state.state_manager import StateManager; print(flush=True); input()\n"
        "with StateManager(sys.argv[1]) as m: m.create_project('p')"
    )
    for number in range(3):
        path = tmp_path / f"{number}.db"
        children = [
            subprocess.Popen(
                [sys.executable, "-c", program, f"sqlite:///{path}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for child in children:
            child.stdout.readline()
        for child in children:
            child.stdin.write("\n")
            child.stdin.flush()
        for child in children:
            child.communicate()
        assert [child.returncode for child in children] == [0, 0, 0]
        with StateManager(f"sqlite:///{path}") as manager:
            assert len(manager.projects()) == 3


def test_echo_logs_statements(tmp_path, caplog, capsys):
    """The setting has an effect, never on standard output where results belong; without it nothing is logged."""
    StateManager(f"sqlite:///{tmp_path}/a.db").close()
    assert caplog.text == ""
    StateManager(f"sqlite:///{tmp_path}/a.db", echo=True).close()
    assert "BEGIN" in caplog.text
    assert capsys.readouterr().out == ""
