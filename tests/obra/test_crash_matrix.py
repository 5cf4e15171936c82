"""Killed anywhere, a run goes on to the same end; tests/bench/crash_matrix.py prints every row of it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from crash_case import SSH, Case, Place
from crash_matrix import LEASE, found_here, killed_at, points_of
from crash_story import STORIES
from crash_table import table

SLICES = 3


@pytest.mark.parametrize("which", range(SLICES))
def test_a_run_killed_at_any_point_ends_as_if_it_had_not_been(tmp_path, which):
    """State, files and story are those of an undisturbed run; no attempt is lost or doubled, no process left."""
    names, expected = points_of("mock", tmp_path)
    assert len(names) > 60
    wanted = {"before state.record_attempt #1", "after state.record_step Turn #1", "after agent.send_prompt #1"}
    assert wanted <= set(names)
    differing = {
        f"{number} {names[number - 1]}": found
        for number in range(1 + which, len(names) + 1, SLICES)
        if (found := killed_at(number, names[number - 1], "mock", tmp_path, expected)[0])
    }
    assert differing == {}


def test_the_comparison_sees_what_differs(tmp_path):
    """The matrix can fail: another file, another attempt or a step that is left over are seen."""
    names, expected = points_of("mock", tmp_path)
    assert "after state.record_step Turn #1" in names
    other = {
        **expected,
        "files": {**expected["files"], "a.py": "x"},
        "steps": 7,
        "attempts": expected["attempts"][:1],
    }
    found, way = killed_at(1, "after state.record_step Turn #1", "mock", tmp_path, other)
    assert way == "put back"
    assert all(f"{name}: " in found for name in ("files", "steps", "attempts"))


def test_without_what_was_kept_a_run_would_end_otherwise(tmp_path):
    """What is kept is needed: a run that begins anew after the same kill plays other steps and does not end so."""
    names, expected = points_of("mock", tmp_path)
    point = "after state.record_step Retried #1"
    assert point in names
    assert killed_at(1, point, "mock", tmp_path, expected, forget=True)[0] != ""


@pytest.fixture(scope="module")
def undisturbed(claude, tmp_path_factory):
    """Where the real Claude Code is, the points of a run with it that nobody kills, and what that run leaves."""
    place = Place({"agent.local.command": claude})
    return place, *points_of("replay", tmp_path_factory.mktemp("undisturbed"), place)


@pytest.mark.parametrize(
    "point",
    ["told AgentActed", "after agent.send_prompt", "after state.record_step Turn", "before state.record_attempt"],
)
def test_the_real_binary_is_killed_and_goes_on(undisturbed, tmp_path, point):
    """The same with the real Claude Code, killed in the middle of its second turn and behind it."""
    place, names, expected = undisturbed
    second = names.index("after state.record_attempt #1")
    number = next(at for at in range(second, len(names)) if names[at].startswith(point)) + 1
    assert killed_at(number, names[number - 1], "replay", tmp_path, expected, place=place)[0] == ""
    assert Case(tmp_path / str(number), "replay", place).result()["attempts"][1]["number"] == 2


def test_a_turn_on_another_machine_is_adopted_and_ends_the_same(claude, tmp_path, ssh_server):
    """Killed in the middle of its first turn over SSH, the run takes that turn up and comes to the same end."""
    reach = {f"agent.ssh.{name}": value for name, value in ssh_server.reach.items()}
    place = Place({**reach, "agent.ssh.command": claude, "agent.ssh.lease": LEASE})
    _, expected = points_of(SSH, tmp_path, place)
    assert killed_at(1, "told AgentActed #4", SSH, tmp_path, expected, place=place) == ("", "adopted")


def test_rows_are_shown_as_a_table():
    """Kinds of points down and rungs across, each with how many are equal; what differs is named below."""
    rows = [
        {"rung": "mock", "point": 1, "name": "before x #1", "result": "equal", "way": "begun"},
        {"rung": "mock", "point": 2, "name": "before x #2", "result": "files: a", "way": "put back"},
        {"rung": SSH, "point": 1, "name": "before x #1", "result": "equal", "way": "adopted"},
    ]
    shown = table(rows, ("mock", SSH)).splitlines()
    assert shown[0] == "| killed | mock | replay:ssh |"
    assert "| before x | 1 of 2 | 1 of 1 |" in shown
    assert "Turns that were adopted alive: 1." in shown
    assert shown[-1] == "- mock, before x #2: files: a"


def test_a_rung_whose_program_is_not_here_is_told(tmp_path, monkeypatch):
    """It is left out by name, with how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CODEX_BINARY", raising=False)
    with ExitStack() as stack:
        assert "npm install @openai/codex" in found_here("replay:codex", tmp_path, stack)


@pytest.mark.parametrize("story", STORIES)
def test_a_scenario_killed_around_an_answer_and_between_its_tasks_ends_the_same(tmp_path, story):
    """What a person answered is heard, once; finished attempts and tasks count with those that come after."""
    names, expected = points_of(story, tmp_path)
    assert expected["row"]["result"] == "passed"
    around = ["after state.resolve_breakpoint #1", "after state.record_attempt #3"]
    around.append("told AgentActed #4" if "several" in story else "after state.record_attempt #2")
    found = {name: killed_at(names.index(name) + 1, name, story, tmp_path, expected) for name in around}
    assert {name: differs for name, (differs, _) in found.items()} == dict.fromkeys(around, "")
