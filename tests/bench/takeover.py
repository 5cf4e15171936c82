"""How long a killed worker's task stands still: from SIGKILL to its first step on another worker, in leases."""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "obra" / room) for room in ("scale", "state")]

from field import TWO_ATTEMPTS, Field, field_of  # noqa: E402  # found by the line above

TURN = 2.0
"""Seconds of the turn in which a worker is killed; it would last for longer, however late the kill comes."""


def takeovers(database: str, kills: int, *, lease: float, seed: int = 1, patient: bool = True) -> list[float]:
    """Kill *kills* workers, each at a random moment of its case's second turn; return how long each stood still.

    Two workers are up, one of them idle; beside the killed one a new one is started for the next kill. The first
    step on the other worker is the same turn, sent again: its command writes the time down. The moment of the kill
    is read just before the signal. Each case must pass, its first attempt must have been run once. Who is not
    *patient* sees the same, but the lease is made to pass at once.
    """
    dice, found = random.Random(seed), []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="obra-takeover-")))
        here = stack.enter_context(field_of(folder, database or f"sqlite:///{folder}/queue/obra.db", lease=lease))
        here.options |= {"scale.polling": 0.2, "scale.beat": 1.0}
        for _ in range(2):
            here.worker()
        for number in range(kills):
            here.until(lambda: len(here.runner.workers()) == 2)
            found.append(_one(here, f"case{number}", dice.uniform(0, TURN * 0.9), patient=patient))
            here.worker()
    return found


def _one(here: Field, name: str, moment: float, *, patient: bool) -> float:
    log, times = here.folder / f"{name}.log", here.folder / f"{name}.times"
    slow = f"date +%s.%N >> {times}; test -e {here.folder}/{name}.killed || sleep 600"
    submission = here.submit(here.write(name, TWO_ATTEMPTS.format(name=name, log=log, slow=slow)))
    here.until(lambda: times.exists() and times.read_text().endswith("\n"))
    time.sleep(moment)
    busy = _process(here, here.busy(submission))
    (here.folder / f"{name}.killed").touch()
    killed = time.time()
    busy.send_signal(signal.SIGKILL)
    busy.wait()
    if not patient:
        here.let_lease_pass(busy)
    (case,) = here.wait(submission)
    assert (case.state, case.claims, here.attempts(case)) == ("passed", 2, 2), case
    assert log.read_text().split() == ["first", "second", "second"]
    return float(times.read_text().split()[1]) - killed


def _process(here: Field, worker: str) -> subprocess.Popen:
    """Return the process of a worker, whose name is host, process and chance."""
    number = int(worker.rsplit("-", 2)[1])
    return next(one for one in here.workers if one.pid == number)


def table(found: dict[str, Sequence[float]], lease: float) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        f"| kills, lease {lease:g} s | shortest | median | longest | longest, in leases | above a lease |",
        "|---|---|---|---|---|---|",
    ]
    for name, seconds in found.items():
        late = sum(one > lease for one in seconds)
        lines.append(
            f"| {len(seconds)}, {name} | {min(seconds):.2f} s | {statistics.median(seconds):.2f} s "
            f"| {max(seconds):.2f} s | {max(seconds) / lease:.2f} | {late} |"
        )
    return "\n".join(lines)
