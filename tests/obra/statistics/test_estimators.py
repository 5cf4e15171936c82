from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.statistics.estimators import pass_at_k, pass_hat_k

TRIES = st.lists(st.booleans(), min_size=1, max_size=9)


@given(TRIES, st.data())
def test_both_are_shares_of_all_choices(tries, data):
    """Counted one by one over all choices of k tries: those with a success, and those with successes only."""
    k = data.draw(st.integers(1, len(tries)))
    chosen = list(combinations(tries, k))
    given_ = (len(tries), sum(tries), k)
    assert pass_at_k(*given_) == pytest.approx(sum(map(any, chosen)) / len(chosen))
    assert pass_hat_k(*given_) == pytest.approx(sum(map(all, chosen)) / len(chosen))


@given(st.integers(1, 300), st.data())
def test_one_try_is_the_plain_rate(tries, data):
    """For k = 1 both are c of n."""
    successes = data.draw(st.integers(0, tries))
    assert pass_at_k(tries, successes, 1) == pytest.approx(successes / tries)
    assert pass_hat_k(tries, successes, 1) == pytest.approx(successes / tries)


@pytest.mark.parametrize("arguments", [(3, 4, 1), (3, -1, 1), (3, 1, 0), (3, 1, 4), (0, 0, 1)])
def test_impossible_questions_are_refused(arguments):
    """More successes than tries, or more chosen than there are."""
    for estimator in (pass_at_k, pass_hat_k):
        with pytest.raises(ValueError, match="1 <= k <= tries"):
            estimator(*arguments)
