"""What scores and verdicts are worth, in numbers. Pure; formulas with their sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from obra.domain import Record
from obra.statistics.proportions import Share

BINS = 10
"""Bins of equal width for the reliability table, as is usual."""
ACCEPT_COST, REJECT_COST = 5.0, 1.0
"""What a false accept and a false reject cost: as 5 % of the one may be had for 1 % of the other."""

Scored = Sequence[tuple[float, bool]]
"""A score, and whether the thing is so."""
Forecasts = Sequence[tuple[float, bool, float]]
"""A chance from 0 to 100, whether it came true, and how many observations this one counts for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepting(Record):
    """How well accepting and good go together."""

    false_accepts: Share
    """Of the bad ones, those that were accepted."""
    false_rejects: Share
    """Of the good ones, those that were not."""
    precision: Share
    """Of the accepted ones, those that are good."""
    recall: Share
    """Of the good ones, those that were accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin(Record):
    """One row of the reliability table; shares from 0 to 1."""

    low: float
    high: float
    count: int
    weight: float
    """For how many observations they count."""
    said: float
    """Mean of the chances that were given."""
    came_true: float
    """Share of those that came true."""


def accepting(pairs: Sequence[tuple[bool, bool]]) -> Accepting:
    """Count pairs of *accepted* and *good*."""
    good = sum(is_good for _, is_good in pairs)
    accepted = sum(is_accepted for is_accepted, _ in pairs)
    both = sum(is_accepted and is_good for is_accepted, is_good in pairs)
    return Accepting(
        false_accepts=Share.counted(accepted - both, len(pairs) - good),
        false_rejects=Share.counted(good - both, good),
        precision=Share.counted(both, accepted),
        recall=Share.counted(both, good),
    )


def roc_auc(scored: Scored) -> float | None:
    """Return the chance that a positive scores higher than a negative, ties counting half; ``None`` without both.

    This is the area under the ROC curve by way of the rank statistic: H. B. Mann and D. R. Whitney, "On a test of
    whether one of two random variables is stochastically larger than the other", Annals of Mathematical Statistics
    18 (1947), 50-60; J. A. Hanley and B. J. McNeil, Radiology 143 (1982), 29-36.
    """
    positives = sum(is_so for _, is_so in scored)
    negatives = len(scored) - positives
    if not positives or not negatives:
        return None
    ordered = sorted(scored)
    rank_sum, start = 0.0, 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end][0] == ordered[start][0]:
            end += 1
        middle = (start + 1 + end) / 2  # mean of the ranks start + 1 ... end
        rank_sum += middle * sum(is_so for _, is_so in ordered[start:end])
        start = end
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def brier(forecasts: Forecasts) -> float | None:
    """Return the mean squared difference of chance and outcome, on the scale 0 (best) to 1; ``None`` of nothing.

    Source: G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78
    (1950), 1-3, in the form for two outcomes that is usual today.
    """
    total = math.fsum(weight for *_, weight in forecasts)
    if not total:
        return None
    squares = (weight * (chance / 100 - came_true) ** 2 for chance, came_true, weight in forecasts)
    return math.fsum(squares) / total


def reliability(forecasts: Forecasts, bins: int = BINS) -> tuple[Bin, ...]:
    """Return what was said and what came true in bins of equal width; empty bins are left out."""
    found: dict[int, list[tuple[float, bool, float]]] = {}
    for forecast in forecasts:
        found.setdefault(min(int(forecast[0] / 100 * bins), bins - 1), []).append(forecast)
    return tuple(_bin(number / bins, (number + 1) / bins, inside) for number, inside in sorted(found.items()))


def _bin(low: float, high: float, inside: Forecasts) -> Bin:
    total = math.fsum(weight for *_, weight in inside)
    return Bin(
        low=low,
        high=high,
        count=len(inside),
        weight=total,
        said=math.fsum(weight * chance / 100 for chance, _, weight in inside) / total,
        came_true=math.fsum(weight * came_true for _, came_true, weight in inside) / total,
    )


def calibration_error(forecasts: Forecasts, bins: int = BINS) -> float | None:
    """Return the expected calibration error, 0 (best) to 1: the mean distance of said and came true over all bins.

    Source: M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015.
    """
    table = reliability(forecasts, bins)
    if not table:
        return None
    return math.fsum(one.weight * abs(one.said - one.came_true) for one in table) / math.fsum(
        one.weight for one in table
    )


def best_threshold(scored: Scored) -> float:
    """Return the score from which accepting costs least, the highest of several; a false accept costs five times.

    Only scores that occur are tried, and one above them all, where nothing is accepted.
    """
    tried = sorted({score for score, _ in scored}, reverse=True)
    best, least = 100.0, _cost(scored, float("inf"))
    for threshold in tried:
        cost = _cost(scored, threshold)
        if cost < least:
            best, least = threshold, cost
    return best


def _cost(scored: Scored, threshold: float) -> float:
    result = accepting([(score >= threshold, is_good) for score, is_good in scored])
    return ACCEPT_COST * (result.false_accepts.rate or 0.0) + REJECT_COST * (result.false_rejects.rate or 0.0)
