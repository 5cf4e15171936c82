"""Reading what the reviewer answered, strictly: what is not certainly a review is no review."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from obra.domain import Review, Verdict
from obra.judging.strict_json import Unreadable, read_object, shown, text_at

VERDICTS = (Verdict.YES, Verdict.NO, Verdict.UNSURE)
KEYS = frozenset({"reason", "verdict", "score", "issues", "question"})
LOWEST, HIGHEST = 0, 100


def read_review(text: str, model: str = "") -> Review:
    """Read one JSON object, alone or as the only thing inside one code fence.

    ``verdict`` must be there and be yes, no or unsure; ``score``, if given, a number from 0 to 100; ``issues`` a
    list of texts; ``reason`` and ``question`` texts. Anything else, a key that stands twice or is not known
    included, gives :attr:`Verdict.UNREADABLE` with the cause as its only issue: nothing passes by accident.
    """
    raw = str(text)
    try:
        data = read_object(raw, KEYS)
        text_at(data, "reason")
        return Review(
            verdict=read_verdict(data),
            score=_score(data),
            issues=_issues(data),
            question=text_at(data, "question"),
            raw=raw,
            model=model,
        )
    except Unreadable as problem:
        return Review(verdict=Verdict.UNREADABLE, issues=(str(problem),), raw=raw, model=model)


def read_verdict(data: Mapping[str, Any]) -> Verdict:
    """Return the verdict in *data*: yes, no or unsure.

    Raises:
        Unreadable: it is missing, or something else.
    """
    value = data.get("verdict")
    for verdict in VERDICTS:
        if isinstance(value, str) and value == verdict.value:
            return verdict
    if "verdict" not in data:
        raise Unreadable("the reviewer gave no verdict")
    raise Unreadable(f"the reviewer's verdict must be yes, no or unsure; it is {shown(value)}")


def _score(data: Mapping[str, Any]) -> float | None:
    value = data.get("score")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not LOWEST <= value <= HIGHEST:
        raise Unreadable(f"the reviewer's score must be a number from 0 to 100; it is {shown(value)}")
    return float(value)


def _issues(data: Mapping[str, Any]) -> tuple[str, ...]:
    value = data.get("issues", [])
    if not isinstance(value, list) or not all(isinstance(issue, str) for issue in value):
        raise Unreadable(f"the reviewer's issues must be a list of texts; they are {shown(value)}")
    return tuple(issue.strip() for issue in value if issue.strip())
