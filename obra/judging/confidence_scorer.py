"""How sure the verdict is. Not how good the work is: work that is surely bad gives a high number too.

Factors give points, and points give a chance: how often verdicts with so many points were right in the corpus that
``obra calibrate`` measures. What it is worth stands in ``docs/calibration.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from obra.domain import Confidence, Evidence, Factor, Review, Verdict
from obra.judging.chances import Steps, chance_of, has_written_checks, kind_of, verdict_of
from obra.judging.claims import false_claims
from obra.judging.measured_chances import CHANCES
from obra.judging.response_validator import ResponseValidator
from obra.judging.situation import read_validation

EVIDENCE, REVIEW, AGREEMENT, REPLY = 50.0, 20.0, 20.0, 10.0
IMPLIED_ONLY, CHANGES_ONLY = 25.0, 10.0
UNSURE = 5.0
FALSE_CLAIM = -30.0
CONTRADICTION = -40.0
DISAGREEMENT = -30.0
TOLD_APART = 20.0
READABLE = frozenset({Verdict.YES, Verdict.NO})


class ConfidenceScorer:
    """Scores how much there is to judge by, and whether it agrees.

    ===========  ======  =================================================================================
    factor       weight  points
    ===========  ======  =================================================================================
    evidence     50      a written check ran 50; only implied checks 25; only changes 10; nothing 0
    review       20      yes or no 20; unsure 5; unreadable or missing 0
    agreement    20      checks pass and review yes, or one fails and review no: 20; checks pass and review no:
                         minus 40; else 0, also where one fails and the review says yes: checks weigh more
    reply        10      the reply is an answer
    samples      0       minus 30 times the share of the review's samples that did not say what most said, or
                         could not be counted; only where the review was asked for more than once
    control      0       plus 20 where the reviewer told the work from a broken copy of it; only where its yes
                         decides, because nobody wrote a check
    false claim  0       minus 30 for each claim that the evidence contradicts; 0 where the verdict is against
                         the work already, for that is what a lie speaks for
    measured     0       0; says how often verdicts with so many points were right
    ===========  ======  =================================================================================

    The sum never falls below 0. The number is the measured chance that the verdict is right; where there is no
    verdict (nothing to judge by, a review that cannot be read), or nothing was measured, it is the sum itself.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        """Take the section ``confidence``; its threshold is the decision engine's and cannot move a score.

        ``config["chances"]`` replaces the measured chances (:mod:`obra.judging.measured_chances`); an empty
        mapping leaves the points as they are.
        """
        self.config = dict(config or {})
        self.chances: Mapping[str, Mapping[str, Steps]] = self.config.get("chances", CHANCES)
        self.validator = ResponseValidator()

    def score_response(self, response: Any, task: Any, metadata: Mapping[str, Any] | None = None) -> Confidence:  # noqa: ARG002  # the task is part of the plan's signature
        """Return a number from 0 to 100 with its factors.

        Args:
            response: the reply, as a text or a record.
            task: what was asked.
            metadata: may hold ``validation`` (a record or ``{"valid": bool}``), ``evidence``, ``review`` and
                ``claims``. A ``quality`` may be there and does not count: good and sure are two things.
        """
        metadata = metadata or {}
        text = str(response)
        evidence: Evidence | None = metadata.get("evidence")
        review: Review | None = metadata.get("review")
        given = metadata.get("validation")
        _, valid = read_validation(self.validator.validate_response(text) if given is None else given)
        claims = metadata.get("claims")
        claims = false_claims(text, evidence) if claims is None else tuple(claims)
        verdict = verdict_of(evidence, review)
        factors = (
            _evidence_factor(evidence or Evidence()),
            _review_factor(review),
            _agreement_factor(evidence or Evidence(), review),
            Factor(
                name="reply",
                points=REPLY if valid else 0.0,
                weight=REPLY,
                why="the reply is an answer" if valid else "the reply is no answer",
            ),
            *_samples_factor(review),
            *_control_factor(review),
            *_claim_factors(claims, verdict),
        )
        points = min(max(0.0, sum(factor.points for factor in factors)), 100.0)
        if verdict is None or evidence is None or not self.chances:
            return Confidence(points, factors)
        kind = kind_of(
            says_good=verdict,
            is_measured=has_written_checks(evidence),
            told_apart=review is not None and bool(review.told_apart),
        )
        chance = chance_of(self.chances, review.model if review else "", kind, points)
        why = f"verdicts of this kind with {points:g} points were right in {chance:g} of 100 cases"
        return Confidence(chance, (*factors, Factor(name="measured", points=0.0, weight=0.0, why=why)))


def _evidence_factor(evidence: Evidence) -> Factor:
    if has_written_checks(evidence):
        points, why = EVIDENCE, "checks ran that were written for this task"
    elif evidence.checks:
        points, why = IMPLIED_ONLY, "only implied or optional checks ran"
    elif evidence.total_changes:
        points, why = CHANGES_ONLY, "files changed, but nothing measured them"
    else:
        points, why = 0.0, "there is nothing to judge by"
    return Factor(name="evidence", points=points, weight=EVIDENCE, why=why)


def _review_factor(review: Review | None) -> Factor:
    if review is None:
        return Factor(name="review", points=0.0, weight=REVIEW, why="nobody reviewed")
    points = {Verdict.UNSURE: UNSURE, Verdict.UNREADABLE: 0.0}.get(review.verdict, REVIEW)
    return Factor(name="review", points=points, weight=REVIEW, why=f"the reviewer says {review.verdict.value}")


def _agreement_factor(evidence: Evidence, review: Review | None) -> Factor:
    measured = any(check.required for check in evidence.checks)
    if not measured or review is None or review.verdict not in READABLE:
        return Factor(name="agreement", points=0.0, weight=AGREEMENT, why="there is nothing to compare")
    passed, yes = not evidence.failed_checks, review.verdict is Verdict.YES
    if passed is yes:
        points, why = AGREEMENT, "checks and reviewer agree"
    elif passed:
        points, why = CONTRADICTION, "the reviewer contradicts checks that pass"
    else:
        points, why = 0.0, "the reviewer contradicts a check that fails, which counts for nothing"
    return Factor(name="agreement", points=points, weight=AGREEMENT, why=why)


def _control_factor(review: Review | None) -> tuple[Factor, ...]:
    if review is None or review.told_apart is None:
        return ()
    told = "told" if review.told_apart else "did not tell"
    why = f"the reviewer {told} the work from a broken copy of it"
    return (Factor(name="control", points=TOLD_APART if review.told_apart else 0.0, weight=0.0, why=why),)


def _claim_factors(claims: Iterable[str], verdict: bool | None) -> tuple[Factor, ...]:
    points = 0.0 if verdict is False else FALSE_CLAIM
    return tuple(Factor(name="false claim", points=points, weight=0.0, why=claim) for claim in claims)


def _samples_factor(review: Review | None) -> tuple[Factor, ...]:
    if review is None or review.agreement is None:
        return ()
    share = min(max(review.agreement, 0.0), 1.0)
    why = f"the samples of the review agree to {share:.0%}"
    return (Factor(name="samples", points=round(DISAGREEMENT * (1 - share), 2), weight=0.0, why=why),)
