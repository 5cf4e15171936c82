from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from obra.domain import TaskStatus
from obra.errors import StateError
from obra.state.migrating import migrate
from obra.state.state_manager import StateManager
from obra.state.tables import SCHEMA_VERSION

VERSIONS = [f"{number:04}" for number in range(1, int(SCHEMA_VERSION) + 1)]


@pytest.fixture
def url(tmp_path):
    """Return the address of a new database with one task, two attempts at it, and a project without tasks."""
    return f"sqlite:///{tmp_path}/obra.db"


@pytest.fixture
def filled(url, make_attempt):
    """Return what the database holds, as its manager reads it."""
    with StateManager(url) as manager:
        task = manager.create_task(manager.create_project("p").id, {"title": "t", "checks": [{"file": "a"}]})
        manager.start_task(task.id, base_snapshot="b")
        manager.record_attempt(make_attempt(task.id, 1))
        manager.record_attempt(make_attempt(task.id, 2), status=TaskStatus.ESCALATED)
        manager.create_project("q")
    return contents(url)


def contents(url):
    """Read everything that every version of the tables has a place for."""
    with StateManager(url) as manager:
        tasks = [{**dict(task), "fence": 0} for task in manager.list_tasks(limit=None)]
        attempts = [manager.attempts(task["id"]) for task in tasks]
        return manager.projects(), tasks, attempts, manager.events(1)


def shape(url):
    """Return all that a database says of its tables, without the order of columns and constraints."""
    engine = sa.create_engine(url)
    found = sa.inspect(engine)
    looks = (found.get_columns, found.get_foreign_keys, found.get_unique_constraints, found.get_check_constraints)
    tables = {
        (table, look.__name__): sorted(str(sorted(_plain(one).items(), key=str)) for one in look(table))
        for table in found.get_table_names()
        for look in (*looks, found.get_indexes)
    }
    keys = {table: found.get_pk_constraint(table) for table in found.get_table_names()}
    engine.dispose()
    return tables, keys


def _plain(found):
    """Return what is known of a part of a table with SQL as text, which SQLAlchemy compares by identity."""
    if isinstance(found, dict):
        return {name: _plain(value) for name, value in found.items()}
    return str(found) if isinstance(found, sa.TextClause) else found


def backups(tmp_path):
    """Return the copies that were made, the oldest first."""
    return sorted(tmp_path.glob("*.backup"), key=lambda path: path.name.rsplit("-", 1)[1])


def test_the_numbers_are_one_line_of_steps_up_to_the_one_the_tables_name():
    """Every step follows the one before it, and the last has the number of the tables."""
    config = Config()
    config.set_main_option("script_location", "obra.state:migrations")
    steps = list(ScriptDirectory.from_config(config).walk_revisions())
    assert [step.revision for step in reversed(steps)] == VERSIONS
    assert [step.down_revision for step in reversed(steps)] == [None, *VERSIONS[:-1]]


def test_a_new_database_is_made_without_migrating(url):
    """No step runs, no backup is made, and Alembic is not even imported; the same when it is opened again."""
    program = (
        "import sys; from obra.state.state_manager import StateManager\n"
        "for _ in range(2): StateManager(sys.argv[1]).close()\n"
        "print([name for name in sys.modules if name.startswith(('alembic', 'mako'))])"
    )
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_current_database_is_opened_with_one_query(url, caplog):
    """BEGIN, the version, COMMIT: nothing else is asked."""
    StateManager(url).close()
    caplog.clear()
    StateManager(url, echo=True).close()
    assert [message.split()[0] for message in caplog.messages] == ["BEGIN", "SELECT"]


@pytest.mark.parametrize("version", VERSIONS)
def test_down_and_up_again_keeps_what_both_versions_know(url, filled, tmp_path, version):
    """From each version upwards on opening: the tables are the new ones, and nothing is lost on the way."""
    migrate(url, version)
    assert contents(url) == filled
    steps = [] if version == SCHEMA_VERSION else [SCHEMA_VERSION, version]
    assert [path.name.split("-")[0] for path in backups(tmp_path)] == [f"obra.db.{step}" for step in steps]
    StateManager(f"sqlite:///{tmp_path}/new.db").close()
    assert shape(url) == shape(f"sqlite:///{tmp_path}/new.db")


def test_the_backup_is_the_database_as_it_was(url, filled, tmp_path):
    """A copy taken before a change opens by itself and holds what was there, also what stood in the WAL alone."""
    with StateManager(url) as manager:  # its connection keeps the WAL from being folded in
        manager.create_project("late")
        migrate(url, "0001")
    copy = tmp_path / "copy.db"
    backups(tmp_path)[0].rename(copy)
    assert [project.name for project in contents(f"sqlite:///{copy}")[0]] == ["p", "q", "late"]


def test_the_first_obra_can_open_what_was_downgraded_to_its_version(url, filled):
    """It looks at one number in its own table, and wants its own columns."""
    migrate(url, "0001")
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
        assert raw.execute("SELECT max(version) FROM obra_schema").fetchone() == (1,)
        tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert "fence" not in [row[1] for row in raw.execute("PRAGMA table_info(task)")]
    assert not tables & {"attempt_step", "alembic_version"}


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (
            "9999",
            f"schema version 9999, this Obra .* knows 0001 to {SCHEMA_VERSION}: a newer Obra has written it",
        ),
        ("nonsense", "has schema version nonsense, .*: no Obra has written that; restore a backup"),
    ],
)
def test_an_unknown_version_is_refused_and_left_as_it_is(url, filled, tmp_path, version, words):
    """A database of a newer Obra is not touched; the message says both versions and what to do."""
    with closing(sqlite3.connect(tmp_path / "obra.db")) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (version,))
    for use in (StateManager, migrate):
        with pytest.raises(StateError, match=words):
            use(url)
    with pytest.raises(StateError, match=words):
        migrate(url, version)
    assert backups(tmp_path) == []


def test_a_step_that_would_break_links_changes_nothing(url, filled, tmp_path):
    """All or nothing: after a refused change the old database is as it was, and no copy of it is left over."""
    migrate(url, "0001")
    with closing(sqlite3.connect(tmp_path / "obra.db")) as raw, raw:
        raw.execute("INSERT INTO event (task_id, at) VALUES (99, '2025-01-01')")
    for _ in range(2):
        with pytest.raises(StateError, match="would leave 1 row.* in table 'event'; nothing was changed"):
            StateManager(url)
    with closing(sqlite3.connect(tmp_path / "obra.db")) as raw, raw:
        assert raw.execute("SELECT max(version) FROM obra_schema").fetchone() == (1,)
        assert not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempt_step'").fetchall()
        assert len(backups(tmp_path)) == 1  # that of the downgrade
        raw.execute("DELETE FROM event WHERE task_id = 99")
    assert contents(url) == filled


def test_an_old_database_that_cannot_be_written_is_explained(url, filled, tmp_path):
    """Read-only and old: it cannot be used, and is not half changed."""
    migrate(url, "0001")
    with pytest.raises(StateError, match="readonly database; make the file and its folder writable"):
        StateManager(f"sqlite:///file:{tmp_path}/obra.db?mode=ro&uri=true")
    assert len(backups(tmp_path)) == 1  # that of the downgrade


def test_processes_that_open_an_old_database_at_once_all_succeed(url, filled, tmp_path):
    """One migrates, the others wait for it: there is one backup more, and everybody can work."""
    migrate(url, "0001")
    program = (
        "import sys; from obra.state.state_manager import StateManager; print(flush=True); input()\n"
        "with StateManager(sys.argv[1]) as m: m.create_project('by a child')"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
    assert len(contents(url)[0]) == 5
    assert len(backups(tmp_path)) == 2


def test_who_waits_for_a_migration_waits_longer_than_for_a_writer_and_not_for_ever(url, filled, tmp_path):
    """The busy timeout does not count here; the patience of migrating does, and its end is explained."""
    migrate(url, "0001")
    other = sqlite3.connect(tmp_path / "obra.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match="database is locked; another process holds the database"):
        migrate(url, patience=0.1)
    timer = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    timer.start()
    StateManager(url, busy_timeout=0.05).close()
    timer.join()
    other.close()
    assert contents(url) == filled
