"""Exact tests: the chance of a difference at least as odd as the one seen, if there were none."""

from __future__ import annotations

from math import comb

SIGNIFICANCE = 0.05
"""From this chance down a difference is taken for one."""


def fisher_exact(successes: int, tries: int, other_successes: int, other_tries: int) -> float:
    """Return the two-sided p-value for two shares being the same, 0 to 1.

    Formula: R. A. Fisher, "On the interpretation of chi-squared from contingency tables, and the calculation of
    P", Journal of the Royal Statistical Society 85 (1922), 87-94; two-sided as J. O. Irwin, Metron 12 (1935),
    83-94, has it: all tables with the same margins that are no likelier than the one seen. Counted in whole
    numbers.

    Raises:
        ValueError: there are more successes than tries.
    """
    if not (0 <= successes <= tries and 0 <= other_successes <= other_tries):
        raise ValueError(f"{successes} of {tries} and {other_successes} of {other_tries} are no two shares")
    all_successes = successes + other_successes
    ways = [
        comb(tries, count) * comb(other_tries, all_successes - count)
        for count in range(max(0, all_successes - other_tries), min(tries, all_successes) + 1)
    ]
    seen = comb(tries, successes) * comb(other_tries, other_successes)
    return sum(way for way in ways if way <= seen) / sum(ways)


def sign_test(better: int, worse: int) -> float:
    """Return the two-sided p-value for better and worse being equally likely, 0 to 1; ties are left out.

    Formula: Q. McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12 (1947), 153-157, in its exact form: the binomial distribution with one half.

    Raises:
        ValueError: a count is negative.
    """
    if min(better, worse) < 0:
        raise ValueError(f"{better} better and {worse} worse are no counts")
    total = better + worse
    tail = sum(comb(total, count) for count in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / (1 << total))
