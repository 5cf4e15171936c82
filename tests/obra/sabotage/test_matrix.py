import json

from obra.sabotage.matrix import BROKE, broken_row, matrix, rate


def row(name: str, ending: str, *caught_by: str, scenario: str = "s", family: str = "dishonest"):
    """Return a row as the trial makes it."""
    return {**broken_row(scenario, name, family, ""), "ending": ending, "caught_by": list(caught_by)}


def test_nothing_tried_is_nothing_known():
    """A rate of nothing is neither 0 nor 1, and its interval is everything."""
    assert rate(0, 0) == {"count": 0, "of": 0, "rate": None, "low": 0.0, "high": 1.0}


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
