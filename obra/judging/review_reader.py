"""Reading what the reviewer answered, strictly: what is not certainly a review is no review."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from obra.domain import Review, Verdict
from obra.judging.fences import read_markdown

VERDICTS = (Verdict.YES, Verdict.NO, Verdict.UNSURE)
KEYS = frozenset({"reason", "verdict", "score", "issues", "question"})
LOWEST, HIGHEST = 0, 100
LONGEST_SHOWN = 80


class _Unreadable(Exception):  # a verdict on a text, not an error of the program
    """Why a text is no review; never leaves this file."""


def read_review(text: str, model: str = "") -> Review:
    """Read one JSON object, alone or as the only thing inside one code fence.

    ``verdict`` must be there and be yes, no or unsure; ``score``, if given, a number from 0 to 100; ``issues`` a
    list of texts; ``reason`` and ``question`` texts. Anything else, a key that stands twice or is not known
    included, gives :attr:`Verdict.UNREADABLE` with the cause as its only issue: nothing passes by accident.
    """
    raw = str(text)
    try:
        data = _object_in(raw)
        return Review(
            verdict=_verdict(data),
            score=_score(data),
            issues=_issues(data),
            question=_text(data, "question"),
            raw=raw,
            model=model,
        )
    except _Unreadable as problem:
        return Review(verdict=Verdict.UNREADABLE, issues=(str(problem),), raw=raw, model=model)


def _object_in(text: str) -> Mapping[str, Any]:
    body = _unfenced(text.strip())
    if not body:
        raise _Unreadable("the reviewer answered nothing")
    try:
        data = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"the reviewer's answer is not JSON: {error}; it is {_shown(body)}") from error
    if not isinstance(data, Mapping):
        raise _Unreadable(f"the reviewer's answer is not a JSON object; it is {_shown(data)}")
    if unknown := sorted(set(data) - KEYS):
        raise _Unreadable(f"the reviewer's answer has an unknown key {_shown(unknown[0])}")
    _text(data, "reason")
    return data


def _unfenced(text: str) -> str:
    if not text.startswith(("```", "~~~")):
        return text
    markdown = read_markdown(text)
    if markdown.prose.strip() or len(markdown.fences) != 1 or not markdown.fences[0].closed:
        raise _Unreadable("the reviewer's answer has text or code besides its one JSON object")
    if markdown.fences[0].language not in {"", "json"}:
        raise _Unreadable(f"the reviewer's answer is {_shown(markdown.fences[0].language)}, not JSON")
    return markdown.fences[0].body.strip()


def _verdict(data: Mapping[str, Any]) -> Verdict:
    value = data.get("verdict")
    for verdict in VERDICTS:
        if isinstance(value, str) and value == verdict.value:
            return verdict
    if "verdict" not in data:
        raise _Unreadable("the reviewer gave no verdict")
    raise _Unreadable(f"the reviewer's verdict must be yes, no or unsure; it is {_shown(value)}")


def _score(data: Mapping[str, Any]) -> float | None:
    value = data.get("score")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not LOWEST <= value <= HIGHEST:
        raise _Unreadable(f"the reviewer's score must be a number from 0 to 100; it is {_shown(value)}")
    return float(value)


def _issues(data: Mapping[str, Any]) -> tuple[str, ...]:
    value = data.get("issues", [])
    if not isinstance(value, list) or not all(isinstance(issue, str) for issue in value):
        raise _Unreadable(f"the reviewer's issues must be a list of texts; they are {_shown(value)}")
    return tuple(issue.strip() for issue in value if issue.strip())


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise _Unreadable(f"the reviewer's {key} must be a text; it is {_shown(value)}")
    return value.strip()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands in it twice")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _shown(value: object) -> str:
    if not isinstance(value, str | int | float | None):
        return (
            f"a {type(value).__name__} of {len(value)}" if isinstance(value, list | dict) else "of no known type"
        )
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "\N{HORIZONTAL ELLIPSIS}"
