"""Growth: what the state costs with a hundred, ten thousand and a million attempts and waiting tasks.

    python tests/bench/growth.py [--million] [--postgres] [--json]

For each database and size, each line the median of some rounds:

- attempts per second: an attempt with its four steps, five transactions, recorded behind all the others;
- resume: open the database and read all that going on with an interrupted task needs (a task with five attempts);
- task list: the newest 50 tasks, and the newest 50 of one status, as ``obra task list`` reads them;
- newest 50 attempts: by SQL, as a monitor asks;
- pick: one task of so many that wait, in a hundred projects, claimed and given back (two transactions);
- pick, pure: ``TaskScheduler.next_task`` over so many tasks in memory.

``--postgres`` starts a server of its own with ``fsync=off``, as the tests do. It ends with 1 when a limit does not
hold: newest 50 under 50 ms, and a pure pick that grows like the number of tasks and no faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from state import NEWEST, attempt, fill, ours, steps

from obra.domain import Task, TaskStatus
from obra.scheduler import Moment, TaskScheduler
from obra.state.state_manager import StateManager

SIZES = (100, 10_000)
MILLION = 1_000_000
PROJECTS = 100
WRITES = 60
ROUNDS = 11
NEWEST_MS = 50.0
FASTER_THAN_LINEAR = 10.0
"""How much more than its share of the tasks a pure pick may take: for the logarithm of its sorting, caches and a
busy machine. With a hundred times the tasks a quadratic one takes a hundred times its share."""


def main() -> int:
    """Print the numbers; return 1 when a limit does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="instead of 100 and 10000"
    )
    parser.add_argument("--million", action="store_true", help="also a million; takes minutes and about 2 GB")
    parser.add_argument("--postgres", action="store_true", help="also PostgreSQL")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    sizes = [*given.sizes, *([MILLION] if given.million else [])]
    found: dict[str, dict[int, dict[str, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="obra-growth-")))
        homes = {"sqlite": lambda size: f"sqlite:///{folder}/{size}.db"}
        if given.postgres:
            server = stack.enter_context(postgres())
            homes["postgresql"] = lambda _: server.new_database()
        for name, home in homes.items():
            found[name] = {size: measured(home(size), size) for size in sizes}
        found["memory"] = {size: {"pick, pure, ms": pure_pick(size)} for size in sizes}
    broken = list(_broken(found))
    if given.json:
        print(json.dumps({"found": found, "broken": broken}))
    else:
        _print(found, broken)
    return 1 if broken else 0


@contextmanager
def postgres() -> Iterator[object]:
    """Give a PostgreSQL server of our own."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "obra" / "state"))
    from postgres_server import PostgresServer

    with PostgresServer.or_skip() as server:
        yield server


def measured(url: str, size: int) -> dict[str, float]:
    """Make a database of *size* attempts, and as many waiting tasks, and return what it costs to use."""
    fill(url, size)
    with StateManager(url, busy_timeout=60) as manager:
        found = {"attempts per second": _writes(manager)}
        task = _interrupted(manager)
        found["resume, ms"] = _milliseconds(lambda: _resume(url, task.id))
        found["task list, ms"] = _milliseconds(lambda: manager.list_tasks(limit=50))
        found["task list by status, ms"] = _milliseconds(
            lambda: manager.list_tasks(status=TaskStatus.INTERRUPTED, limit=50)
        )
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        for name, statement in NEWEST.items():
            found[f"{name}, ms"] = _milliseconds(lambda: connection.exec_driver_sql(statement).all())  # noqa: B023
    engine.dispose()
    enqueue(url, size)
    with StateManager(url, busy_timeout=60) as manager:
        found["pick, ms"] = _milliseconds(lambda: manager.release_claim(manager.claim_task(lease=60)))
    return found


def pure_pick(size: int) -> float:
    """Return the milliseconds of one choice among *size* tasks, a tenth of which wait for another one."""
    now = datetime.now(UTC)
    tasks = [
        Task(
            id=number,
            project_id=number % PROJECTS,
            title="t",
            priority=number % 10,
            after=(number - 1,) if number % 10 == 0 else (),
            queued_at=now,
        )
        for number in range(1, size + 1)
    ]
    return _milliseconds(lambda: TaskScheduler().next_task(tasks, Moment(now=now)), rounds=3)


def enqueue(url: str, count: int) -> None:
    """Let *count* tasks of a hundred projects wait, by one statement."""
    engine = sa.create_engine(url)
    sqlite = engine.dialect.name == "sqlite"
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
        if sqlite
        else f"WITH n(i) AS (SELECT generate_series(1, {count})) "
    )
    moment = "'2025-01-01 00:00:00.000000'" if sqlite else "timestamptz '2025-01-01'"
    first = "SELECT coalesce(max(id), 0) FROM "
    data = json.dumps({"after": [], "acceptance": [], "checks": [], "limits": {}, "working_dir": ""})
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        project = run(f"{first} project_state").scalar()
        task = run(f"{first} task").scalar()
        run("INSERT INTO project_state (id, project_name, created_at, updated_at) " + numbers
            + f"SELECT {project} + i, 'q', {moment}, {moment} FROM n WHERE i <= {PROJECTS}")  # fmt: skip
        spread = min(PROJECTS, count)
        run("INSERT INTO task (id, project_id, title, status, priority, data, created_at, updated_at, queued_at, "
            "place) " + numbers + f"SELECT {task} + i, {project} + 1 + mod(i, {spread}), 't', "
            f"'pending', mod(i, 10), '{data}', "
            f"{moment}, {moment}, {moment}, 1928568 - mod(i, 10) FROM n")  # fmt: skip
        if not sqlite:
            run("ANALYZE")
    engine.dispose()


def _writes(manager: StateManager) -> float:
    task = manager.create_task(manager.create_project("p").id, {"title": "t"})
    task = manager.start_task(task.id, base_snapshot="b", run={})
    made = [attempt(task.id, number) for number in range(1, WRITES + 1)]
    began = time.perf_counter()
    for one in made:
        ours(manager, task, one, steps(one))
    return WRITES / (time.perf_counter() - began)


def _interrupted(manager: StateManager) -> Task:
    """Store a task that was broken off in its sixth attempt."""
    task = manager.create_task(manager.create_project("p").id, {"title": "t"})
    task = manager.start_task(task.id, base_snapshot="b", run={})
    for number in range(1, 6):
        made = attempt(task.id, number)
        ours(manager, task, made, steps(made))
    for step in steps(attempt(task.id, 6)):
        manager.record_step(task, step)
    return manager.finish_task(task.id, TaskStatus.INTERRUPTED, "killed")


def _resume(url: str, task_id: int) -> None:
    with StateManager(url) as manager:
        manager.list_tasks(status=TaskStatus.INTERRUPTED, limit=None)
        manager.get_task(task_id)
        manager.steps(task_id)
        manager.start_task(task_id)
        manager.attempts(task_id)
        manager.breakpoints(task_id=task_id, limit=None)
        manager.finish_task(task_id, TaskStatus.INTERRUPTED, "again")


def _milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def _broken(found: dict[str, dict[int, dict[str, float]]]) -> Iterator[str]:
    for name, by_size in found.items():
        for size, numbers in by_size.items():
            for what, number in numbers.items():
                if what.startswith(("newest", "task list")) and number > NEWEST_MS:
                    yield f"{name}, {size}: {what} is {number:.1f}, more than {NEWEST_MS:.0f}"
    pure = {size: numbers["pick, pure, ms"] for size, numbers in found["memory"].items()}
    for small, large in zip(list(pure), list(pure)[1:], strict=False):
        share = (pure[large] / pure[small]) / (large / small)
        if share > FASTER_THAN_LINEAR:
            yield f"a pure pick of {large} tasks takes {share:.1f} times its share of one of {small}"


def _print(found: dict[str, dict[int, dict[str, float]]], broken: list[str]) -> None:
    for name, by_size in found.items():
        print(f"{name:<28}" + "".join(f"{size:>14,}" for size in by_size))
        for what in next(iter(by_size.values())):
            print(f"  {what:<26}" + "".join(f"{numbers[what]:>14.2f}" for numbers in by_size.values()))
    for line in broken:
        print(f"LIMIT: {line}")


if __name__ == "__main__":
    sys.exit(main())
