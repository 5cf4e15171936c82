"""All numbers of a calibration as plain JSON data, counted from what was judged. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from obra.calibration.chances import (
    FITTED,
    HELD_BACK,
    Chances,
    countable,
    forecasts,
    half_of,
    proposed,
    with_verdict,
)
from obra.calibration.corpus import BARE, Origin
from obra.calibration.metrics import (
    accepting,
    best_threshold,
    brier,
    calibration_error,
    reliability,
    roc_auc,
)
from obra.calibration.trial import Judged, Label
from obra.calibration.words_alone import WordsAlone
from obra.domain import TaskStatus
from obra.statistics.proportions import Share

DIGITS = 4
"""Decimals of what is written down."""
ENDS = frozenset({TaskStatus.COMPLETED, TaskStatus.ESCALATED, TaskStatus.FAILED})
"""The stored ends of a task; anything else would be a lost one."""


def summarise(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return every number of the report; nothing in it depends on time, place or the order of processes.

    Keys: ``corpus``, ``reviewers`` (one entry for each, see :func:`_reviewer`), ``baseline``, ``chances`` (the
    fitted steps by model and verdict).
    """
    chances = proposed(judged)
    names = list(dict.fromkeys((one.reviewer, one.model) for one in judged))
    first = [one for one in judged if (one.reviewer, one.model) == names[0]]
    return {
        "corpus": _corpus(first),
        "reviewers": [
            _reviewer([one for one in judged if (one.reviewer, one.model) == name], chances) for name in names
        ],
        "baseline": baseline(first),
        "chances": {
            model: {verdict: list(steps) for verdict, steps in one.items()} for model, one in chances.items()
        },
    }


def of_held_back(judged: Sequence[Judged], chances: Mapping[str, Chances]) -> dict[str, Any]:
    """Return the numbers of a corpus that nothing was fitted to, under *chances* that were fitted to another.

    Keys: ``corpus`` and ``reviewers``, as in :func:`summarise`, without thresholds.
    """
    names = list(dict.fromkeys((one.reviewer, one.model) for one in judged))
    groups = [[one for one in judged if (one.reviewer, one.model) == name] for name in names]
    found = []
    for group in groups:
        numbers = _reviewer(group, chances)
        del numbers["thresholds"]
        found.append({**numbers, "confidence": _confidence(countable(group), chances)})
    return {"corpus": _corpus(groups[0]), "reviewers": found}


def _corpus(judged: Sequence[Judged]) -> dict[str, Any]:
    tasks = sorted({one.task.removesuffix(f" {BARE}") for one in judged})
    labels = Counter(one.label for one in judged)
    origins = Counter((one.origin, one.label) for one in judged)
    return {
        "tasks": len(tasks),
        "bare_attempts": sum(not one.is_measured for one in judged),
        "fitted_half": [task for task in tasks if half_of(task) == FITTED],
        "held_back_half": [task for task in tasks if half_of(task) == HELD_BACK],
        "attempts": len(judged),
        "labels": {label.value: labels[label] for label in (Label.GOOD, Label.BAD, Label.HARMLESS)},
        "origins": {f"{origin.value} {label.value}": count for (origin, label), count in sorted(origins.items())},
        "harmless": [one.name for one in judged if one.label is Label.HARMLESS],
    }


def _reviewer(judged: Sequence[Judged], chances: Mapping[str, Chances]) -> dict[str, Any]:
    """Return the numbers of one reviewer; attempts at tasks with and without written checks stand apart."""
    known = countable(judged)
    measured = [one for one in known if one.is_measured]
    return {
        "reviewer": judged[0].reviewer.value,
        "model": judged[0].model,
        "with_checks": _verdicts(measured),
        "without_checks": _verdicts([one for one in known if not one.is_measured]),
        "endings": {end.value: sum(one.status is end for one in judged) for end in sorted(ENDS)},
        "lost": [one.name for one in judged if one.status not in ENDS],
        "confidence": _confidence([one for one in known if half_of(one.task) == HELD_BACK], chances),
        "thresholds": _thresholds(measured),
    }


def _verdicts(judged: Sequence[Judged]) -> dict[str, Any]:
    counted = accepting([(one.accepted, one.is_good) for one in judged])
    return {
        "good": sum(one.is_good for one in judged),
        "bad": sum(not one.is_good for one in judged),
        "completed": sum(one.accepted for one in judged),
        "false_accepts": _share(counted.false_accepts),
        "false_accepts_by_origin": {origin.value: _false_accepts(judged, origin) for origin in Origin},
        "false_rejects": _share(counted.false_rejects),
        "precision": _share(counted.precision),
        "recall": _share(counted.recall),
        "quality_auc": _rounded(roc_auc([(one.quality or 0.0, one.is_good) for one in judged])),
        "accepted_bad": [_told(one, "; ".join(one.truth)) for one in judged if one.accepted and not one.is_good],
        "refused_good": [_told(one, one.reason) for one in judged if one.is_good and not one.accepted],
    }


def _false_accepts(judged: Sequence[Judged], origin: Origin) -> dict[str, Any]:
    bad = [one.accepted for one in judged if one.origin is origin and not one.is_good]
    return _share(Share.counted(sum(bad), len(bad)))


def _told(one: Judged, why: str) -> dict[str, str]:
    return {"attempt": one.name, "origin": one.origin.value, "why": why}


def _confidence(held_back: Sequence[Judged], chances: Mapping[str, Chances]) -> dict[str, Any]:
    """Return how good the chances are on attempts that they were not fitted to, and the points beside."""
    fitted = forecasts(held_back, chances)
    return {
        "verdicts": len(with_verdict(held_back)),
        "right": sum(one.is_right for one in with_verdict(held_back)),
        "fitted": _forecast_numbers(fitted),
        "points": _forecast_numbers(forecasts(held_back)),
        "reliability": [
            {name: _rounded(one[name]) for name in ("low", "high", "count", "said", "came_true")}
            for one in reliability(fitted)
        ],
    }


def _forecast_numbers(found: Sequence[tuple[float, bool, float]]) -> dict[str, Any]:
    return {
        "brier": _rounded(brier(found)),
        "calibration_error": _rounded(calibration_error(found)),
        "auc": _rounded(roc_auc([(chance, came_true) for chance, came_true, _ in found])),
    }


def _thresholds(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return the least quality to accept that fits the first half, and what it does to the other."""
    halves: dict[int, list[tuple[float, bool]]] = {FITTED: [], HELD_BACK: []}
    for one in judged:
        halves[half_of(one.task)].append((one.quality or 0.0, one.is_good))
    threshold = best_threshold(halves[FITTED])
    counted = accepting([(score >= threshold, is_good) for score, is_good in halves[HELD_BACK]])
    return {
        "quality": threshold,
        "false_accepts": _share(counted.false_accepts),
        "false_rejects": _share(counted.false_rejects),
    }


def baseline(judged: Iterable[Judged]) -> dict[str, Any]:
    """Return what words alone can tell: learned on one half, tried on the other, beside the quality score there.

    Only tasks with written checks count, as for the score it stands beside.
    """
    known = [one for one in countable(judged) if one.is_measured]
    learned = [(one.words, one.is_good) for one in known if half_of(one.task) == FITTED]
    tried = [one for one in known if half_of(one.task) == HELD_BACK]
    if len({is_good for _, is_good in learned}) < len((True, False)):
        return {
            "attempts": len(tried),
            "auc": None,
            "false_accepts": None,
            "false_rejects": None,
            "quality_auc": None,
        }
    words = WordsAlone(learned)
    threshold = best_threshold([(words.score(text), is_good) for text, is_good in learned])
    scored = [(words.score(one.words), one.is_good) for one in tried]
    counted = accepting([(score >= threshold, is_good) for score, is_good in scored])
    return {
        "attempts": len(tried),
        "auc": _rounded(roc_auc(scored)),
        "false_accepts": _share(counted.false_accepts),
        "false_rejects": _share(counted.false_rejects),
        "quality_auc": _rounded(roc_auc([(one.quality or 0.0, one.is_good) for one in tried])),
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "count": share.count,
        "of": share.of,
        "rate": _rounded(share.rate),
        "low": _rounded(share.low),
        "high": _rounded(share.high),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
