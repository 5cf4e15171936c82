"""What is known of running scenarios."""

from __future__ import annotations

import pytest

from pytest_obra.live.running_now import Running, RunningNow, columns, elapsed


def test_messages_bring_a_scenario_up_to_date():
    """Each message changes what it names and leaves the rest; the end removes the scenario."""
    now = RunningNow()
    now.take({"node": "a", "name": "calc", "agent": "mock", "started": 5.0})
    now.take({"node": "a", "stage": "agent", "attempt": 2})
    now.take({"node": "a", "act": "write calc.py"})
    assert now.all() == (
        Running(name="calc", agent="mock", started=5.0, stage="agent", attempt=2, act="write calc.py"),
    )
    now.take({"node": "a", "ended": True})
    assert now.all() == ()


def test_a_cost_that_is_not_known_is_not_taken_for_nothing():
    """Known costs are added up; one unknown turn is shown by a question mark, also when later ones are known."""
    now = RunningNow()
    now.take({"node": "a", "name": "calc", "started": 0.0, "spent": 0.25})
    assert columns(now.all(), 0.0)[0][5] == "$0.25"
    now.take({"node": "a", "spent": None})
    now.take({"node": "a", "spent": 0.5})
    assert columns(now.all(), 0.0)[0][5] == "$0.75+?"


def test_the_longest_running_stands_first():
    """Scenarios keep the order in which they began, whatever is told of them later."""
    now = RunningNow()
    now.take({"node": "a", "name": "first", "started": 1.0})
    now.take({"node": "b", "name": "second", "started": 2.0})
    now.take({"node": "a", "stage": "review"})
    assert [one.name for one in now.all()] == ["first", "second"]


def test_the_end_of_an_unknown_scenario_is_no_error():
    """A worker may have been killed before it told anything."""
    now = RunningNow()
    now.end("never seen")
    now.take({"node": "never seen", "ended": True})
    assert now.all() == ()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1:00"), (125, "2:05"), (3600, "1:00:00"), (3725, "1:02:05")],
)
def test_elapsed_time_reads_well(seconds, shown):
    """Seconds, then minutes, then hours; a clock that was moved back shows nothing negative."""
    assert elapsed(seconds) == shown
