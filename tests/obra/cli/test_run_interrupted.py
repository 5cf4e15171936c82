"""A run that is broken off, however it is: nothing is lost, nothing is left running, and it goes on."""

from __future__ import annotations

import signal
import time

import psutil
import pytest


def running(word):
    """Processes with *word* in their command line."""
    return [one.pid for one in psutil.process_iter(["cmdline"]) if word in " ".join(one.info["cmdline"] or ())]


def wait_for_sleep(process, word):
    """Read until the agent's command runs."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if word in line:
            break
    assert word in "".join(seen), process.stderr.read()
    deadline = time.monotonic() + 200
    while not running(word):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_gone(word):
    """Wait until nothing with *word* runs."""
    deadline = time.monotonic() + 200
    while running(word):
        assert time.monotonic() < deadline, running(word)
        time.sleep(0.02)


def test_kill_9_leaves_the_truth_and_the_task_goes_on(obra, start, slow, tmp_path):
    """The list shows interrupted, the recorded attempt is there, no process is left, and it runs again."""
    name, word = slow
    process = start("run", name)
    wait_for_sleep(process, word)
    assert [one["status"] for one in obra("task", "list", "--json").data] == ["running"]
    busy = obra("run", "--task", "1")
    assert busy.code == 1
    assert "task 1" in busy.err

    process.kill()
    process.wait()
    wait_until_gone(word)
    listed = obra("task", "list", "--status", "interrupted")
    assert listed.code == 0
    assert "1   1        interrupted" in listed.out
    assert [one["number"] for one in obra("task", "show", "1", "--json").data["attempts"]] == [1]

    (tmp_path / "go").touch()
    again = obra("run", "--task", "1", "--max-iterations", "1")
    assert again.code in (0, 1)
    assert "  attempt 2\n" in again.out
    assert "  attempt 1\n" not in again.out
    shown = obra("task", "show", "1", "--json").data
    assert [one["number"] for one in shown["attempts"]] == [1, 2]
    assert shown["task"]["status"] in ("completed", "escalated")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_exits_130_and_says_how_to_go_on(obra, start, slow, number):
    """The task is stored as interrupted, with the reason; nothing is left running. SIGTERM does the same."""
    name, word = slow
    process = start("run", name, "-o", "agent.max_turns=7")
    wait_for_sleep(process, word)
    process.send_signal(number)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 130
    assert err.strip() == (
        "Interrupted: task 1 is stored as interrupted; go on with: obra resume --task 1 -o agent.max_turns=7"
    )
    assert running(word) == []
    task = obra("task", "list", "--json").data[0]
    assert (task["status"], task["status_reason"]) == ("interrupted", "stopped by a person")
