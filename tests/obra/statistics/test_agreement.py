from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.statistics.agreement import agreement

WORDS = st.lists(st.sampled_from(["proceed", "retry", "escalate"]), max_size=6)


@given(st.lists(WORDS, max_size=5))
def test_agreement_is_what_counting_pairs_gives(judged):
    """Over all pairs of judgements of each thing; things judged once tell nothing."""
    told = [words for words in judged if len(words) > 1]
    shares = [sum(a == b for a, b in pairs) / len(pairs) for pairs in (list(combinations(one, 2)) for one in told)]
    found = agreement(judged)
    assert (found.unanimous.count, found.unanimous.of) == (sum(len(set(one)) == 1 for one in told), len(told))
    assert found.pairwise == (pytest.approx(sum(shares) / len(shares)) if shares else None)
