"""Stored attempts judged again: by other rules or another reviewer, and without an agent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from obra.attempt_making import AttemptSteps
from obra.attempt_steps import Looked
from obra.bootstrap import initialize
from obra.config import Config
from obra.domain import Attempt, Record, Task
from obra.errors import StateError
from obra.logbook import log_event
from obra.reviewing import Reviewed, Work

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged(Record):
    """One attempt, as it was decided then and as it is decided now."""

    case: str
    agent: str
    task: int
    attempt: int
    before: str
    """The action that Obra decided then, also where a person decided otherwise."""
    verdict_before: str
    actions: tuple[str, ...]
    """The action that is decided now, once for each time it was judged."""
    verdicts: tuple[str, ...]
    quality: float
    confidence: float
    reason: str
    """Of the first decision now; scores are of it, too."""

    @property
    def changed(self) -> bool:
        """True when it is decided otherwise now, at least once."""
        return any(action != self.before for action in self.actions)


class Rejudging(AttemptSteps):
    """Takes steps four to six of the road once more, from what is stored of the first three.

    Args:
        config: the settings to judge by.
        state_manager: the database of the run.
        asks: whether the LLM of the settings reviews again; else the stored reviews stand, and only the rules and
            thresholds are new.
    """

    def __init__(self, config: Config, state_manager: StateManager, *, asks: bool) -> None:
        self.config = config
        self.observers = [log_event]
        self._asks = asks
        self._take(initialize(config, state_manager=state_manager))

    def rejudge(self, rows: Iterable[Mapping[str, Any]], *, times: int = 1) -> Iterator[Rejudged]:
        """Yield each stored attempt of the rows of a run, judged *times* times.

        Nothing of what is stored changes. How many attempts were left, and whether a limit had passed, is as it
        was then.

        Raises:
            StateError: the database is not that of the run.
            LLMError: the reviewer does not answer.
        """
        for row in rows:
            if row["task"] and row["attempts"]:
                task = self.state_manager.get_task(row["task"])
                stored = self.state_manager.attempts(task.id)
                _require_same(row, stored)
                for attempt in stored:
                    yield self._again(row, task, attempt, times)

    def _again(self, row: Mapping[str, Any], task: Task, attempt: Attempt, times: int) -> Rejudged:
        judged = [self._once_more(task, attempt) for _ in range(times)]
        first = judged[0]
        return Rejudged(
            case=row["case"],
            agent=row["agent"],
            task=task.id,
            attempt=attempt.number,
            before=(made.instead_of if (made := attempt.decision.override) else attempt.decision.action).value,
            verdict_before=attempt.review.verdict.value,
            actions=tuple(one["decision"].action.value for one in judged),
            verdicts=tuple(one["review"].verdict.value for one in judged),
            quality=first["quality"].overall_score,
            confidence=float(first["confidence"]),
            reason=first["decision"].reason,
        )

    def _once_more(self, task: Task, attempt: Attempt) -> dict[str, Any]:
        judged = self._judge(task, attempt.reply, Looked(evidence=attempt.evidence), self._reviewed(task, attempt))
        then = attempt.decision.inputs
        decision = self.decision_engine.decide_next_action(
            {
                **judged,
                "task": task,
                "response": attempt.reply.text,
                "attempts_left": then["attempts_left"],
                "limit": then["limit"],
                "is_vague": then["is_vague"],
            }
        )
        return {**judged, "decision": decision}

    def _reviewed(self, task: Task, attempt: Attempt) -> Reviewed:
        if not self._asks:
            return Reviewed(review=attempt.review, requirements=attempt.requirements)
        described = tuple(self.evidence_collector.describe(task.checks))
        return self.reviewer.review(
            Work(
                task=task,
                evidence=attempt.evidence,
                reply=attempt.reply,
                requirements=tuple(one.text for one in attempt.requirements if one.text not in described),
                described=described,
            )
        )


def _require_same(row: Mapping[str, Any], stored: tuple[Attempt, ...]) -> None:
    told, kept = row["attempts"][0]["reply"], stored[0].reply.text if stored else ""
    if len(stored) < len(row["attempts"]) or kept[:200] != told[:200]:
        raise StateError(
            f"task {row['task']} of this database is not the one that {row['case']} ran as; name the database of "
            f"the run with -o database.url=..."
        )
