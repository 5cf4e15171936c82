"""What a claim reads of the queue: by index, bounded, and fair beyond that bound."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from obra.state import candidates
from obra.state.candidates import FIRST, PROJECTS

LONG = 1500
STATEMENTS = {
    "first": (candidates._IN_ORDER, "ix_task_place_id"),
    "first of a project": (candidates._IN_ORDER_OF_PROJECT, "ix_task_project_id_place_id"),
    "first of projects": (candidates._FIRST_OF_PROJECTS, "ix_task_project_id_place_id"),
    "served last": (candidates._SERVED_LAST, "ix_task_claimed_at"),
    "leases": (candidates._LEASED, "ix_task_lease_until"),
}


def asked(manager, *statements):
    """Do statements with the database's own driver, and return what the last one answers, as one text."""

    def ask(connection):
        cursor = connection._driver.cursor()
        for statement in statements:
            cursor.execute(statement)
        found = cursor.fetchall() if cursor.description else []
        cursor.close()
        return " ".join(str(value) for row in found for value in row)

    return manager._database.write(ask)


@pytest.fixture
def long_queue(manager):
    """Let many tasks wait: most in one project, one each in as many others as no claim looks at in one go."""
    projects = [manager.create_project("p").id for _ in range(PROJECTS + 20)]
    data = '{"after": [], "acceptance": [], "checks": [], "limits": {}, "working_dir": ""}'
    columns = "project_id, title, data, created_at, updated_at, queued_at, place"
    moments = ", ".join(["'2025-01-01 00:00:00.000000'"] * 3)
    rows = [f"({project}, 't', '{data}', {moments}, 7)" for project in [projects[0]] * LONG + projects[1:]]
    asked(manager, f"INSERT INTO task ({columns}) VALUES {', '.join(rows)}", "ANALYZE")
    return projects


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_look_into_the_queue_is_by_index(manager, long_queue, database_url, name):
    """Without sorting the queue or reading all of it, with statistics as they are on a large one."""
    query, index = STATEMENTS[name]
    values = {"now": datetime(2026, 1, 1, tzinfo=UTC), "project": long_queue[0], "behind": 0}
    known = {key: value for key, value in values.items() if key in query.compile().params}
    on_server = database_url.startswith("postgresql")
    dialect = postgresql.dialect() if on_server else sqlite.dialect()
    text = query.params(**known).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    if on_server:  # so short a queue is read faster as a whole; it may find another of the indexes shorter
        plan = asked(manager, "SET LOCAL enable_seqscan = off", f"EXPLAIN {text}")
        assert " using ix_task_" in plan
        assert "Seq Scan on task" not in plan
    else:
        plan = asked(manager, f"EXPLAIN QUERY PLAN {text}")
        assert index in plan
        assert "TEMP B-TREE" not in plan


def test_a_claim_reads_a_bounded_part_of_the_queue(manager, long_queue):
    """However long it is."""
    found = manager._database.read(candidates.able, datetime.now(UTC), None, also_leased=True)
    assert FIRST <= len(found.tasks) <= FIRST + 2 * PROJECTS


def test_every_project_has_its_turn_in_a_long_queue(manager, long_queue):
    """Also those that stand behind the bound: each is served once before the long one is served twice."""
    got = [manager.claim_task(lease=60).task.project_id for _ in long_queue]
    assert sorted(got) == sorted(long_queue)


def test_with_all_behind_the_last_project_the_first_one_follows(manager, long_queue):
    """The projects stand in a ring."""
    for _ in long_queue:
        manager.claim_task(lease=60)
    assert manager.claim_task(lease=60).task.project_id == long_queue[0]
