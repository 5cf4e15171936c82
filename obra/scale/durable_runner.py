"""DurableRunner: cases handed to workers on any machine, and what became of them. This is the door of the room."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from obra.config import Config
from obra.domain import Record
from obra.errors import RemoteRunFailed, ScaleError
from obra.scale.address import QueueAddress, artefacts_of
from obra.scale.artefacts import Artefacts
from obra.scale.case_run import CaseRunner, folder_of_submission, row_reference
from obra.scale.dbos_queue import DBOSQueue
from obra.scale.port import CaseStatus, Claim, DurableQueue, Order, SubmissionStatus, WorkerStatus
from obra.scale.register import Register
from obra.scale.roll import Roll
from obra.scale.sources import pack
from obra.scale.travelling_settings import travelling
from obra.scale.worker import Worker
from obra.scenarios.scenario import Scenario

_FIRST_CALL = 8
"""Workers that are called to a submission at once; each that comes calls another one while cases are left."""
_LOOK = 0.2
"""Seconds between two looks at whether cases have ended."""
_SOON = 3.0
"""Seconds without a living worker before whoever waits is told; one that was just started needs about one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseToRun(Record):
    """One run of a scenario's case; ``config`` is what it was submitted with."""

    scenario: Scenario
    agent: str
    config: Config
    repeat: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned(Record):
    """What was removed."""

    submissions: tuple[str, ...]
    cases: int
    files: int


class DurableRunner:
    """Opens what it needs when it needs it; close it after use.

    Args:
        config: ``database`` and ``scale`` say where all of it is.

    Raises:
        PrerequisiteError: the extra is not installed.
        ConfigError: the database is not one for several processes.
        ScaleError: the database cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._settings = config.settings.scale
        self._address = QueueAddress.of(config)
        self._queue: DurableQueue = DBOSQueue(self._address, polling=self._settings.polling)
        self._register = Register(self._address)
        self._roll = Roll(self._register.database)
        self._seen: float | None = None
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._queue.close()
        self._register.close()

    @cached_property
    def artefacts(self) -> Artefacts:
        """The place of all that is too large for the database."""
        return Artefacts(artefacts_of(self._config))

    def submit(self, cases: Sequence[CaseToRun]) -> tuple[str, tuple[str, ...]]:
        """Put cases on the queue; return the name of the submission, and the id of each case, in order.

        Raises:
            ScaleError: there is nothing to submit, or it cannot be stored; then nothing is put on the queue.
        """
        from obra.reports.run_writer import new_run_id

        if not cases:
            raise ScaleError("there is no case to submit; name scenario files, or folders with some")
        name = new_run_id(datetime.now(UTC))
        orders = {f"{name}-{number:05d}": self._order(case) for number, case in enumerate(cases, start=1)}
        self._register.submit(name, ",".join(dict.fromkeys(case.agent for case in cases)), orders)
        self._queue.call(name, min(len(orders), _FIRST_CALL))
        return name, tuple(orders)

    def cancel(self, name: str) -> tuple[str, ...]:
        """Cancel what is not over of a submission, or one case; return the ids. Agents end within seconds.

        Raises:
            NotFound: there is none with that name.
        """
        return self._register.cancel(name)

    def cases(self, name: str) -> tuple[CaseStatus, ...]:
        """Return the cases of a submission, or one case by its id.

        Raises:
            NotFound: there is none with that name.
        """
        return self._register.cases(name)

    def submissions(self) -> tuple[SubmissionStatus, ...]:
        """Return all submissions that were not pruned, newest first."""
        return self._register.submissions()

    def workers(self) -> tuple[WorkerStatus, ...]:
        """Return the workers that have not left, oldest first."""
        return self._roll.workers()

    def row(self, case: CaseStatus) -> dict[str, Any]:
        """Return the row of a case that is over, as ``results.jsonl`` has it.

        Raises:
            RemoteRunFailed: it was cancelled, or has no row.
            ScaleError: its row is not where the workers said.
        """
        if not case.row:
            said = f": {case.reason}" if case.reason else ""
            raise RemoteRunFailed(f"case {case.id} ({case.case}) is {case.state} and has no row{said}")
        row: dict[str, Any] = json.loads(self.artefacts.read(case.row))
        return row

    def wait(
        self, name: str, tell: Callable[[str], None] | None = None, *, start: str = "obra worker"
    ) -> Iterator[CaseStatus]:
        """Yield each case of a submission, or one case, as it comes to its end.

        Args:
            name: the submission, or the case.
            tell: told in a sentence, once, when no worker has lived for some seconds.
            start: the command that starts a worker, for that sentence.

        Raises:
            NotFound: there is none with that name.
            RemoteRunFailed: for ``scale.patience`` no worker lived while cases were left. Seconds in which earlier
                calls waited in vain count, too.
        """
        over: set[str] = set()
        while True:
            cases = self.cases(name)
            for case in cases:
                if case.is_over and case.id not in over:
                    over.add(case.id)
                    yield case
            if len(over) == len(cases):
                return
            self._look_for_workers(f"{len(cases) - len(over)} case(s) of {name}", tell, start)
            time.sleep(_LOOK)

    def _look_for_workers(self, left: str, tell: Callable[[str], None] | None, start: str) -> None:
        now, patience = time.monotonic(), self._settings.patience
        if any(worker.is_alive for worker in self.workers()):
            self._seen, self._told = now, False
            return
        self._seen = now if self._seen is None else self._seen
        if now - self._seen > patience:
            raise RemoteRunFailed(
                f"{left} are left, and for {patience:g} s no worker lived; "
                f"start one with the same database: {start}"
            )
        if tell is not None and not self._told and now - self._seen > _SOON:
            end = datetime.now().astimezone() + timedelta(seconds=patience - (now - self._seen))
            tell(
                f"no worker lives: {left} wait for one until {end:%H:%M:%S} (scale.patience: {patience:g} s); "
                f"start one with the same database: {start}"
            )
            self._told = True

    def prune(self, older_than: float) -> Pruned:
        """Remove submissions that are over and older than so many seconds: queue, cases, artefacts; say what went.

        Archives of scenarios go when no submission that is left needs them. Tasks and attempts stay.
        """
        old = [one for one in self._register.submissions(older_than) if one.is_over]
        cases = [case.id for one in old for case in self._register.cases(one.id)]
        files = sum(self.artefacts.remove(folder_of_submission(one.id)) for one in old)
        self._queue.forget([one.id for one in old])
        self._register.forget([one.id for one in old])
        for stray in set(self.artefacts.list("sources")) - self._register.sources():
            files += self.artefacts.remove(stray)
        return Pruned(submissions=tuple(one.id for one in old), cases=len(cases), files=files)

    def worker(
        self, load: Callable[[str], Config], state: Any, tell: Callable[[str], None], *, folder: Path
    ) -> Worker:
        """Return a worker for this process, ready to run in its main thread.

        Args:
            load: returns this machine's settings for an agent.
            state: the open state database.
            tell: told in sentences what happens.
            folder: this worker's own folder.
        """
        runner = CaseRunner(
            load=load,
            state=state,
            artefacts=self.artefacts,
            folder=folder,
            remember_task=self._register.remember_task,
        )
        return Worker(
            self._queue,
            self._register,
            self._roll,
            run_case=runner.run,
            store_row=self._store_row,
            tell=tell,
            lease=self._settings.lease,
            beat=self._settings.beat,
            takeovers=self._settings.takeovers,
        )

    def _store_row(self, claim: Claim, row: dict[str, Any]) -> str:
        reference = row_reference(claim)
        self.artefacts.write(reference, json.dumps(row, allow_nan=False, separators=(",", ":")).encode())
        return reference

    def _order(self, case: CaseToRun) -> Order:
        scenario = case.scenario
        source = pack(scenario, case.config, self.artefacts)
        return Order(
            case=scenario.case,
            scenario=scenario.name,
            path=str(scenario.path),
            source=source.reference,
            file=source.file,
            agent=case.agent,
            repeat=case.repeat,
            settings=travelling(case.config),
        )


def cases_of(scenarios: Iterable[Scenario], agent: str, config: Config, repeat: int | None) -> Iterator[CaseToRun]:
    """Yield the runs of scenarios: each as often as *repeat* says, or the scenario itself."""
    from obra.scenarios.scenario_settings import with_settings

    for scenario in scenarios:
        settings = with_settings(config, scenario)
        for number in range(1, (repeat or scenario.repeat) + 1):
            yield CaseToRun(scenario=scenario, agent=agent, config=settings, repeat=number)
