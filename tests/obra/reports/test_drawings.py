"""Lines and bars lie where the numbers say."""

from obra.reports.drawings import quality_chart, shares, sparkline, timeline


def attempt(number=1, quality=50.0, stages=(), seconds=2.0):
    """Return as much of an attempt as drawings read."""
    return {"number": number, "quality": quality, "confidence": None, "decision_inputs": {},
            "stages": list(stages), "seconds": seconds}  # fmt: skip


def test_the_chart_rises_with_quality():
    """Higher scores lie higher, scores beyond the scale at its edge, and one attempt is no curve."""
    chart = quality_chart([attempt(1, 0.0), attempt(2, 100.0), attempt(3, 250.0)])
    low, high, beyond = [point["y"] for point in chart["points"]]
    assert low > high == beyond
    assert chart["gate"] is None
    assert quality_chart([attempt()]) is None


def test_attempts_without_stages_lie_end_to_end():
    """Where nobody looked, an attempt is one bar."""
    found = timeline([attempt(1, seconds=1.0), attempt(2, seconds=3.0)])
    assert found["seconds"] == 4.0
    assert [(bar["x"], bar["width"]) for lane in found["lanes"] for bar in lane["bars"]] == [(0, 250), (250, 750)]
    assert timeline([attempt(seconds=0.0)]) is None
    assert timeline([]) is None


def test_a_stage_that_took_no_time_can_be_seen():
    """It is drawn with a least width."""
    stages = [{"name": "agent", "at": 0.0, "seconds": 5.0}, {"name": "review", "at": 5.0, "seconds": 0.0}]
    (lane,) = timeline([attempt(stages=stages)])["lanes"]
    assert lane["bars"][1]["width"] > 1


def test_shares_fill_the_bar():
    """Empty kinds have no part."""
    parts = shares({"passed": 3, "agent_failed": 0, "not_run": 1})
    assert [(part["key"], part["at"], part["width"]) for part in parts] == [
        ("passed", 0, 750),
        ("not_run", 750, 250),
    ]
    assert shares({"passed": 0}) == []


def test_a_line_needs_two_points():
    """One score, or unknown ones, draw nothing."""
    assert sparkline([50.0, None]) == ""
    assert sparkline([0.0, 100.0]) == "2.0,14.0 38.0,2.0"
