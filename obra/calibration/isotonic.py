"""The best rising step function through observed chances. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Steps = tuple[tuple[float, float], ...]
"""Pairs of a score and the chance (0 to 100) from this score up, both rising."""


def fit(pairs: Iterable[tuple[float, bool]]) -> Steps:
    """Return the step function that never falls and has the least squared error to the observed outcomes.

    Source: M. Ayer, H. D. Brunk, G. M. Ewing, W. T. Reid, E. Silverman, "An empirical distribution function for
    sampling with incomplete information", Annals of Mathematical Statistics 26 (1955), 641-647: neighbours that
    violate the order are pooled into their mean. Each step's mean is drawn towards one half by Laplace's rule of
    succession, (successes + 1) / (trials + 2): no finite number of observations shows that a chance is 0 or 1.

    Args:
        pairs: a score and whether the thing came true.
    """
    blocks: list[list[float]] = []  # lowest score, successes, trials
    for score, came_true in sorted(pairs):
        if blocks and blocks[-1][0] == score:
            blocks[-1][1] += came_true
            blocks[-1][2] += 1
        else:
            blocks.append([score, float(came_true), 1.0])
    pooled: list[list[float]] = []
    for block in blocks:
        pooled.append(block)
        while len(pooled) > 1 and _chance(pooled[-2]) >= _chance(pooled[-1]):
            _, successes, trials = pooled.pop()
            pooled[-1][1] += successes
            pooled[-1][2] += trials
    return tuple((block[0], round(100 * _chance(block), 2)) for block in pooled)


def apply(steps: Sequence[tuple[float, float]], score: float) -> float:
    """Return the chance at *score*; below the lowest step it is that step's. Without steps it is the score."""
    if not steps:
        return score
    chance = steps[0][1]
    for least, value in steps:
        if score < least:
            break
        chance = value
    return chance


def _chance(block: Sequence[float]) -> float:
    return (block[1] + 1) / (block[2] + 2)
