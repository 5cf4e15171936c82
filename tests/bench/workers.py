"""Workers in numbers: how fast 1 to 8 finish cases of 50 ms, and, simulated with those costs, how far it goes.

    python tests/bench/workers.py [--workers 1 2 4 8] [--cases N] [--task-ms MS] [--json FILE] [--quick]
    python tests/bench/workers.py --kills N [--lease SECONDS]

``measured``: real worker processes, each in a folder of its own; a case is a mock task whose agent runs ``sleep``
for so long, writes a file, and is judged by a check and a hidden check: what the loop does around it comes on top.
Lease, beat and polling are the defaults of section ``scale``. All workers are up and have run a case or two before
the others are put on the queue; the time runs from the first case that is begun to the last that is over, by the
database's clock. The PostgreSQL server is one of our own (package postgresql), with ``fsync=off``.

``simulated``: a discrete-event simulation (simpy) with what was measured: a worker's own work on a case, and the
database's work on a case, on each beat and on each look of a worker. The database is a queue with as many
servers as it has processors. It knows no locks and no network, so it is what is possible at best.

``--kills``: workers are killed in the middle of a turn, on SQLite and on PostgreSQL; how long their cases stood
still is printed in seconds and in leases. The exit code is 1 when one stood still for longer than the lease.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import simpy

sys.path[:0] = [str(Path(__file__).parents[1] / "obra" / room) for room in ("scale", "state")]

from field import QUICK, Field, field_of  # noqa: E402  # found by the line above
from postgres_server import PostgresServer  # noqa: E402  # the same
from takeover import table, takeovers  # noqa: E402  # beside this file

SIMULATED = (1, 10, 100, 300, 1000)
POLLING, BEAT = 0.2, 1.0
"""Seconds; the defaults of scale.polling and scale.beat."""


def server_seconds(server: PostgresServer) -> float:
    """Return the processor seconds that the server and its children have used."""
    root = server._process.pid
    ticks = 0
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(place.name) == root:  # with its children that ended
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == root:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def worker_seconds(here: Field) -> float:
    """Return the processor seconds that the living workers have used."""
    ticks = 0
    for worker in here.workers:
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, however long a busy machine takes."""
    while not holds():
        time.sleep(POLLING)


def measure(server: PostgresServer, count: int, cases: int, task: float) -> dict[str, float]:
    """Return how fast *count* workers finish *cases* of *task* seconds, and what that cost."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="obra-bench-")))
        here = stack.enter_context(field_of(folder, server.new_database(), lease=30))
        here.options |= {"scale.polling": POLLING, "scale.beat": BEAT}
        scenario = here.write("wait", QUICK.format(name="wait", run=f"sleep {task:g}"))
        for _ in range(count):
            here.worker()
        wait_until(lambda: len(here.runner.workers()) == count)
        here.submit(scenario, repeat=count)
        wait_until(here.runner._register.is_idle)
        idle, began = server_seconds(server), time.monotonic()
        time.sleep(1.0)
        idle = (server_seconds(server) - idle) / (time.monotonic() - began)
        database, work = server_seconds(server), worker_seconds(here)
        name = here.submit(scenario, repeat=cases)
        wait_until(here.runner._register.is_idle)  # asks little: this database is measured
        done = here.runner.cases(name)
        assert all(one.state == "passed" for one in done), [one.reason for one in done]
        wall = max(one.ended_at for one in done) - min(one.begun_at for one in done)
        found = {
            "workers": count,
            "cases": cases,
            "seconds": wall,
            "cases_per_second": cases / wall,
            "worker_cpu_ms": (worker_seconds(here) - work) / cases * 1000,
            "database_cpu_ms": (server_seconds(server) - database) / cases * 1000,
            "idle_database_cpu_per_worker": idle / count,
        }
        for worker in here.workers:
            worker.send_signal(signal.SIGKILL)
    return found


def simulate(workers: int, task: float, costs: dict[str, float], *, seconds: float = 30.0) -> dict[str, float]:
    """Return what *workers* would finish in a second, and how busy the database is, in a simulated half minute.

    Args:
        workers: how many, each on a processor of its own.
        task: seconds that a case waits.
        costs: ``case`` and ``look``, seconds of the database; ``own``, seconds of a worker for each case;
            ``processors`` of the database.
        seconds: how long the simulated world runs.
    """
    world = simpy.Environment()
    database = simpy.Resource(world, capacity=int(costs["processors"]))
    dice = random.Random(1)
    busy = done = 0.0

    def ask(cost: float):
        nonlocal busy
        with database.request() as turn:
            yield turn
            busy += cost
            yield world.timeout(cost)

    def work():
        nonlocal done
        yield world.timeout(dice.uniform(0, POLLING + task))
        while True:
            yield world.timeout(task + costs["own"])
            yield from ask(costs["case"])
            done += 1

    def ask_every(seconds: float):
        yield world.timeout(dice.uniform(0, seconds))
        while True:
            yield world.timeout(seconds)
            yield from ask(costs["look"])

    for _ in range(workers):
        world.process(work())
        world.process(ask_every(BEAT))
        world.process(ask_every(POLLING))  # DBOS looks at the queue, whether the worker is busy or not
    world.run(until=seconds)
    return {
        "workers": workers,
        "task_seconds": task,
        "cases_per_second": done / seconds,
        "database_busy": min(1.0, busy / seconds / costs["processors"]),
    }


def _kill(kills: int, lease: float) -> int:
    with PostgresServer.or_skip() as server:
        found = {"SQLite": takeovers("", kills, lease=lease)}
        found["PostgreSQL"] = takeovers(server.new_database(), kills, lease=lease)
    print(f"{_at()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n\n{table(found, lease)}")
    return int(max(map(max, found.values())) > lease)


def _at() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, simulate, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--cases", type=int, default=40, help="for each worker")
    parser.add_argument("--task-ms", type=float, default=50.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="1 and 2 workers, 4 cases each")
    parser.add_argument(
        "--kills", type=int, metavar="N", help="measure takeovers instead: so many on each database"
    )
    parser.add_argument("--lease", type=float, default=6.0, help="of the killed workers, in seconds")
    given = parser.parse_args(arguments)
    if given.kills:
        return _kill(given.kills, given.lease)
    counts, each = ([1, 2], 4) if given.quick else (given.workers, given.cases)
    with PostgresServer.or_skip() as server:
        measured = [measure(server, count, count * each, given.task_ms / 1000) for count in counts]
    first = measured[0]
    look = max(first["idle_database_cpu_per_worker"] / (1 / POLLING + 1 / BEAT), 1e-5)
    costs = {
        "case": max(first["database_cpu_ms"] / 1000, 1e-4),
        "own": first["worker_cpu_ms"] / 1000,
        "look": look,
        "processors": float(os.cpu_count() or 1),
    }
    simulated = [
        simulate(count, task, costs, seconds=max(30, 4 * task))
        for task in (given.task_ms / 1000, 60.0)
        for count in SIMULATED
    ]
    at = _at()
    told = {"at": at, "costs": costs, "measured": measured, "simulated": simulated}
    if given.json:
        given.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(f"{at}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, cases of {given.task_ms:g} ms\n")
    print("| workers | cases/s | times one | worker CPU ms/case | database CPU ms/case |\n|---|---|---|---|---|")
    for one in measured:
        times = one["cases_per_second"] / first["cases_per_second"]
        print(
            f"| {one['workers']} | {one['cases_per_second']:.1f} | {times:.2f} | {one['worker_cpu_ms']:.1f} "
            f"| {one['database_cpu_ms']:.1f} |"
        )
    print("\n| simulated workers | case, s | cases/s | database busy |\n|---|---|---|---|")
    for one in simulated:
        print(
            f"| {one['workers']} | {one['task_seconds']:g} | {one['cases_per_second']:.1f} "
            f"| {one['database_busy']:.0%} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
