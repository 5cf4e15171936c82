"""Killed anywhere, a run goes on to the same end; tests/bench/crash_matrix.py prints every row of it."""

from __future__ import annotations

import pytest
from crash_matrix import Case, killed_at, points_of

SLICES = 3


@pytest.mark.parametrize("which", range(SLICES))
def test_a_run_killed_at_any_point_ends_as_if_it_had_not_been(tmp_path, which):
    """State, files and story are those of an undisturbed run; no attempt is lost or doubled, no process left."""
    names, expected = points_of("mock", tmp_path)
    assert len(names) > 60
    assert {"before state.record_attempt", "after state.record_step Turn", "after agent.send_prompt"} <= set(names)
    differing = {
        f"{number} {names[number - 1]}": found
        for number in range(1 + which, len(names) + 1, SLICES)
        if (found := killed_at(number, "mock", tmp_path, expected))
    }
    assert differing == {}


def test_the_comparison_sees_what_differs(tmp_path):
    """The matrix can fail: another file, another attempt or a step that is left over are seen."""
    names, expected = points_of("mock", tmp_path)
    number = names.index("after state.record_step Turn") + 1
    other = {
        **expected,
        "files": {**expected["files"], "a.py": "x"},
        "steps": 7,
        "attempts": expected["attempts"][:1],
    }
    found = killed_at(number, "mock", tmp_path, other)
    assert all(f"{name}: " in found for name in ("files", "steps", "attempts"))


def test_without_what_was_kept_a_run_would_end_otherwise(tmp_path):
    """What is kept is needed: a run that begins anew after the same kill plays other steps and does not end so."""
    names, expected = points_of("mock", tmp_path)
    number = names.index("after state.record_step Retried") + 1
    assert killed_at(number, "mock", tmp_path, expected, forget=True) != ""


@pytest.mark.parametrize(
    "point",
    ["told AgentActed", "after agent.send_prompt", "after state.record_step Turn", "before state.record_attempt"],
)
def test_the_real_binary_is_killed_and_goes_on(claude, tmp_path, point):
    """The same with the real Claude Code, killed in the middle of its second turn and behind it."""
    del claude  # its path is in the environment
    names, expected = points_of("replay", tmp_path)
    second = names.index("after state.record_attempt")
    number = names.index(point, second) + 1
    assert killed_at(number, "replay", tmp_path, expected) == ""
    assert Case(tmp_path / str(number), "replay").result()["attempts"][1]["number"] == 2
