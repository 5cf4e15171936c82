"""``obra task pause, resume, stop, say, override``: a run in one terminal, a person in another."""

from __future__ import annotations

import psutil
import pytest

OVERRULED = """\
name: overruled
task: {title: Take your time}
checks: [{file: done.txt}]
script:
  - {say: Not yet., write: {first.txt: one}, run: "until test -e GO; do sleep 0.05; done"}
reviewer: [{score: 40, issues: [no done.txt]}]
expect:
  status: completed
  truth: [{file: done.txt}]
"""


def read_until(process, word):
    """Return what the run printed up to a line with *word*."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if word in line:
            return "".join(seen)
    raise AssertionError("".join(seen) + process.stderr.read())


def test_a_run_is_stopped_from_another_terminal(obra, start, slow):
    """In the middle of a turn of ten minutes; its agent is gone, it says who stopped it, and it can be resumed."""
    name, word = slow
    process = start("run", name)
    read_until(process, word)
    asked = obra("task", "stop", "1", "wrong branch")
    assert asked.code == 0
    assert "go on: obra resume --task 1" in asked.out
    _, err = process.communicate(timeout=200)
    assert process.returncode == 130
    assert err.startswith("Interrupted: task 1 was stopped by ")
    assert err.strip().endswith(
        "wrong branch; it is interrupted and can be resumed; task 1 is stored as interrupted; "
        "go on with: obra resume --task 1"
    )
    left = [one for one in psutil.process_iter(["cmdline"]) if word in " ".join(one.info["cmdline"] or ())]
    assert left == []
    shown = obra("task", "show", "1", "--json").data
    assert [(one["act"], one["text"]) for one in shown["asked"]] == [("stop", "wrong branch")]
    assert [one["number"] for one in shown["attempts"]] == [1]


def test_a_scenario_that_a_person_decided_never_passes(obra, start, write, tmp_path):
    """The override is a person's, not Obra's verdict: hidden checks judge it, and Obra is not blamed for it."""
    process = start("run", write("overruled.obra.yaml", OVERRULED.replace("GO", str(tmp_path / "go"))).name)
    read_until(process, "agent      until")
    asked = obra("task", "override", "1", "proceed", "I need it tonight")
    assert asked.code == 0, asked.err
    (tmp_path / "go").touch()
    assert asked.out.startswith("attempt 1 of task 1 will proceed, as ")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, err
    assert "decided, not Obra: I need it tonight" in out
    assert "scenario overruled FAILED (agent_failed)" in out
    assert "missed  decision of attempt 1: expected Obra's own, got proceed by " in out
    assert "missed  the file done.txt exists" in out
    shown = obra("task", "show", "1").out
    assert "Obra's own decision was: retry: " in shown
    assert "override proceed I need it tonight: decided attempt 1: proceed instead of retry" in shown


def test_pause_message_and_resume(obra, start, write, tmp_path):
    """The run waits behind its step, takes the message along, and goes on."""
    text = OVERRULED.replace("GO", str(tmp_path / "go")).replace("reviewer:", "  - {say: Done.}\nreviewer:")
    process = start("run", write("paused.obra.yaml", text).name, "-o", "orchestration.max_iterations=2")
    read_until(process, "agent      until")
    assert obra("task", "say", "1", "").code == 1
    assert obra("task", "say", "1", "think of done.txt").code == 0
    paused = obra("task", "pause", "1")
    assert paused.code == 0
    assert "go on: obra task resume 1" in paused.out
    (tmp_path / "go").touch()
    read_until(process, "waits in attempt 1")
    assert obra("task", "resume", "1").code == 0
    out, _ = process.communicate(timeout=200)
    assert "shown in the prompt of attempt 2" in out
    late = obra("task", "pause", "1")
    assert late.code == 1
    assert "not running, so there is nothing to pause" in late.err


@pytest.mark.parametrize("arguments", [("proceed",), ("please", "because")])
def test_an_override_needs_a_known_action_and_a_reason(obra, arguments):
    """Wrong usage is refused before anything is opened."""
    assert obra("task", "override", "1", *arguments).code == 2
