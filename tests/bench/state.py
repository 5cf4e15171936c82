"""State in numbers: what recording costs beside bare SQLite, and how long listing takes in a large database.

    python tests/bench/state.py [--attempts N] [--postgres URL] [--json]

``record``: one attempt with all its steps, by StateManager and by the bare driver with the same rows in the same
transactions on a file of its own, in turns; the ratio is the median of the pairs. ``newest``: the newest 50 of N
attempts and of N / 5 tasks, the median of 20. URL is an empty PostgreSQL database.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from obra.domain import (
    Action,
    Attempt,
    CheckResult,
    Decision,
    Evidence,
    Quality,
    Reply,
    Review,
    Step,
    Validation,
    Verdict,
)
from obra.state.state_manager import StateManager

PAIRS = 300
ROUNDS = 20
PER_TASK = 5
STEPS = ("Gathered", "Turn", "Looked", "Reviewed")
NEWEST = {
    "newest 50 attempts": "SELECT id, task_id, number, action, quality FROM attempt ORDER BY id DESC LIMIT 50",
    "newest 50 tasks": "SELECT * FROM task ORDER BY updated_at DESC, id DESC LIMIT 50",
}


def attempt(task_id: int, number: int) -> Attempt:
    """Return an attempt of a common size."""
    return Attempt(
        task_id=task_id,
        number=number,
        prompt="Write add(). " * 200,
        reply=Reply(text="Done. " * 50, session="s", seconds=1.0, turns=2),
        evidence=Evidence(patch="+x = 1\n" * 100, checks=(CheckResult(name="a", passed=True, message=""),) * 4),
        review=Review(verdict=Verdict.NO, score=40.0, raw="{}", model="m"),
        validation=Validation(),
        quality=Quality(overall_score=50.0),
        confidence=60.0,
        decision=Decision(action=Action.RETRY, reason="not yet", inputs={"checks": 4}),
        started_at=datetime.now(UTC),
    )  # fmt: skip


def steps(made: Attempt) -> list[Step]:
    """Return what the loop keeps of an attempt while it is under way."""
    data = {"run": {"iterations": 9, "seconds": 1.0}, "made": {"text": made.prompt}}
    return [
        Step(number=made.number, position=position, name=name, data=data)
        for position, name in enumerate(STEPS, start=1)
    ]


def ours(manager: StateManager, task, made: Attempt, kept: list[Step]) -> None:
    """Record an attempt as the loop does; what it records is there already, as the rows are for the driver."""
    for step in kept:
        manager.record_step(task, step)
    manager.record_attempt(made, fence=task.fence, run={"iterations": 9, "seconds": 1.0})


class Tape:
    """Every statement of one recorded attempt with its values, as the driver got them."""

    def __init__(self, manager: StateManager) -> None:
        self.transactions: list[list[tuple[str, object]]] = []
        manager._database._told = self._keep  # what the driver is given is the matter here

    def _keep(self, statement, values) -> None:
        if statement.startswith("BEGIN"):
            self.transactions.append([])
        self.transactions[-1].append((statement, values, bool(values) and isinstance(values[0], list)))


def bare(connection: sqlite3.Connection, tape: list, number: int, first: int) -> None:
    """Do the same transactions with the bare driver."""
    for transaction in tape:
        for statement, values, many in transaction:
            changed = [_shifted(one, number, first) for one in values] if many else _shifted(values, number, first)
            (connection.executemany if many else connection.execute)(statement, changed)
        connection.execute("COMMIT")


def _shifted(values: tuple, number: int, first: int) -> tuple:
    return tuple(number if isinstance(one, int) and one == first else one for one in values)


def record_costs(folder: Path) -> dict[str, float]:
    """Return microseconds for each and the median ratio of the pairs."""
    first = 1_000_003  # a number that is nothing else
    with StateManager(f"sqlite:///{folder}/ours.db") as manager:
        task = manager.create_task(manager.create_project("p").id, {"title": "t"})
        task = manager.start_task(task.id, base_snapshot="b", run={})
        _attempt_ids_from(manager, first)
        tape = Tape(manager)
        made = attempt(task.id, first)
        ours(manager, task, made, steps(made))
        manager._database._told = None
        recorded = [list(one) for one in tape.transactions]
        _same_file(folder)
        raw = sqlite3.connect(folder / "bare.db", isolation_level=None)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            raw.execute(f"PRAGMA {pragma}")
        mine, theirs = [], []
        for number in range(first + 1, first + 1 + PAIRS):
            made = attempt(task.id, number)
            kept = steps(made)
            mine.append(_seconds(lambda made=made, kept=kept: ours(manager, task, made, kept)))
            theirs.append(_seconds(lambda number=number: bare(raw, recorded, number, first)))
        raw.close()
    return {
        "ours_us": statistics.median(mine) * 1e6,
        "bare_us": statistics.median(theirs) * 1e6,
        "ratio": statistics.median(one / other for one, other in zip(mine, theirs, strict=True)),
    }


def _attempt_ids_from(manager: StateManager, first: int) -> None:
    """Let ids and numbers of attempts be the same, so that one shift serves both."""
    manager._database.write(  # test data
        lambda connection: connection.run(
            sa.text(
                "INSERT INTO attempt (id, task_id, number, action, quality, confidence, seconds, started_at) "
                f"VALUES ({first - 1}, 1, {first - 1}, 'retry', 1, 1, 1, '2025-01-01')"
            )
        )
    )


def _same_file(folder: Path) -> None:
    with sqlite3.connect(folder / "ours.db") as source, sqlite3.connect(folder / "bare.db") as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=WAL")


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def fill(url: str, attempts: int) -> None:
    """Make a database with so many attempts, five for each task, in one statement for each table."""
    StateManager(url).close()
    engine, tasks = sa.create_engine(url), attempts // PER_TASK
    sqlite = engine.dialect.name == "sqlite"
    count = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) "
        if sqlite
        else "WITH n(i) AS (SELECT generate_series(1, {0})) "
    )
    moment = "datetime('2025-01-01', '+' || i || ' seconds')" if sqlite else "now() + i * interval '1 second'"
    data = json.dumps({"after": [], "acceptance": [], "checks": [], "limits": {}, "working_dir": ""})
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("INSERT INTO project_state (id, project_name, created_at, updated_at) "
            f"SELECT 1, 'p', {moment}, {moment} FROM (SELECT 1 AS i) AS one")  # fmt: skip
        run("INSERT INTO task (id, project_id, title, status, iterations, data, created_at, updated_at) "
            + count.format(tasks)
            + f"SELECT i, 1, 'task ' || i, 'completed', 5, '{data}', {moment}, {moment} FROM n")  # fmt: skip
        run("INSERT INTO attempt (id, task_id, number, action, quality, confidence, seconds, started_at, record) "
            + count.format(attempts) + f"SELECT i, (i - 1) / {PER_TASK} + 1, mod(i - 1, {PER_TASK}) + 1, 'retry', "
            f"50, 60, 1, {moment}, 'x' FROM n")  # fmt: skip
    with engine.connect() as connection:
        for table in () if sqlite else ("project_state", "task", "attempt"):  # ids go on behind those given here
            sequence = f"setval(pg_get_serial_sequence('{table}', 'id'), max(id))"
            connection.exec_driver_sql(f"SELECT {sequence} FROM {table}")
        if not sqlite:  # a server does so by itself; nobody does so for the SQLite file of an Obra
            connection.exec_driver_sql("ANALYZE")
        connection.commit()
    engine.dispose()


def newest(url: str) -> dict[str, float]:
    """Return milliseconds of each question."""
    engine, found = sa.create_engine(url), {}
    with engine.connect() as connection:
        for name, statement in NEWEST.items():
            times = [_seconds(lambda: connection.exec_driver_sql(statement).all()) for _ in range(ROUNDS)]  # noqa: B023
            found[name] = statistics.median(times) * 1e3
    engine.dispose()
    return found


def main() -> int:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--postgres", metavar="URL")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="obra-bench-") as folder:
        shown: dict[str, dict[str, float]] = {"record": record_costs(Path(folder))}
        for name, url in (("sqlite", f"sqlite:///{folder}/large.db"), ("postgresql", given.postgres)):
            if url:
                fill(url, given.attempts)
                shown[f"{name}, {given.attempts} attempts, ms"] = newest(url)
    if given.json:
        print(json.dumps(shown))
    for title, numbers in () if given.json else shown.items():
        for name, number in numbers.items():
            print(f"{title:<36} {name:<20} {number:10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
