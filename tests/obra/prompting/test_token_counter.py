from hypothesis import given
from hypothesis import strategies as st

from obra.prompting.token_counter import TokenCounter


def test_known_lengths():
    """Three characters make one token, and a part of one counts whole."""
    assert [TokenCounter().count("x" * length) for length in (0, 1, 3, 4, 300)] == [0, 1, 1, 2, 100]


@given(st.text(), st.text())
def test_never_less_for_more(one, other):
    """A longer text never counts less, and joining never counts more than the parts."""
    count = TokenCounter().count
    assert max(count(one), count(other)) <= count(one + other) <= count(one) + count(other)
