"""The best rising step function through observed chances. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Steps = tuple[tuple[float, float], ...]
"""Pairs of a score and the chance (0 to 100) from this score up, both rising."""


def fit(observed: Iterable[tuple[float, bool, float]]) -> Steps:
    """Return the step function that never falls and has the least squared error to the observed outcomes.

    Source: M. Ayer, H. D. Brunk, G. M. Ewing, W. T. Reid, E. Silverman, "An empirical distribution function for
    sampling with incomplete information", Annals of Mathematical Statistics 26 (1955), 641-647: neighbours that
    violate the order are pooled into their mean. Each step's mean is drawn towards one half by Laplace's rule of
    succession, (successes + 1) / (trials + 2): no finite number of observations shows that a chance is 0 or 1.

    Args:
        observed: a score, whether the thing came true, and how many observations this one counts for.
    """
    blocks: list[list[float]] = []  # lowest score, successes, trials
    for score, came_true, weight in sorted(observed):
        if not blocks or blocks[-1][0] != score:
            blocks.append([score, 0.0, 0.0])
        blocks[-1][1] += weight * came_true
        blocks[-1][2] += weight
    pooled: list[list[float]] = []
    for block in blocks:
        pooled.append(block)
        while len(pooled) > 1 and _chance(pooled[-2]) >= _chance(pooled[-1]):
            _, successes, trials = pooled.pop()
            pooled[-1][1] += successes
            pooled[-1][2] += trials
    return tuple((block[0], round(100 * _chance(block), 2)) for block in pooled)


def _chance(block: Sequence[float]) -> float:
    return (block[1] + 1) / (block[2] + 2)
