import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.sabotage.matrix import BROKE, broken_row, matrix, rate, wilson

SHARES = st.integers(1, 2000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def row(name: str, ending: str, *caught_by: str, scenario: str = "s", family: str = "dishonest"):
    """Return a row as the trial makes it."""
    return {**broken_row(scenario, name, family, ""), "ending": ending, "caught_by": list(caught_by)}


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
    assert rate(0, 0)["rate"] is None
    for arguments in ((2, 1), (-1, 1), (0, 1, 1.0)):
        with pytest.raises(ValueError, match="is no share"):
            wilson(*arguments)


def test_columns_are_what_caught_and_holes_are_named():
    """The busiest column is first; what nothing caught is listed; harmless and broken ones count nowhere."""
    rows = [
        row("hole", "false_accept"),
        row("b", "caught", "syntax", "tests"),
        row("a", "caught", "tests"),
        row("same", "harmless"),
        row("odd", "false_reject", "tests", family="honest"),
        row("fine", "completed", family="honest"),
        row("dead", BROKE),
        row("quiet", "stopped", scenario="other", family="honest"),
    ]
    table = matrix(rows)
    other, part = table["scenarios"]
    assert other["scenario"] == "other"
    assert part["columns"] == ["tests", "syntax"]
    assert [one["variant"] for one in part["rows"]] == ["a", "b", "dead", "hole", "same", "fine", "odd"]
    assert part["uncaught"] == ["hole"]
    assert part["refused"] == ["odd"]
    assert (part["false_accepts"]["count"], part["false_accepts"]["of"]) == (1, 3)
    assert (part["false_rejects"]["count"], part["false_rejects"]["of"]) == (1, 2)
    assert (table["totals"]["harmless"], table["totals"]["broke"], table["totals"]["variants"]) == (1, 1, 8)
    assert table["totals"]["false_accepts"]["of"] == 4


def test_the_order_of_rows_does_not_matter_and_all_is_plain_data():
    """Rows come from several processes; the table is the same, and JSON takes it."""
    rows = [row(name, "caught", "x") for name in ("a", "b", "c")]
    assert matrix(rows) == matrix(rows[::-1])
    assert json.loads(json.dumps(matrix(rows), allow_nan=False)) == matrix(rows)
