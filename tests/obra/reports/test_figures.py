"""Numbers as people read them."""

import pytest

from obra.reports.figures import cost_text, count_text, duration_text, score_text, seconds_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"), (0.0354, "35 ms"), (2.44, "2.4 s"), (42.4, "42 s"), (245, "4 min 05 s"),
        (3600, "1 h 00 min"), (3725, "1 h 02 min"),
    ],
)  # fmt: skip
def test_durations_have_the_unit_that_fits(seconds, text):
    """Milliseconds to hours."""
    assert duration_text(seconds) == text


def test_unknown_is_not_zero():
    """Each kind of number tells the two apart."""
    assert [show(None) for show in (cost_text, count_text, seconds_text, score_text)] == ["unknown"] * 3 + ["none"]
    assert [cost_text(0.0), count_text(0), seconds_text(0.0), score_text(0.0)] == [
        "0.0000 USD",
        "0",
        "0.00 s",
        "0.0",
    ]
