"""``obra task pause, resume, stop, say, override``: a run in one terminal, a person in another."""

from __future__ import annotations

import time

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
    """Within two seconds; its agent is gone, it says who stopped it, and it can be resumed."""
    name, word = slow
    process = start("run", name)
    read_until(process, word)
    asked = obra("task", "stop", "1", "wrong branch")
    since = time.monotonic()
    assert asked.code == 0
    assert "go on: obra resume --task 1" in asked.out
    _, err = process.communicate(timeout=15)
    assert time.monotonic() - since < 2
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
    out, err = process.communicate(timeout=15)
    assert process.returncode == 1, err
    assert "decided, not Obra: I need it tonight" in out
    assert "scenario overruled FAILED (agent_failed)" in out
    assert "missed  decision of attempt 1: expected Obra's own, got proceed by " in out
    assert "missed  the file done.txt exists" in out
    shown = obra("task", "show", "1").out
    assert "Obra's own decision was: retry: " in shown
    assert "override proceed I need it tonight: decided attempt 1: proceed instead of retry" in shown


def test_pause_message_and_resume(obra, start, slow):
    """The run waits behind its step, takes the message along, and goes on."""
    process = start("run", slow[0], "--max-iterations", "1", "-o", "agent.max_retries=0")
    read_until(process, "task 1")
    assert obra("task", "say", "1", "").code == 1
    paused = obra("task", "pause", "1")
    if paused.code == 0:  # the first attempt takes milliseconds: it may be over by now
        assert "go on: obra task resume 1" in paused.out
        assert obra("task", "resume", "1").code == 0
    process.communicate(timeout=15)
    late = obra("task", "pause", "1")
    assert late.code == 1
    assert "not running, so there is nothing to pause" in late.err


@pytest.mark.parametrize("arguments", [("proceed",), ("please", "because")])
def test_an_override_needs_a_known_action_and_a_reason(obra, arguments):
    """Wrong usage is refused before anything is opened."""
    assert obra("task", "override", "1", *arguments).code == 2
