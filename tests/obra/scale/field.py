"""A database, a place for artefacts, and real workers as processes, each in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from obra import Config, StateManager
from obra.scale.durable_runner import DurableRunner, cases_of
from obra.scale.port import CaseStatus
from obra.scale.register_tables import worker as worker_table
from obra.scenarios.scenario import Scenario

QUICK = """\
name: {name}
task: {{title: Write {name}}}
limits: {{iterations: 3}}
checks: [{{file: {name}.txt}}]
script: [{{say: Done., write: {{{name}.txt: done}}, run: {run}}}]
reviewer: [{{score: 90}}]
expect: {{status: completed, truth: [{{file: {name}.txt}}]}}
"""
TWO_ATTEMPTS = """\
name: {name}
task: {{title: Write {name}}}
limits: {{iterations: 3}}
checks: [{{file: [first.txt, second.txt]}}]
script:
  - {{say: First., write: {{first.txt: "1"}}, run: echo first >> {log}}}
  - {{say: Second., write: {{second.txt: "2"}}, run: "echo second >> {log}; {slow}"}}
reviewer: [{{score: 90}}, {{score: 90}}]
expect: {{status: completed, truth: [{{file: [first.txt, second.txt]}}]}}
"""
SEVERAL = """\
name: {name}
tasks:
  - name: b
    after: a
    task: {{title: Write b}}
    limits: {{iterations: 3}}
    checks: [{{file: [first.txt, second.txt]}}]
    script:
      - {{say: First., write: {{first.txt: "1"}}, run: echo first >> {log}}}
      - {{say: Second., write: {{second.txt: "2"}}, run: "echo second >> {log}; {slow}"}}
    reviewer: [{{score: 90}}, {{score: 90}}]
  - name: a
    task: {{title: Write a}}
    checks: [{{file: a.txt}}]
    script: [{{say: Done., write: {{a.txt: "a"}}, run: echo a >> {log}}}]
    reviewer: [{{score: 90}}]
  - name: c
    after: b
    task: {{title: Write c}}
    checks: [{{file: c.txt}}]
    script: [{{say: Done., write: {{c.txt: "c"}}, run: echo c >> {log}}}]
    reviewer: [{{score: 90}}]
expect: {{truth: [{{file: [a.txt, first.txt, second.txt, c.txt]}}]}}
"""
VARIABLES = {name: text for name, text in os.environ.items() if not name.startswith(("OBRA", "PYTEST"))}


class Field:
    """Where the workers of one test meet.

    Leases are long, as the machine may stand still, and no worker is to be given up before its time; for one that
    beats no more see :meth:`let_lease_pass`.
    """

    def __init__(
        self, folder: Path, database: str, artefacts: str = "", *, lease: float = 60.0, patience: float = 60
    ) -> None:
        self.folder, self.database = folder, database
        self.options = {
            "database.url": database,
            "scale.artefacts": artefacts or str(folder / "artefacts"),
            "scale.lease": lease,
            "scale.beat": 0.2,
            "scale.polling": 0.05,
            "scale.patience": patience,
        }
        self.workers: list[subprocess.Popen] = []
        self.runner = DurableRunner(self.config())

    def config(self) -> Config:
        """The settings that all share."""
        config = Config()
        for key, value in self.options.items():
            config.set(key, value)
        return config

    def words(self) -> list[str]:
        """The same as arguments of a command."""
        return [word for key, value in self.options.items() for word in ("-o", f"{key}={value}")]

    def write(self, name: str, text: str) -> Scenario:
        """Write a scenario file and read it."""
        path = self.folder / "scenarios" / f"{name}.obra.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return Scenario.load(path)

    def submit(self, *scenarios: Scenario, repeat: int | None = None) -> str:
        """Submit scenarios for the mock agent."""
        return self.runner.submit(list(cases_of(scenarios, "mock", self.config(), repeat)))[0]

    def worker(self, *words: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
        """Start a worker in a folder of its own."""
        folder = self.folder / f"machine-{len(self.workers)}"
        folder.mkdir()
        with (folder / "log").open("w") as log:
            made = subprocess.Popen(
                [*prefix, sys.executable, "-m", "obra", "worker", *self.words(), *words],
                cwd=folder, env=VARIABLES, stderr=log, stdout=log,
            )  # fmt: skip
        self.workers.append(made)
        return made

    def let_lease_pass(self, *workers: subprocess.Popen) -> None:
        """Make the last beats of workers that beat no more as old as if their leases were over."""
        numbers = [one.pid for one in workers]
        self.runner._register.database.transact(
            lambda connection: connection.execute(
                sa.update(worker_table)
                .where(worker_table.c.pid.in_(numbers))
                .values(beat_at=worker_table.c.beat_at - 1000)
            )
        )

    def log(self, number: int) -> str:
        """What a worker said."""
        return (self.folder / f"machine-{number}" / "log").read_text()

    def wait(self, name: str) -> tuple[CaseStatus, ...]:
        """Wait until all cases are over, and return them."""

        def still() -> list[tuple[str, str, str]]:
            return [(one.id, one.state, one.worker) for one in self.runner.cases(name) if not one.is_over]

        self.until(lambda: not still(), still)
        return self.runner.cases(name)

    def until(self, holds: Callable[[], object], told: Callable[[], object] = str) -> None:
        """Wait until something holds; *told* says how it stands when it does not."""
        end = time.monotonic() + 100
        while not holds():
            logs = [self.log(number) for number in range(len(self.workers))]
            assert time.monotonic() < end, (told(), logs, self.processes())
            time.sleep(0.05)

    def busy(self, name: str) -> str:
        """Wait until a case is under way, and return its worker."""
        self.until(lambda: any(one.state == "running" for one in self.runner.cases(name)))
        return next(one.worker for one in self.runner.cases(name) if one.state == "running")

    def attempts(self, case: CaseStatus) -> int:
        """How many attempts the state has of a case."""
        with StateManager(self.database) as state:
            return len(state.attempts(case.task))

    def processes(self) -> list[str]:
        """Command lines of all processes in this field's folders, workers excepted."""
        own = {worker.pid for worker in self.workers}
        found = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit() and int(place.name) not in own:
                try:
                    if (place / "cwd").readlink().is_relative_to(self.folder):
                        line = (place / "cmdline").read_text().replace("\0", " ")
                        found += [line] if line and " obra-guard " not in line else []  # a living worker has one
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
        return found

    def close(self) -> None:
        """End every worker that lives."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait()
        self.runner.close()


@contextmanager
def field_of(folder: Path, database: str, artefacts: str = "", **more: float) -> Iterator[Field]:
    """Give a field and clear it up."""
    made = Field(folder, database, artefacts, **more)
    try:
        yield made
    finally:
        made.close()


def each_once(cases: tuple[CaseStatus, ...]) -> bool:
    """Tell whether every case passed, and none of them twice."""
    return all(one.state == "passed" for one in cases) and max(Counter(one.task for one in cases).values()) == 1


def rows_of(field: Field, cases: tuple[CaseStatus, ...]) -> list[dict]:
    """The rows of cases, as plain data."""
    return [json.loads(json.dumps(field.runner.row(one))) for one in cases]
