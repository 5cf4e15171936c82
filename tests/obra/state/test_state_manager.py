from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from obra.domain import TaskStatus
from obra.errors import StateError
from obra.state.owners import this_process
from obra.state.state_manager import StateManager

MONITOR = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(json.dumps([connection.execute(query).fetchall() for query in sys.argv[2:]]))
"""

RUNNER = """
import sys
from datetime import UTC, datetime
from obra.domain import *
from obra.state.state_manager import StateManager

manager = StateManager(sys.argv[1])
task = manager.start_task(int(sys.argv[2]))
for number in range(1, 100_000):
    made = manager.record_attempt(Attempt(
        task_id=task.id, number=number, prompt="p" * 1000, reply=Reply(text="r" * 1000), evidence=Evidence(),
        review=Review(verdict=Verdict.NO), validation=Validation(), quality=Quality(overall_score=10),
        confidence=20, decision=Decision(action=Action.RETRY, reason="again"), started_at=datetime.now(UTC)))
    print(made.number, flush=True)
"""

WRITER = """
import sys
from obra.state.state_manager import StateManager

with StateManager(sys.argv[1]) as manager:
    print(flush=True)
    input()
    for number in range(100):
        task = manager.create_task(1, {"title": f"{sys.argv[2]} {number}"})
        manager.start_task(task.id)
        manager.finish_task(task.id, "completed", "done")
"""


def start(program, *arguments):
    """Run *program* in another process that can be talked to."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def monitor(file, *queries):
    """Return what a second process reads with nothing but the standard library."""
    done = subprocess.run(
        [sys.executable, "-c", MONITOR, str(file), *queries], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_the_monitor_queries_of_the_plan_work(manager, file, make_attempt, escalation):
    """The plan's script reads projects, the last five tasks and a task's breakpoints."""
    project = manager.create_project("calculator", "A project", "/w")
    made = [manager.create_task(project.id, {"title": f"task {number}"}) for number in range(7)]
    manager.start_task(made[0].id)
    manager.record_attempt(
        make_attempt(made[0].id, decision=escalation), status=TaskStatus.ESCALATED, reason="vague"
    )
    projects, tasks, breakpoints = monitor(
        file,
        "SELECT id, project_name, status FROM project_state",
        "SELECT id, title, status FROM task ORDER BY updated_at DESC LIMIT 5",
        f"SELECT id, reason, status FROM breakpoint WHERE task_id = {made[0].id}",
    )
    assert projects == [[project.id, "calculator", "active"]]
    assert tasks == [
        [1, "task 0", "escalated"],
        *([number, f"task {number - 1}", "pending"] for number in (7, 6, 5, 4)),
    ]
    assert breakpoints == [[1, "no check ran and nothing changed", "open"]]


def test_good_transactions_after_a_failed_one_are_durable(manager, file, running, make_attempt):
    """A second process sees everything but the transaction that failed."""
    manager.record_attempt(make_attempt(running.id, 1))
    with pytest.raises(StateError):
        manager.record_attempt(make_attempt(running.id, 2, confidence=1000))
    with pytest.raises(StateError):
        manager.create_task(99, {"title": "lost"})
    manager.record_attempt(make_attempt(running.id, 2), status=TaskStatus.COMPLETED)
    manager.create_task(running.project_id, {"title": "next"})
    attempts, tasks = monitor(
        file, "SELECT number, confidence FROM attempt", "SELECT title, status FROM task ORDER BY id"
    )
    assert attempts == [[1, 61.25], [2, 61.25]]
    assert tasks == [["Create a calculator", "completed"], ["next", "pending"]]


def test_kill_9_in_the_middle_of_a_run_loses_nothing(manager, file, task, make_attempt):
    """What was acknowledged is there, the task reads as interrupted, and it can be started again."""
    with start(RUNNER, f"sqlite:///{file}", task.id) as child:
        for _ in range(20):
            acknowledged = int(child.stdout.readline())
        assert manager.get_task(task.id).status is TaskStatus.RUNNING
        os.kill(child.pid, signal.SIGKILL)
        acknowledged = int((child.stdout.read().split() or [acknowledged])[-1])
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        halves = raw.execute(
            "SELECT count(*) FROM attempt LEFT JOIN decision ON attempt_id = id WHERE attempt_id IS NULL"
        ).fetchone()
    assert halves == (0,)
    seen = manager.get_task(task.id)
    assert seen.status is TaskStatus.INTERRUPTED
    assert str(child.pid) in seen.status_reason
    stored = manager.attempts(task.id)
    assert [attempt.number for attempt in stored] == list(range(1, len(stored) + 1))
    assert acknowledged <= len(stored) <= acknowledged + 1
    assert manager.start_task(task.id).owner == this_process()
    manager.record_attempt(make_attempt(task.id, len(stored) + 1), status=TaskStatus.COMPLETED)
    assert manager.get_task(task.id).iterations == len(stored) + 1


def test_two_processes_write_at_once_and_both_succeed(manager, file):
    """Three hundred transactions of each, none fails, none is lost."""
    manager.create_project("shared")
    children = [start(WRITER, f"sqlite:///{file}", name) for name in ("a", "b")]
    for child in children:
        child.stdout.readline()
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0]
    done = manager.list_tasks(status=TaskStatus.COMPLETED, limit=None)
    assert sorted(task.title for task in done) == sorted(
        f"{name} {number}" for name in "ab" for number in range(100)
    )


def test_two_processes_cannot_both_start_a_task(manager, file, task, make_attempt):
    """While a living process works on a task, no other one can begin with it."""
    with start(RUNNER, f"sqlite:///{file}", task.id) as child:
        child.stdout.readline()
        with pytest.raises(StateError, match=f"process {child.pid} on .* is working on task {task.id}"):
            manager.start_task(task.id)
        with pytest.raises(StateError, match="only the process that started a task"):
            manager.record_attempt(make_attempt(task.id, 999_999))
        child.kill()


def test_a_manager_is_a_context_manager(file):
    """Leaving it closes it and lets exceptions pass."""
    with pytest.raises(ZeroDivisionError), StateManager(f"sqlite:///{file}") as manager:
        raise ZeroDivisionError
    with pytest.raises(StateError, match="is closed"):
        manager.projects()
