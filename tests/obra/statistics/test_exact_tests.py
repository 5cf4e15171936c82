from fractions import Fraction
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obra.statistics.exact_tests import fisher_exact, sign_test


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.data())
def test_fisher_is_what_counting_every_arrangement_gives(tries, other_tries, data):
    """Deal the successes to all runs in every way, and count the tables that are no likelier than the one seen."""
    successes = data.draw(st.integers(0, tries))
    others = data.draw(st.integers(0, other_tries))
    deals = list(combinations(range(tries + other_tries), successes + others))
    firsts = [sum(place < tries for place in deal) for deal in deals]
    chance = {count: Fraction(firsts.count(count), len(firsts)) for count in set(firsts)}
    expected = sum(one for one in chance.values() if one <= chance[successes])
    assert fisher_exact(successes, tries, others, other_tries) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("table", "p"),
    [
        ((3, 4, 1, 4), 0.4857142857),  # Fisher's lady tasting tea
        ((1, 1, 0, 1), 1.0),
        ((10, 10, 4, 10), 0.0108359133),
        ((8, 10, 1, 6), 0.0349650350),
        ((0, 0, 0, 0), 1.0),
    ],
)
def test_fisher_is_what_the_books_say(table, p):
    """Known two-sided values."""
    assert fisher_exact(*table) == pytest.approx(p)


@given(st.integers(0, 7), st.integers(0, 7))
def test_the_sign_test_counts_all_series_of_coin_throws(better, worse):
    """The share of all series of throws that are at least as one-sided as the one seen."""
    total = better + worse
    series = [sum(throws) for throws in product((0, 1), repeat=total)]
    odd = [heads for heads in series if abs(2 * heads - total) >= abs(better - worse)]
    assert sign_test(better, worse) == pytest.approx(len(odd) / len(series))


def test_impossible_counts_are_refused():
    """More successes than tries, or fewer than none."""
    with pytest.raises(ValueError, match="no two shares"):
        fisher_exact(2, 1, 0, 1)
    with pytest.raises(ValueError, match="no counts"):
        sign_test(-1, 1)
