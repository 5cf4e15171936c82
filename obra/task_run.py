"""What the loop remembers while it works on one task: its attempts, and what is left of its limits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from obra.attempt_steps import Kept, Spent
from obra.domain import Attempt, Outcome, Record, Reply, Task, TaskStatus, TurnLimits
from obra.reviewing import Reviewed
from obra.settings import Settings

if TYPE_CHECKING:
    from obra.plugins import OutlivesUs
    from obra.workspace.workspace import Workspace

Made = TypeVar("Made", bound=Record)

_SHORTEST_TURN = 0.1
"""Seconds a turn is given at the least, so that a limit that passes this instant ends it in order."""


@dataclass(slots=True, kw_only=True)
class TaskRun:
    """One run of one task. ``attempts`` are all that the task ever had, those of earlier runs first."""

    task: Task
    workspace: Workspace
    repository: str
    """State of the workspace's own git repository when the task began."""
    attempts: list[Attempt]
    iterations: int
    retries_left: int
    seconds: float | None
    cost_limit: float | None
    answer: str = ""
    is_vague: bool = False
    """True when nothing in the task can be checked, and no person has answered yet."""
    requirements: tuple[str, ...] = ()
    """What the task demands, in sentences; the same in every attempt of the run."""
    described: tuple[str, ...] | None = None
    """One sentence for each check that somebody wrote, once they are needed; the same in every attempt, too."""
    started: float = field(default_factory=time.monotonic)
    earlier: int = 0
    """How many of the attempts belong to earlier runs."""
    prompts: int = 0
    """Prompts of this run whose turn is over, well or badly."""
    handle: str = ""
    """What the agent says a later process needs to reach its session."""
    kept: Kept | None = None
    """What a process that died left of the attempt under way, until that is used up."""
    adopted: Reply | None = None
    """The reply of a turn that a process which died had begun, until it is used up."""
    was_put_back: bool = False
    """True when the prompt of the attempt under way was sent before, and what came of it was undone."""
    outlives: OutlivesUs | None = None
    """The agent, when its session can be reached after this process died."""
    position: int = 0
    """Of the last step that was kept of the attempt under way."""

    @property
    def snapshot(self) -> str:
        """Snapshot of the workspace that the attempt under way began with."""
        return self.attempts[-1].snapshot_after if self.attempts else self.task.base_snapshot

    def elapsed(self) -> float:
        """Return the seconds that this run has taken, in all processes that worked on it; pauses do not count."""
        return time.monotonic() - self.started

    def spent(self) -> Spent:
        """Return what this run may use and has used up so far."""
        return Spent(
            earlier=self.earlier,
            iterations=self.iterations,
            retries_left=self.retries_left,
            seconds=self.elapsed(),
            prompts=self.prompts,
            handle=self.handle,
        )

    def take_kept(self, kind: type[Made]) -> Made | None:
        """Return what a process that died had made in one step of this attempt, or nothing."""
        found: Made | None = self.kept.done.get(kind) if self.kept else None
        return found

    @property
    def steps_played(self) -> int:
        """How many steps of the task's own script are behind us; an attempt of an earlier run counts as one."""
        return self.earlier + self.prompts

    @property
    def reviews_played(self) -> int:
        """How many answers of the task's own reviewer are behind us."""
        return len(self.attempts) + (self.take_kept(Reviewed) is not None)

    @property
    def number(self) -> int:
        """Number of the attempt under way, from 1 over the task's whole life."""
        return len(self.attempts) + 1

    @property
    def last_number(self) -> int:
        """Number of the last attempt that this run may make."""
        return self.earlier + self.iterations

    @property
    def left(self) -> int:
        """Attempts left after the one under way."""
        return self.last_number - self.number

    def limit_passed(self, spent: float | None = None) -> str:
        """Name the limit of the whole task that is used up (``seconds`` or ``cost_usd``), or nothing.

        Args:
            spent: dollars of the turn that just ended and is not among the attempts yet.
        """
        if self.seconds is not None and self.elapsed() >= self.seconds:
            return "seconds"
        if self.cost_limit is not None and _known_cost(self.attempts) + (spent or 0.0) >= self.cost_limit:
            return "cost_usd"
        return ""

    def turn_limits(self, settings: Settings) -> TurnLimits:
        """Return what the next turn may use up, so that the task's own limits hold too."""
        seconds = min(settings.agent.timeout, settings.orchestration.iteration_timeout)
        if self.seconds is not None:
            left = self.seconds - self.elapsed()
            seconds = max(_SHORTEST_TURN, min(seconds, left))
        cost = None if self.cost_limit is None else max(0.0, self.cost_limit - _known_cost(self.attempts))
        limits = self.task.limits
        return TurnLimits(
            seconds=seconds, idle=limits.idle, turns=limits.turns or settings.agent.max_turns, cost_usd=cost
        )

    def outcome(self, status: TaskStatus, reason: str) -> Outcome:
        """Return how this run ended; costs and tokens are unknown as soon as one turn's are."""
        return outcome_of(self.task.id, status, reason, self.attempts[self.earlier :], seconds=self.elapsed())


def outcome_of(
    task_id: int, status: TaskStatus, reason: str, made: Sequence[Attempt], *, seconds: float
) -> Outcome:
    """Return how a run ended that made these attempts; costs and tokens are unknown as soon as one turn's are."""
    attempts = tuple(made)
    last = attempts[-1] if attempts else None
    costs = [attempt.reply.cost_usd for attempt in attempts]
    tokens = [count for one in attempts for count in (one.reply.tokens_in, one.reply.tokens_out)]
    return Outcome(
        task_id=task_id,
        status=status,
        reason=reason,
        response=last.reply.text if last else "",
        iterations=len(attempts),
        quality_score=last.quality.overall_score if last else None,
        confidence=last.confidence if last else None,
        attempts=attempts,
        breakpoint=last.decision.breakpoint if last else None,
        seconds=seconds,
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        tokens=None if None in tokens else sum(count for count in tokens if count is not None),
    )


def _known_cost(attempts: Iterable[Attempt]) -> float:
    """Add up what is known to be spent; an unknown cost cannot be counted against a limit."""
    return sum(attempt.reply.cost_usd or 0.0 for attempt in attempts)
