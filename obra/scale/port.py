"""What the rest of Obra knows of the room: the records about cases and workers, and the queue behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from obra.domain import Record

MOST_CLAIMS = 5
"""How often a case is begun before it counts as one that kills its workers."""


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
    """The task that an earlier claim began, to be gone on with."""


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
    """What hands each case to one worker at a time, and again to another when that one is lost.

    It holds ids only; what they stand for is in :class:`obra.scale.register.Register`.
    """

    def put(self, ids: Iterable[str]) -> None:
        """Put cases on the queue; one that is there already is not put twice."""

    def cancel(self, ids: Iterable[str]) -> None:
        """Take cases off the queue, or let whoever works on one not store its end."""

    def forget(self, ids: Iterable[str]) -> None:
        """Remove all that is kept of cases that are over."""

    def serve(self, worker: str, handler: Callable[[str], str]) -> None:
        """Begin to take cases for *worker*, one at a time; *handler* is called in a thread and returns its end."""

    def stop(self) -> None:
        """Take no more cases, and wait for the one under way."""

    def hand_over(self, worker: str) -> int:
        """Put back what *worker* had taken and not finished; return how many cases these are."""

    def workers_at_work(self) -> frozenset[str]:
        """Return the ids of all workers that have taken a case and not finished it, dead ones too."""

    def close(self) -> None:
        """Let go of the database."""
