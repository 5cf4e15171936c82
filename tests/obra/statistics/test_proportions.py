import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.statistics.proportions import Share, paired_difference, wilson

SHARES = st.integers(1, 2000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))
PAIRS = st.tuples(*[st.integers(0, 60)] * 4).filter(any)


@pytest.mark.parametrize(
    ("share", "bounds"),
    [
        ((0, 10), (0.0, 0.27753)),
        ((10, 10), (0.72247, 1.0)),
        ((5, 10), (0.23659, 0.76341)),
        ((1, 29), (0.00611, 0.17176)),
    ],
)
def test_wilson_is_what_the_books_say(share, bounds):
    """Known values of the score interval without continuity correction."""
    assert wilson(*share) == pytest.approx(bounds, abs=5e-5)


@given(SHARES)
def test_the_bounds_solve_wilsons_equation(share):
    """Each bound p that is not 0 or 1 lies z standard errors of its own from the share."""
    successes, trials = share
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    for p in {low, high} - {0.0, 1.0}:
        assert abs(successes / trials - p) == pytest.approx(1.959964 * math.sqrt(p * (1 - p) / trials), rel=1e-4)


def test_nothing_tried_is_nothing_known():
    """Without trials the interval is everything; impossible shares are refused."""
    assert wilson(0, 0) == (0.0, 1.0)
    assert Share.counted(0, 0).rate is None
    for arguments in ((2, 1), (-1, 1), (0, 1, 1.0)):
        with pytest.raises(ValueError, match="is no share"):
            wilson(*arguments)


@given(PAIRS)
def test_the_interval_of_a_difference_holds_it_and_turns_with_it(pairs):
    """It lies in -1 to 1 around the difference, and swapping the two things swaps and negates the bounds."""
    both, first, second, neither = pairs
    found, turned = paired_difference(*pairs), paired_difference(both, second, first, neither)
    assert found.value == pytest.approx((first - second) / sum(pairs))
    assert -1 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


@given(st.integers(1, 40), st.integers(0, 40))
def test_pairs_that_never_differ_show_no_difference_but_leave_doubt(both, neither):
    """With all pairs alike the difference is zero, and the interval is no point."""
    found = paired_difference(both, 0, 0, neither)
    assert found.value == 0
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("pairs", "low", "high"),
    [
        ((10, 0, 0, 0), -0.27753, 0.27753),  # both shares are 1: each bound is one interval's own length
        ((0, 10, 0, 0), 1 - math.sqrt(2) * 0.27753, 1.0),  # phi is 0 where a margin is empty
        ((5, 0, 0, 5), -0.26341 * math.sqrt(0.4), 0.26341 * math.sqrt(0.4)),  # phi = (25 - 10/2) / 25 = 0.8
    ],
)
def test_a_difference_by_hand(pairs, low, high):
    """Bounds that can be written down from the intervals of 0, 5 and 10 of 10 and the correlation."""
    found = paired_difference(*pairs)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_no_pairs_are_refused():
    """A difference of nothing is an error of the caller."""
    for pairs in ((0, 0, 0, 0), (-1, 1, 1, 1)):
        with pytest.raises(ValueError, match="no counts of pairs"):
            paired_difference(*pairs)
