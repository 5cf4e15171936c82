import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.calibration.metrics import (
    accepting,
    best_threshold,
    brier,
    calibration_error,
    reliability,
    roc_auc,
)
from obra.statistics.proportions import Share

SCORED = st.lists(st.tuples(st.integers(0, 6).map(float), st.booleans()), max_size=40)


def test_shares():
    """A share knows its parts, its interval, and that nothing of nothing is unknown."""
    share = Share.counted(3, 12)
    assert share.rate == 0.25
    assert share.low < 0.25 < share.high
    assert Share.counted(0, 0).rate is None


def test_accepting_counts_all_four_ways():
    """Two of three good ones and one of four bad ones accepted."""
    pairs = [(True, True)] * 2 + [(False, True)] + [(True, False)] + [(False, False)] * 3
    found = accepting(pairs)
    assert (found.false_accepts.count, found.false_accepts.of) == (1, 4)
    assert (found.false_rejects.count, found.false_rejects.of) == (1, 3)
    assert found.precision.rate == pytest.approx(2 / 3)
    assert found.recall.rate == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("scored", "expected"),
    [
        ([(1, False), (2, True)], 1.0),
        ([(2, False), (1, True)], 0.0),
        ([(1, False), (1, True)], 0.5),
        ([(1, False), (1, True), (2, True)], 0.75),
        ([(1, True)], None),
        ([], None),
    ],
)
def test_auc_by_hand(scored, expected):
    """Ties count half; one kind alone has no area."""
    assert roc_auc(scored) == expected


@given(SCORED)
def test_auc_is_the_share_of_pairs_in_order(scored):
    """The ranks give the same as comparing every good one with every bad one."""
    good = [score for score, is_good in scored if is_good]
    bad = [score for score, is_good in scored if not is_good]
    pairs = [(high > low) + 0.5 * (high == low) for high in good for low in bad]
    expected = sum(pairs) / len(pairs) if pairs else None
    assert roc_auc(scored) == (None if expected is None else pytest.approx(expected))


def test_brier():
    """0 for a seer, 1 for one who is always wrong, a quarter for one who never commits himself."""
    assert brier([(100, True, 1), (0, False, 1)]) == 0
    assert brier([(100, False, 1), (0, True, 1)]) == 1
    assert brier([(50, True, 1), (50, False, 1)]) == 0.25
    assert brier([(100, True, 3), (100, False, 1)]) == 0.25
    assert brier([]) is None


def test_reliability_table_and_calibration_error():
    """Nine of ten came true where 80 % was said: the error is 0.1; 100 % falls into the last bin."""
    forecasts = [(80, number > 0, 1) for number in range(10)]
    (row,) = reliability(forecasts)
    assert (row.low, row.high, row.count) == (0.8, 0.9, 10)
    assert (row.said, row.came_true) == (pytest.approx(0.8), pytest.approx(0.9))
    assert calibration_error(forecasts) == pytest.approx(0.1)
    assert reliability([(100, True, 1)])[0].high == 1
    assert calibration_error([]) is None


def test_a_calibrated_source_has_little_error():
    """Ten thousand draws from the chances that were said."""
    source = random.Random(5)
    chances = [source.uniform(0, 100) for _ in range(10_000)]
    forecasts = [(chance, source.random() < chance / 100, 1.0) for chance in chances]
    error = calibration_error(forecasts)
    assert error is not None
    assert error < 0.02
    assert math.isclose(brier(forecasts) or 0, 1 / 6, abs_tol=0.01)


def test_threshold_prefers_a_false_reject():
    """A false accept costs five times as much; where nothing separates, nothing is accepted."""
    assert best_threshold([(10, False), (50, True), (60, True)]) == 50
    assert best_threshold([(60, False), (50, True), (70, True)]) == 70
    assert best_threshold([(60, False), (60, True)]) == 100
    assert best_threshold([]) == 100
