"""A real database file for each test, a task that runs, and attempts to record."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer

from obra.domain import (
    Action,
    Attempt,
    Breakpoint,
    ChangeKind,
    CheckResult,
    Decision,
    Evidence,
    Factor,
    FileChange,
    Problem,
    Quality,
    Reply,
    Review,
    Task,
    Trigger,
    Validation,
    Verdict,
)
from obra.state.state_manager import StateManager


def _attempt(task_id: int, number: int = 1, **changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "prompt": "Write add().",
        "reply": Reply(text="Done.", session="s1", seconds=1.5, turns=2, cost_usd=0.01, tokens_in=7),
        "evidence": Evidence(
            changes=(FileChange(path="a.py", kind=ChangeKind.CREATED, added=2),),
            total_changes=(FileChange(path="b.py", kind=ChangeKind.RENAMED, old_path="c.py"),),
            patch="+def add(a, b):\n+    return a + b\n",
            checks=(
                CheckResult(name="file a.py", kind="file", passed=True, message="there"),
                CheckResult(name="pytest", kind="pytest", passed=False, message="1 failed", output="E 1"),
            ),
            tampering=("tests/x.py was changed",),
            files=("a.py", "b.py"),
        ),
        "review": Review(verdict=Verdict.NO, score=40, issues=("no tests",), raw='{"score": 40}', model="m"),
        "validation": Validation(problems=(Problem.QUESTION,), question="Which one?"),
        "quality": Quality(overall_score=55.5, factors=(Factor(name="checks", points=1, weight=2, why="1 of 2"),)),
        "confidence": 61.25,
        "confidence_factors": (Factor(name="review", points=0.5, weight=1, why="unsure"),),
        "decision": Decision(
            action=Action.RETRY,
            reason="a required check failed",
            reasons=("pytest failed", "the reviewer says no"),
            feedback="pytest: 1 failed",
            inputs={"checks": {"passed": 1, "failed": 1}, "threshold": 70.0, "model": None, "path": [1, "x"]},
        ),
        "snapshot_before": "abc",
        "snapshot_after": "def",
        "started_at": datetime(2025, 11, 2, 10, 0, 0, 123456, tzinfo=UTC),
        "seconds": 3.25,
    }
    return Attempt(task_id=task_id, number=number, **{**values, **changes})


@pytest.fixture
def make_attempt() -> Callable[..., Attempt]:
    """Return a function that makes an attempt with something in every field."""
    return _attempt


@pytest.fixture
def escalation() -> Decision:
    """Return a decision that opens a breakpoint."""
    return Decision(
        action=Action.ESCALATE,
        reason="nothing to judge by",
        breakpoint=Breakpoint(trigger=Trigger.NO_EVIDENCE, reason="no check ran and nothing changed"),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the database file of this test will be."""
    return tmp_path / "state" / "obra.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of our own; skipped, with the reason, where there is none."""
    with PostgresServer.or_skip() as server:
        yield server


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the address of a new database: an SQLite file, or one on a PostgreSQL server."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{request.getfixturevalue('file')}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def manager(database_url: str) -> Iterator[StateManager]:
    """Return an open manager on a new database."""
    with StateManager(database_url, busy_timeout=60) as opened:
        yield opened


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a manager, and not for its file, on both databases."""
    if "database_url" in metafunc.fixturenames and not {"file", "tmp_path"} & set(metafunc.fixturenames):
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def task(manager: StateManager) -> Task:
    """Return a pending task."""
    return manager.create_task(manager.create_project("calculator").id, {"title": "Create a calculator"})


@pytest.fixture
def running(manager: StateManager, task: Task) -> Task:
    """Return a task that this process is working on."""
    return manager.start_task(task.id, base_snapshot="base")


@pytest.fixture
def living_owner() -> Iterator[str]:
    """Return the name of another process of this host that lives until the test ends."""
    program = "from obra.state.owners import this_process as t; print(t(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child.stdout.readline().strip()
        child.kill()
