from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from obra.domain import Action, BreakpointStatus, CheckResult, Evidence, Quality, Reply, TaskStatus
from obra.errors import IllegalStatus, NotFound, StateError, TaskBusy

TABLES = ("attempt", "check_result", "decision", "breakpoint", "event")


def counts(file):
    """Return how many rows each table of an attempt has, as another program sees them."""
    with closing(sqlite3.connect(file)) as raw:
        return {name: raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}


def test_attempts_come_back_equal_to_what_was_recorded(manager, running, make_attempt):
    """Everything in an attempt, its checks and its decision survives."""
    first = manager.record_attempt(make_attempt(running.id, 1))
    second = manager.record_attempt(make_attempt(running.id, 2, prompt="Again."))
    assert manager.attempts(running.id) == (first, second)
    assert first == replace(make_attempt(running.id, 1), id=first.id)
    assert manager.get_decision(first.id) == first.decision
    assert manager.get_decision(first.id).inputs["threshold"] == 70.0


def test_an_attempt_writes_columns_that_can_be_queried(manager, file, running, make_attempt):
    """Checks, cost, tokens and scores can be asked for in SQL without reading the record."""
    made = manager.record_attempt(make_attempt(running.id))
    with closing(sqlite3.connect(file)) as raw:
        row = raw.execute(
            "SELECT number, action, quality, confidence, cost_usd, tokens, seconds, snapshot_before, "
            "snapshot_after FROM attempt WHERE id = ?",
            (made.id,),
        ).fetchone()
        checks = raw.execute("SELECT position, name, passed, required FROM check_result").fetchall()
    assert row == (1, "retry", 55.5, 61.25, 0.01, 7, 3.25, "abc", "def")
    assert checks == [(1, "file a.py", 1, 1), (2, "pytest", 0, 1)]


def test_an_attempt_updates_its_task_and_tells_its_story(manager, running, make_attempt):
    """Scores, count and time of the task move with each attempt; the task goes on running."""
    manager.record_attempt(make_attempt(running.id, 1))
    task = manager.get_task(running.id)
    assert (task.status, task.iterations, task.quality_score, task.confidence) == (
        TaskStatus.RUNNING,
        1,
        55.5,
        61.25,
    )
    assert task.updated_at > running.updated_at
    assert [event["kind"] for event in manager.events(running.id)] == ["started", "attempt"]
    assert manager.events(running.id)[1]["data"]["action"] == "retry"


def test_unknown_cost_and_tokens_stay_unknown(manager, file, running, make_attempt):
    """None is never stored as zero."""
    manager.record_attempt(make_attempt(running.id, reply=Reply(text="x"), evidence=Evidence()))
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT cost_usd, tokens FROM attempt").fetchall() == [(None, None)]


def test_an_attempt_that_ends_its_task_stores_both(manager, running, make_attempt):
    """The last attempt, the status and its reason come in one transaction."""
    manager.record_attempt(make_attempt(running.id), status=TaskStatus.COMPLETED, reason="all checks pass")
    task = manager.get_task(running.id)
    assert (task.status, task.status_reason, task.owner) == (TaskStatus.COMPLETED, "all checks pass", "")


def test_a_breakpoint_is_stored_with_its_attempt(manager, running, make_attempt, escalation):
    """The breakpoint gets its ids, and later shows how it stands."""
    made = manager.record_attempt(
        make_attempt(running.id, 3, decision=escalation), status=TaskStatus.ESCALATED, reason="look"
    )
    opened = made.decision.breakpoint
    assert (opened.task_id, opened.attempt_number, opened.status) == (running.id, 3, BreakpointStatus.OPEN)
    assert opened.id > 0
    assert opened.created_at is not None
    assert manager.breakpoints() == (opened,)
    assert manager.attempts(running.id) == (made,)
    resolved = manager.resolve_breakpoint(opened.id, "use tkinter")
    assert manager.get_decision(made.id).breakpoint == resolved
    assert manager.get_decision(made.id).action is Action.ESCALATE


WRONG = pytest.mark.parametrize(
    ("changes", "status", "error", "message"),
    [
        ({"confidence": 100.5}, None, StateError, "confidence is 100.5; every score is from 0 to 100"),
        ({"confidence": float("nan")}, None, StateError, "confidence is nan"),
        ({"quality": Quality(overall_score=-1)}, None, StateError, "overall_score is -1"),
        ({"number": 0}, None, StateError, "counted from 1"),
        ({"number": 10**30}, None, StateError, "too large"),
        ({}, TaskStatus.PENDING, IllegalStatus, "cannot become pending"),
        ({}, TaskStatus.RUNNING, IllegalStatus, "cannot become running"),
        ({}, "finished", StateError, "no status 'finished'"),
        ({"seconds": float("inf")}, None, StateError, "cannot be stored as JSON"),
        ({"evidence": None}, None, AttributeError, "checks"),
    ],
)


@WRONG
def test_an_attempt_that_cannot_be_stored_leaves_nothing(  # noqa: PLR0917  # pytest gives them by name
    manager, file, running, make_attempt, changes, status, error, message
):
    """Whatever is wrong with it, no row is written and the manager goes on working."""
    before, task = counts(file), manager.get_task(running.id)
    with pytest.raises(error, match=message):
        manager.record_attempt(make_attempt(running.id, **changes), status=status)
    assert counts(file) == before
    assert manager.get_task(running.id) == task
    manager.record_attempt(make_attempt(running.id), status=TaskStatus.COMPLETED)
    assert len(manager.attempts(running.id)) == 1


@pytest.mark.parametrize("table", [*TABLES, "task"])
def test_a_failure_at_any_table_rolls_everything_back(  # noqa: PLR0917  # pytest gives them by name
    manager, file, running, make_attempt, escalation, table
):
    """A database that refuses one of the writes has none of them; the next attempt is durable."""
    act = "UPDATE" if table == "task" else "INSERT"
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute(
            f"CREATE TRIGGER refuse BEFORE {act} ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    before, task = counts(file), manager.get_task(running.id)
    wanted = make_attempt(running.id, decision=escalation)
    with pytest.raises(StateError, match="disk is full; free some space"):
        manager.record_attempt(wanted, status=TaskStatus.ESCALATED, reason="look")
    assert counts(file) == before
    assert manager.get_task(running.id) == task
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("DROP TRIGGER refuse")
    manager.record_attempt(wanted, status=TaskStatus.ESCALATED, reason="look")
    assert counts(file) == {name: before[name] + (2 if name == "check_result" else 1) for name in TABLES}


def test_a_number_is_given_once(manager, running, make_attempt):
    """No attempt is recorded twice or written over."""
    made = manager.record_attempt(make_attempt(running.id, 1))
    with pytest.raises(StateError, match=f"attempt 1 of task {running.id} is recorded already.*id {made.id}"):
        manager.record_attempt(make_attempt(running.id, 1, prompt="other"))
    assert manager.attempts(running.id) == (made,)


def test_only_a_running_task_takes_attempts(manager, task, make_attempt):
    """A task that nobody started, or that has ended, has no attempts."""
    with pytest.raises(IllegalStatus, match="is pending, not running.*start it first"):
        manager.record_attempt(make_attempt(task.id))
    with pytest.raises(NotFound):
        manager.record_attempt(make_attempt(99))


def test_only_the_owner_records_attempts(manager, task, make_attempt, living_owner):
    """A process cannot write attempts into a task that another one is working on."""
    manager.start_task(task.id, owner=living_owner)
    with pytest.raises(TaskBusy, match="only the process that started a task"):
        manager.record_attempt(make_attempt(task.id))
    assert manager.attempts(task.id) == ()


def test_no_attempt_is_lost_because_of_its_text(manager, running, make_attempt, escalation):
    """Huge, odd and broken text is stored; what no database can hold is replaced, and the caller sees it."""
    hostile = "nul \0, lone \ud800 surrogate, emoji 🧮, right-to-left \u202e, '; DROP TABLE task; --\\u0000"
    stored = hostile.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
    decision = replace(
        escalation,
        reason=hostile,
        feedback=hostile,
        inputs={hostile: hostile},
        breakpoint=replace(escalation.breakpoint, reason=hostile),
    )
    attempt = make_attempt(
        running.id,
        prompt=hostile,
        reply=Reply(text=hostile + "x" * 5_000_000),
        evidence=replace(
            make_attempt(1).evidence, checks=(CheckResult(name=hostile, passed=False, message=hostile),)
        ),
        decision=decision,
        snapshot_after=hostile,
    )
    made = manager.record_attempt(attempt, status=TaskStatus.ESCALATED, reason=hostile)
    assert made.prompt == made.decision.reason == made.decision.breakpoint.reason == stored
    assert made.evidence.checks[0].name == made.snapshot_after == stored
    assert made.decision.inputs == {stored: stored}
    assert len(made.reply.text) == len(hostile) + 5_000_000
    assert manager.attempts(running.id) == (made,)
    assert manager.get_task(running.id).status_reason == stored


def test_a_replacement_character_that_somebody_wrote_is_kept(manager, running, make_attempt):
    """U+FFFD in the text itself changes nothing."""
    wanted = make_attempt(running.id, prompt="\ufffd", decision=replace(make_attempt(1).decision, reason="\ufffd"))
    made = manager.record_attempt(wanted)
    assert made == replace(wanted, id=made.id)
    assert manager.attempts(running.id) == (made,)


def test_an_unknown_attempt_has_no_decision(manager):
    """NotFound says where to look."""
    with pytest.raises(NotFound, match="no attempt has the id 5; 'obra task show'"):
        manager.get_decision(5)
