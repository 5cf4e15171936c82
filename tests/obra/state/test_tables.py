from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from obra.state.tables import metadata


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT * FROM task ORDER BY updated_at DESC, id DESC LIMIT 50", "ix_task_updated_at"),
        (
            "SELECT * FROM task WHERE project_id = 1 ORDER BY updated_at DESC, id DESC LIMIT 50",
            "ix_task_project_id_updated_at",
        ),
        ("SELECT * FROM breakpoint WHERE status = 'open' ORDER BY id DESC", "ix_breakpoint_status_id"),
        ("SELECT * FROM event WHERE task_id = 1 ORDER BY id", "ix_event_task_id_id"),
    ],
)
def test_common_questions_are_answered_by_an_index_without_sorting(manager, file, statement, index):
    """The newest tasks and the open breakpoints are found without reading the whole table."""
    with closing(sqlite3.connect(file)) as raw:
        plan = " ".join(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}"))
    assert index in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE task SET status = 'done'",
        "UPDATE task SET quality_score = 101",
        "UPDATE task SET confidence = -1",
        "UPDATE project_state SET status = 'x'",
        "UPDATE task SET project_id = 99",
        "INSERT INTO event (task_id, at) VALUES (99, '2025-01-01')",
    ],
)
def test_the_tables_guard_themselves(manager, file, task, statement):
    """No other program can store an impossible score, status or link."""
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA foreign_keys=ON")
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(statement)


def test_the_tables_can_be_made_on_postgresql():
    """Every statement compiles for the database that is to come later."""
    speaks = postgresql.dialect()
    text = "".join(str(CreateTable(table).compile(dialect=speaks)) for table in metadata.sorted_tables)
    indexes = [
        str(CreateIndex(index).compile(dialect=speaks))
        for table in metadata.tables.values()
        for index in table.indexes
    ]
    assert "TIMESTAMP WITH TIME ZONE" in text
    assert len(indexes) == 12


def test_postgresql_is_loaded_for_its_own_statements_only():
    """Another database's process goes without it; PostgreSQL's indexes have the same rows as SQLite's."""
    code = (
        "import sys; from obra.state.schema import _statements as made\n"
        "known = [one for one in made('sqlite') if ' WHERE ' in one]\n"
        "loaded = 'sqlalchemy.dialects.postgresql' in sys.modules\n"
        "print(loaded, len(known), known == [one for one in made('postgresql') if ' WHERE ' in one])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "5", "True"]
