"""How often a verdict with so many points turned out right: points become a chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from obra.domain import Evidence, Review, Verdict

GOOD, WRONG = "good", "wrong"
"""The two verdicts: nothing speaks against the work; something does."""
CHECKED, REVIEWED, UNCHECKED = "checked", "reviewed", "unchecked"
"""What a verdict rests on, on which its worth depends more than on all else: checks that somebody wrote for the
task; a reviewer that told the work from a broken copy of it; or neither."""
ANY_MODEL = ""
"""Key of the chances for models that nobody has measured."""

Steps = Sequence[tuple[float, float]]
"""Pairs of points and the chance (0 to 100) from so many points up, both rising."""


def verdict_of(evidence: Evidence | None, review: Review | None) -> bool | None:
    """Return the verdict on the work: true when nothing that was seen, and no reviewer, speaks against it.

    ``None`` where there is no verdict: nothing to judge by, or a review that cannot be read. A verdict is not yet
    the decision: work that nobody wrote checks for is not accepted, however good it looks.
    """
    if evidence is None or evidence.is_empty:
        return None
    if evidence.tampering or any(not check.passed and check.required for check in evidence.checks):
        return False
    verdict = review.verdict if review else Verdict.UNSURE
    return None if verdict is Verdict.UNREADABLE else verdict is not Verdict.NO


def kind_of(*, says_good: bool, is_measured: bool, told_apart: bool = False) -> str:
    """Return the name of a kind of verdict, such as ``good, checked``; each kind has steps of its own."""
    basis = CHECKED if is_measured else REVIEWED if told_apart else UNCHECKED
    return f"{GOOD if says_good else WRONG}, {basis}"


def has_written_checks(evidence: Evidence) -> bool:
    """Tell whether a required check that somebody wrote has run."""
    return any(check.required and not check.implied for check in evidence.checks)


def chance_of(chances: Mapping[str, Mapping[str, Steps]], model: str, kind: str, points: float) -> float:
    """Return the chance, 0 to 100, that a verdict is right; the points themselves where nothing was measured.

    Below the lowest points that were measured it falls in a straight line to 0: nothing is known there, and what
    is not known does not count in favour.

    Args:
        chances: steps by identity of the model and by kind of verdict.
        model: who reviewed; the chances of :data:`ANY_MODEL` count for those that were not measured.
        kind: as :func:`kind_of` gives it.
        points: sum of the factors.
    """
    measured = chances.get(model) or chances.get(ANY_MODEL) or {}
    steps = measured.get(kind) or ()
    if not steps:
        return min(max(points, 0.0), 100.0)
    lowest, chance = steps[0]
    if points < lowest:
        return round(chance * max(points, 0.0) / lowest, 2)
    for least, value in steps:
        if points < least:
            break
        chance = value
    return chance
