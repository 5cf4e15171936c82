"""Shares of so many of so many, and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from obra.domain import Record

CONFIDENCE = 0.95
"""Chance that an interval holds the true share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Record):
    """So many of so many, with the interval that holds the true share with a chance of 95 %."""

    count: int
    of: int
    low: float
    high: float

    @classmethod
    def counted(cls, count: int, of: int) -> Share:
        """Return the share with its score interval (see :func:`wilson`)."""
        return _counted(count, of)

    @property
    def rate(self) -> float | None:
        """The observed share, 0 to 1; ``None`` of nothing."""
        return self.count / self.of if self.of else None


@lru_cache(maxsize=256)  # a run of thousands of cases that pass holds one share
def _counted(count: int, of: int) -> Share:
    low, high = wilson(count, of)
    return Share(count=count, of=of, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Record):
    """The difference of two shares, -1 to 1, with its interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the score interval of a share, from 0 to 1; nothing is known of no trials.

    Formula: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927), 209-212: the shares ``p`` for which the observed one lies within
    ``z`` standard errors, the standard error being that of ``p`` itself.

    Raises:
        ValueError: there cannot be so many successes in so many trials, or the confidence is not between 0 and 1.
    """
    if not 0 <= successes <= trials or not 0 < confidence < 1:
        raise ValueError(f"{successes} of {trials} at {confidence:g} is no share; give 0 <= successes <= trials")
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    # The bound at the edge is exact in the formula and not in binary fractions.
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return low, high


def paired_difference(both: int, first: int, second: int, neither: int) -> Difference:
    """Return how much more often the first of two things succeeds than the second, tried on the same pairs.

    Formula: R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based
    on paired data", Statistics in Medicine 17 (1998), 2635-2650, method 10: the score intervals of both shares,
    squared and added, less what they have in common by the correlation of the pairs (with his continuity
    correction).

    Args:
        both: pairs in which both succeeded.
        first: pairs in which only the first did.
        second: pairs in which only the second did.
        neither: pairs in which none did.

    Raises:
        ValueError: a count is negative, or there is no pair.
    """
    total = both + first + second + neither
    if min(both, first, second, neither) < 0 or not total:
        raise ValueError(
            f"{both}, {first}, {second}, {neither} are no counts of pairs; give one pair at the least"
        )
    one, two = (both + first) / total, (both + second) / total
    (low_one, high_one), (low_two, high_two) = wilson(both + first, total), wilson(both + second, total)
    phi = _correlation(both, first, second, neither)
    below = _distance(one - low_one, high_two - two, phi)
    above = _distance(high_one - one, two - low_two, phi)
    return Difference(value=one - two, low=max(-1.0, one - two - below), high=min(1.0, one - two + above))


def _correlation(both: int, first: int, second: int, neither: int) -> float:
    total = both + first + second + neither
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    if not margins:
        return 0.0
    crossed: float = both * neither - first * second
    if crossed > 0:
        crossed = max(0.0, crossed - total / 2)
    return crossed / math.sqrt(margins)


def _distance(one: float, two: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * two + two * two))
