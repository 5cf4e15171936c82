"""How good the work is: a number from 0 to 100 that is made of evidence, not of words."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Any

from obra.domain import Evidence, Factor, Quality, Review, Validation, Verdict
from obra.judging.chances import has_written_checks
from obra.judging.claims import false_claims
from obra.judging.fences import read_markdown
from obra.judging.response_validator import ResponseValidator
from obra.judging.situation import finite, read_validation

CHECKS, REVIEW, REPLY = 60.0, 30.0, 10.0
"""Weights. What was measured outweighs what was judged; what was merely said cannot make a pass."""
READABLE = frozenset({Verdict.YES, Verdict.NO})


class QualityController:
    """Scores one attempt.

    ========  ======  ====================================================================================
    factor    weight  points
    ========  ======  ====================================================================================
    checks    60      the share of required checks that passed. When nobody wrote any, all are Obra's own
                      (syntax, tests that were written) or there are none: they show that it runs, and only
                      the reviewer can say that it is what was asked. Then it is that share (1 when none ran)
                      times the reviewer's score; 0 for a yes of one that did not tell the work from a broken
                      copy.
    review    30      the reviewer's score, when it said yes or no; unsure, unreadable, missing: 0
    reply     10      the reply is an answer; without any evidence, its Python code must also parse. Where
                      checks that somebody wrote ran and every required one passed, the work is the answer,
                      whatever was said or not said
    ========  ======  ====================================================================================

    Missing evidence is missing: it takes its whole weight away.
    """

    def __init__(self, state_manager: Any = None, config: Mapping[str, Any] | None = None) -> None:
        """Take the section ``validation`` of the settings.

        The state manager is accepted for the plan's signature and never asked: a score depends on its inputs
        alone. ``config["quality"]`` says from which score the decision engine proceeds; it cannot move a score.
        """
        self.state_manager = state_manager
        self.config = dict(config or {})
        self.validator = ResponseValidator()

    def validate_output(self, response: Any, task: Any, context: Mapping[str, Any] | None = None) -> Quality:  # noqa: ARG002  # the task is part of the plan's signature
        """Score *response*.

        Args:
            response: the reply, as a text or a record.
            task: what was asked; the checks already speak for it.
            context: may hold ``evidence``, ``review``, ``validation``, ``claims`` and ``language``.
        """
        context = context or {}
        text = str(response)
        evidence: Evidence | None = context.get("evidence")
        review: Review | None = context.get("review")
        validation, valid = self._validation(context, text)
        claims = context.get("claims")
        claims = false_claims(text, evidence) if claims is None else tuple(claims)
        nothing_seen = evidence is None or evidence.is_empty
        unparsed = _unparsed(text) if nothing_seen and context.get("language") == "python" else ""
        factors = (
            _checks_factor(evidence or Evidence(), review),
            _review_factor(review),
            _reply_factor(validation, valid=valid, unparsed=unparsed, shown=_is_shown(evidence)),
        )
        issues = (
            *(f"{check.name}: {check.message}" for check in (evidence or Evidence()).failed_checks),
            *(review.issues if review else ()),
            *claims,
            *(f"the reply as an answer: {problem.value}" for problem in validation.problems),
            *([unparsed] if unparsed else []),
        )
        score = sum(factor.points for factor in factors)
        return Quality(overall_score=round(score, 2), factors=factors, issues=issues)

    def _validation(self, context: Mapping[str, Any], text: str) -> tuple[Validation, bool]:
        given = context.get("validation")
        return read_validation(self.validator.validate_response(text) if given is None else given)


def _checks_factor(evidence: Evidence, review: Review | None) -> Factor:
    required = [check for check in evidence.checks if check.required]
    passed = sum(check.passed for check in required)
    points = CHECKS * passed / len(required) if required else CHECKS
    why = f"{passed} of {len(required)} required checks passed" if required else "no required check ran"
    if not has_written_checks(evidence):
        counts = review is not None and (review.verdict is Verdict.NO or bool(review.told_apart))
        points *= _reviewer_share(review) if counts and not evidence.is_empty else 0.0
        why += "; nobody wrote one, so they count as far as the reviewer agrees" if counts else ", none written"
    return Factor(name="checks", points=points, weight=CHECKS, why=why)


def _review_factor(review: Review | None) -> Factor:
    said = f"the reviewer says {review.verdict.value}" if review else "nobody reviewed"
    why = f"{said}, score {review.score:g}" if review and review.score is not None else f"{said}, without a score"
    return Factor(name="review", points=REVIEW * _reviewer_share(review), weight=REVIEW, why=why)


def _reviewer_share(review: Review | None) -> float:
    """Return the reviewer's score from 0 to 1; 0 unless it said yes or no."""
    if review is None or review.verdict not in READABLE:
        return 0.0
    return min(max(finite(review.score) or 0.0, 0.0), 100.0) / 100


def _is_shown(evidence: Evidence | None) -> bool:
    return evidence is not None and has_written_checks(evidence) and not evidence.failed_checks


def _reply_factor(validation: Validation, *, valid: bool, unparsed: str, shown: bool) -> Factor:
    if shown:
        return Factor(name="reply", points=REPLY, weight=REPLY, why="the checks show the work, whatever is said")
    if unparsed:
        return Factor(name="reply", points=0.0, weight=REPLY, why=unparsed)
    if not valid:
        problems = ", ".join(problem.value for problem in validation.problems) or "not valid"
        return Factor(name="reply", points=0.0, weight=REPLY, why=f"the reply is no answer: {problems}")
    return Factor(name="reply", points=REPLY, weight=REPLY, why="the reply is an answer")


def _unparsed(text: str) -> str:
    """Return a sentence about the first Python block that does not parse, or nothing."""
    for number, fence in enumerate(read_markdown(text).fences, start=1):
        if fence.language not in {"python", "py", "python3"}:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(fence.body)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return f"the Python code in block {number} of the reply does not parse: {type(error).__name__}"
    return ""
