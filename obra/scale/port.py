"""What the rest of Obra knows of the room: the records about cases and workers, and the queue behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from obra.domain import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Record):
    """One case to run, as plain data that can travel: a scenario with its parameters, an agent and a repeat."""

    case: str
    """The scenario with its parameters, as :attr:`obra.scenarios.scenario.Scenario.case`."""
    scenario: str
    path: str
    """Where the scenario stood for whoever submitted it; what reports show."""
    source: str
    """Reference of the archive with the scenario's file and what it needs."""
    file: str
    """The scenario's file within that archive."""
    agent: str
    """A rung or the name of an agent."""
    repeat: int = 1
    settings: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """Settings that travel with the case: dotted key to value and origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Record):
    """The right to work on a case. ``number`` grows with each claim; whoever has an older one is refused."""

    id: str
    """Of the case, such as ``20261122-205501-ab12cd-00001``."""
    number: int
    worker: str
    order: Order
    task: int | None = None
    """The task that an earlier claim began, to be gone on with; of several the first."""
    lost: tuple[str, ...] = ()
    """The workers that were lost while they had the case, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStatus(Record):
    """Where a case stands. Times are seconds since 1970 by the database's clock."""

    id: str
    submission: str
    case: str
    agent: str
    repeat: int
    state: str
    """``waiting``, ``running``, ``cancelled``, or the result of its row, such as ``passed``."""
    worker: str
    claims: int
    """How often it was begun; more than once where a worker was lost."""
    task: int | None
    reason: str
    row: str
    """Reference of its row in the artefacts; empty before the end."""
    begun_at: float | None
    ended_at: float | None

    @property
    def is_over(self) -> bool:
        """True when nothing more will happen to it."""
        return self.state not in ("waiting", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionStatus(Record):
    """A set of cases that were submitted together, and how many stand where."""

    id: str
    agent: str
    created_at: float
    states: Mapping[str, int]

    @property
    def is_over(self) -> bool:
        """True when every case has come to its end."""
        return not self.states.get("waiting") and not self.states.get("running")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus(Record):
    """A worker that has registered and not left. ``silent`` are the seconds since its last beat."""

    id: str
    host: str
    pid: int
    started_at: float
    silent: float
    lease: float
    doing: str
    """Id of the case it works on, or empty."""

    @property
    def is_alive(self) -> bool:
        """True while its lease has not run out."""
        return self.silent < self.lease


class DurableQueue(Protocol):
    """What gives shifts to workers, and again to another one when a worker is lost.

    A shift is one worker's work on the cases of a submission, for as long as some of them wait. Which case it
    takes next says :class:`obra.scale.register.Register`. A shift too many finds nothing that waits, and ends.
    """

    def call(self, submission: str, workers: int = 1) -> None:
        """Put so many shifts of a submission on the queue."""

    def called(self) -> frozenset[str]:
        """Return the submissions with a shift that waits for a worker.

        One that is under way does not count: whoever takes it calls another worker before the first case, and a
        server that ends between the taking and its answer leaves one that nobody knows to be theirs.
        """

    def forget(self, submissions: Iterable[str]) -> None:
        """Remove all that is kept of submissions that are over."""

    def serve(self, worker: str, handler: Callable[[str], str]) -> None:
        """Begin to take shifts for *worker*, one at a time.

        *handler* is called in a thread with the submission, and returns in a word why the shift ended.
        """

    def stop(self) -> None:
        """Take no more shifts, and wait for the one under way."""

    def hand_over(self, worker: str) -> None:
        """Put back the shifts that *worker* had taken and not finished."""

    def workers_at_work(self) -> frozenset[str]:
        """Return the ids of all workers that have taken a shift and not finished it, dead ones too."""

    def close(self) -> None:
        """Let go of the database."""
