from datetime import UTC, datetime

import pytest

from obra.errors import StateError
from obra.state.run_history import RunCase
from obra.state.state_manager import StateManager

START = datetime(2026, 11, 22, 14, 15, tzinfo=UTC)


def case(name="hello", **changes):
    """Return how one case fared."""
    numbers = {"passed": 2, "agent_failed": 0, "verdict_wrong": 1, "machinery_broke": 1}
    return RunCase(
        case=name, agent="mock", bare=False, seconds=1.0, tokens=7, cost_usd=None, **{**numbers, **changes}
    )


def test_what_was_recorded_comes_back_oldest_first(tmp_path):
    """Newest runs are chosen, and told in the order they ran; a case is chosen by its name."""
    with StateManager(f"sqlite:///{tmp_path}/obra.db") as state:
        for name in ("a", "b", "c"):
            cases = [case(), case("other")] if name == "b" else [case(passed=ord(name))]
            state.record_run(name, START, exit_status=0, seconds=1.0, cases=cases)
        assert [(one.run, one.case) for one in state.run_cases(limit=2)] == [
            ("b", "hello"), ("b", "other"), ("c", "hello"),
        ]  # fmt: skip
        (found,) = state.run_cases("other")
    assert (found.judged, found.cost_usd, found.tokens, found.started_at) == (3, None, 7, START)


def test_a_run_is_remembered_once(tmp_path):
    """A second of the same name is an error, and changes nothing."""
    with StateManager(f"sqlite:///{tmp_path}/obra.db") as state:
        state.record_run("a", START, exit_status=0, seconds=1.0, cases=[case("\ud800")])
        with pytest.raises(StateError, match="in the history already"):
            state.record_run("a", START, exit_status=0, seconds=1.0, cases=[case()])
        assert [one.case for one in state.run_cases()] == ["\ufffd"]
