"""What those who look again and again ask for, on both databases."""

from datetime import UTC, datetime

import pytest

from obra.domain import Action, Reply, Step, TaskStatus
from obra.errors import NotFound, StateError
from obra.state.glimpses import Usage
from obra.state.state_manager import StateManager

SPENT = {"iterations": 3, "seconds": 2.5}


def test_the_mark_changes_with_all_that_can_be_watched(manager, make_attempt, escalation):
    """A task, a start, a step, an attempt, a breakpoint, an answer; else it stays the same."""
    marks = [manager.mark()]

    def is_new() -> bool:
        marks.append(manager.mark())
        return marks[-1] not in marks[:-1] and manager.mark() == marks[-1]

    task = manager.create_task(manager.create_project("p").id, {"title": "t"})
    assert is_new()
    task = manager.start_task(task.id, run=SPENT)
    assert is_new()
    manager.record_step(task, Step(number=1, position=1, name="Gathered", data={"run": SPENT}))
    assert is_new()
    manager.record_attempt(make_attempt(task.id, decision=escalation), status=TaskStatus.ESCALATED)
    assert is_new()
    manager.resolve_breakpoint(1, "yes")
    assert is_new()


def test_events_are_read_on_from_where_one_was(manager, running):
    """Of all tasks, oldest first; of many the newest."""
    for number in range(5):
        manager.record_event(running.id, "note", {"number": number})
    first = manager.events_after(0)
    assert [one["kind"] for one in first] == ["started", *["note"] * 5]
    assert manager.events_after(first[-1]["id"]) == ()
    assert [one["data"]["number"] for one in manager.events_after(first[2]["id"], limit=2)] == [3, 4]


def test_attempts_as_lines_and_one_whole(manager, running, make_attempt):
    """The lines hold what a list shows; one attempt is equal to what was recorded."""
    stored = [manager.record_attempt(make_attempt(running.id, number)) for number in (1, 2)]
    lines = manager.attempt_lines(running.id)
    assert [(one.number, one.action, one.quality, one.tokens) for one in lines] == [
        (1, Action.RETRY, 55.5, 7), (2, Action.RETRY, 55.5, 7),
    ]  # fmt: skip
    assert lines[0].started_at == datetime(2025, 11, 2, 10, 0, 0, 123456, tzinfo=UTC)
    assert manager.attempt(running.id, 2) == stored[1]
    assert manager.attempt_lines(99) == ()
    with pytest.raises(NotFound, match="task 1 has no attempt 3"):
        manager.attempt(running.id, 3)


def test_what_attempts_took(manager, running, make_attempt):
    """Unknown costs are said to be unknown; nothing took nothing."""
    assert manager.usage(running.id) == Usage(seconds=0.0, cost_usd=0.0, cost_known=True)
    manager.record_attempt(make_attempt(running.id, 1))
    assert manager.usage(running.id) == Usage(seconds=3.25, cost_usd=0.01, cost_known=True)
    manager.record_attempt(make_attempt(running.id, 2, reply=Reply(text="x")))
    assert manager.usage(running.id) == Usage(seconds=6.5, cost_usd=0.01, cost_known=False)


def test_where_attempts_stand_that_are_under_way(manager):
    """The last step of each task, and what its run had taken before; nothing once it ended."""
    project = manager.create_project("p")
    tasks = [manager.start_task(manager.create_task(project.id, {"title": "t"}).id, run=SPENT) for _ in range(2)]
    manager.record_step(tasks[1], Step(number=1, position=1, name="Gathered", data={"run": SPENT}))
    found = manager.under_way()
    assert [(one.number, one.step, one.seconds) for one in found.values()] == [
        (1, "run", 2.5),
        (1, "Gathered", 2.5),
    ]
    manager.finish_task(tasks[0].id, TaskStatus.FAILED, "so")
    assert list(manager.under_way()) == [tasks[1].id]


def test_who_only_reads_changes_nothing(manager, database_url, running):
    """All can be read, and every write is refused; on both databases."""
    with StateManager(database_url, read_only=True) as looking:
        assert looking.get_task(running.id).status is TaskStatus.RUNNING
        with pytest.raises(StateError, match="read-?only"):
            looking.record_event(running.id, "note", {})
        manager.record_event(running.id, "note", {})
        assert [one["kind"] for one in looking.events(running.id)] == ["started", "note"]


def test_who_only_reads_makes_no_tables(tmp_path):
    """A file that is not there stays so; one without tables, or of an older Obra, is refused as it is."""
    file = tmp_path / "obra.db"
    with pytest.raises(StateError, match="there is no database"):
        StateManager(f"sqlite:///{file}", read_only=True)
    assert not file.exists()
    file.touch()
    with pytest.raises(StateError, match="no tables of Obra's"):
        StateManager(f"sqlite:///{file}", read_only=True)
    assert file.read_bytes() == b""


@pytest.mark.parametrize(("version", "why"), [("0002", "looking must not change it"), ("9999", "a newer Obra")])
def test_who_only_reads_migrates_nothing(file, manager, version, why):
    """Tables of another version are told, and left alone."""
    import sqlite3

    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (version,))
    raw.close()
    with pytest.raises(StateError, match=why):
        StateManager(f"sqlite:///{file}", read_only=True)
    with sqlite3.connect(file) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == (version,)
    raw.close()
