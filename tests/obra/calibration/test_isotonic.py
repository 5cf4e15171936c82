import random

from hypothesis import given
from hypothesis import strategies as st

from obra.calibration.isotonic import fit

OBSERVED = st.lists(
    st.tuples(st.integers(0, 20).map(float), st.booleans(), st.sampled_from([0.5, 1.0, 3.0])), max_size=50
)


def test_violators_are_pooled():
    """What falls becomes one step; the rest stays, drawn towards one half by Laplace's rule."""
    observed = [(10, True, 8), (10, False, 2), (20, True, 6), (20, False, 4), (30, True, 98)]
    assert fit(observed) == ((10, round(100 * 15 / 22, 2)), (30, 99.0))


def test_nothing_is_certain():
    """A hundred of a hundred is no 100 %, and nothing observed is no step."""
    ((_, chance),) = fit([(5, True, 1)] * 100)
    assert 98 < chance < 100
    assert fit([]) == ()


@given(OBSERVED)
def test_rises_stays_inside_and_does_not_depend_on_order(observed):
    """Scores and chances both rise, between 0 and 100; shuffled observations give the same."""
    steps = fit(observed)
    scores, chances = [score for score, _ in steps], [chance for _, chance in steps]
    assert scores == sorted(set(scores))
    assert chances == sorted(chances)
    assert all(0 < chance < 100 for chance in chances)
    shuffled = list(observed)
    random.Random(1).shuffle(shuffled)
    assert fit(shuffled) == steps
