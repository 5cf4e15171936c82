"""Everything a decision is made from, in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from obra.domain import Evidence, Problem, Quality, Record, Review, Validation

LONGEST_SENTENCE = 500
"""Characters kept of each foreign sentence in stored inputs; the whole ones stand in the attempt."""
MOST_SENTENCES = 50
LARGEST = 1e15
"""No score is anywhere near; keeps infinity and whole numbers too big for a float away from comparisons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation(Record):
    """One attempt after it was looked at and judged, before it is decided.

    What is ``None`` is missing, and missing never counts in favour.
    """

    task: Any = None
    """A :class:`obra.domain.Task`, or anything with an ``id`` and a ``title``."""
    response: str = ""
    """The text of the agent's reply."""
    evidence: Evidence | None = None
    review: Review | None = None
    validation: Validation = field(default_factory=Validation)
    valid: bool = True
    """False when a caller says that the reply is no answer without naming a problem."""
    quality: Quality | None = None
    confidence: float | None = None
    claims: tuple[str, ...] = ()
    """Claims of the reply that the evidence contradicts."""
    attempts_left: int = 1
    """How many more attempts there may be. A caller who does not say bounds the loop itself."""
    limit: str = ""
    """Name of a limit of the whole task that is used up, such as ``seconds`` or ``cost_usd``."""
    is_vague: bool = False
    """True when nothing in the task's words can be checked, and nobody was there who could be asked."""

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Situation:
        """Read a plain mapping.

        Keys: ``task, response, validation_result, quality_score, confidence_score`` and ``evidence, review,
        validation, quality, confidence, claims, attempts_left, limit, is_vague``; all may be missing.
        """
        validation, valid = read_validation(context.get("validation", context.get("validation_result")))
        return cls(
            task=context.get("task"),
            response=str(context.get("response") or ""),
            evidence=context.get("evidence"),
            review=context.get("review"),
            validation=validation,
            valid=valid,
            quality=_quality(context.get("quality", context.get("quality_score"))),
            confidence=finite(context.get("confidence", context.get("confidence_score"))),
            claims=tuple(context.get("claims") or ()),
            attempts_left=int(context.get("attempts_left", 1)),
            limit=str(context.get("limit") or ""),
            is_vague=bool(context.get("is_vague", False)),
        )

    def as_data(self) -> dict[str, Any]:
        """Return all that the rules look at, as plain JSON data small enough to store with every attempt."""
        evidence = self.evidence or Evidence()
        return {
            "task": {"id": getattr(self.task, "id", None), "title": _short(getattr(self.task, "title", ""))},
            "response_characters": len(self.response),
            "checks": [
                {
                    "name": _short(check.name),
                    "passed": check.passed,
                    "required": check.required,
                    "implied": check.implied,
                    "message": _short(check.message),
                }
                for check in evidence.checks
            ],
            "changes": len(evidence.changes),
            "total_changes": len(evidence.total_changes),
            "tampering": _sentences(evidence.tampering),
            "review": None if self.review is None else _review_data(self.review),
            "valid": self.valid and self.validation.valid,
            "problems": [problem.value for problem in self.validation.problems],
            "question": _short(self.validation.question),
            "quality": None if self.quality is None else finite(self.quality.overall_score),
            "confidence": finite(self.confidence),
            "claims": _sentences(self.claims),
            "attempts_left": self.attempts_left,
            "limit": _short(self.limit),
            "is_vague": self.is_vague,
        }


def read_validation(value: Any) -> tuple[Validation, bool]:
    """Return a validation and whether it says valid; reads a record, ``{"valid": bool}``, or nothing.

    Nothing said about the reply is nothing said against it.
    """
    if value is None:
        return Validation(), True
    if isinstance(value, Validation):
        return value, value.valid
    problems = tuple(Problem(problem) for problem in value.get("problems", ()))
    return (
        Validation(problems=problems, question=str(value.get("question", ""))),
        bool(value.get("valid", not problems)),
    )


def finite(value: Any) -> float | None:
    """Return *value* as a number, or ``None`` when it is not one that can be compared (text, truth value, NaN)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        return None
    return float(value)


def _quality(value: Any) -> Quality | None:
    if isinstance(value, Quality):
        return value
    score = finite(getattr(value, "overall_score", value))
    return None if score is None else Quality(overall_score=score)


def _review_data(review: Review) -> dict[str, Any]:
    return {
        "verdict": review.verdict.value,
        "score": finite(review.score),
        "told_apart": review.told_apart,
        "issues": _sentences(review.issues),
        "question": _short(review.question),
    }


def _sentences(values: tuple[str, ...]) -> list[str]:
    return [_short(value) for value in values[:MOST_SENTENCES]]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_SENTENCE else text[: LONGEST_SENTENCE - 1] + "\N{HORIZONTAL ELLIPSIS}"
