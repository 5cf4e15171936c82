"""What the rules look at: a typed view of a situation's stored data.

Rules read facts and nothing else, and facts are made of stored data and nothing else. That is why a decision that
is replayed from the database cannot come out differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from obra.domain import Problem, Record, Verdict
from obra.judging.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFact(Record):
    """One check without its output."""

    name: str
    passed: bool
    required: bool
    implied: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Record):
    """One situation, reduced to what counts. ``verdict`` is ``None`` when nobody reviewed.

    ``told_apart`` says that the reviewer told the work from a broken copy of it; without, it has no vote where
    nobody wrote a check.
    """

    task_id: int
    checks: tuple[CheckFact, ...]
    changed: bool
    tampering: tuple[str, ...]
    verdict: Verdict | None
    told_apart: bool
    issues: tuple[str, ...]
    review_question: str
    valid: bool
    asks: bool
    question: str
    quality: float | None
    confidence: float | None
    claims: tuple[str, ...]
    attempts_left: int
    limit: str
    is_vague: bool

    @classmethod
    def of(cls, situation: Situation) -> Facts:
        """Return the facts of *situation*."""
        return cls.from_data(situation.as_data())

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Facts:
        """Read what :meth:`Situation.as_data` wrote."""
        review = data["review"] or {}
        return cls(
            task_id=data["task"]["id"] if isinstance(data["task"]["id"], int) else 0,
            checks=tuple(CheckFact(**check) for check in data["checks"]),
            changed=data["total_changes"] > 0,
            tampering=tuple(data["tampering"]),
            verdict=Verdict(review["verdict"]) if review else None,
            # Decisions that were stored before there was a control come out as they did.
            told_apart=bool(review.get("told_apart", True)),
            issues=tuple(review.get("issues", ())),
            review_question=review.get("question", ""),
            valid=data["valid"],
            asks=Problem.QUESTION in data["problems"],
            question=data["question"],
            quality=data["quality"],
            confidence=data["confidence"],
            claims=tuple(data["claims"]),
            attempts_left=0 if data["limit"] else data["attempts_left"],
            limit=data["limit"],
            is_vague=data.get("is_vague", False),
        )

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to judge by: no check ran and nothing changed."""
        return not self.checks and not self.changed

    @property
    def failed(self) -> tuple[CheckFact, ...]:
        """Required checks that failed."""
        return tuple(check for check in self.checks if check.required and not check.passed)

    @property
    def is_measured(self) -> bool:
        """True when a required check that somebody wrote has run."""
        return any(check.required and not check.implied for check in self.checks)

    @property
    def is_shown_complete(self) -> bool:
        """True when written checks ran, all required ones pass, and the reviewer does not say no."""
        return self.is_measured and not self.failed and self.verdict is not Verdict.NO
