"""obra resume and obra task release."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest

STEADY = '''\
import pathlib, time
from obra.domain import Reply

class Steady:
    """Writes a line for each turn; the turn whose number stands in 'slow' waits for its end."""
    identity = "steady"
    def initialize(self, config): self.root = pathlib.Path(config["workspace_dir"])
    def is_healthy(self): return True
    def cleanup(self): pass
    def send_prompt(self, prompt, *, limits=None, on_event=None):
        with (self.root / "turns.txt").open("a") as stream:
            stream.write("turn\\n")
        with open("sent.txt", "a") as stream:
            stream.write("sent\\n")
        sent = len(open("sent.txt").readlines())
        if pathlib.Path("slow").exists() and str(sent) == pathlib.Path("slow").read_text():
            pathlib.Path("waiting").touch()
            time.sleep(600)
        return Reply(text=f"Turn done.")
'''
OPTIONS = ("--agent", "steady:Steady", "-o", "llm.type=scripted")


@pytest.fixture
def tasks(obra, tmp_path):
    """Two tasks in folders of their own that need two turns each."""
    (tmp_path / "steady.py").write_text(STEADY)
    check = '{contains: {file: turns.txt, regex: "turn\\\\nturn"}}'
    for name in ("one", "two"):
        assert obra("project", "create", name, "--dir", name).code == 0
    for number in ("1", "2"):
        assert obra("task", "create", number, "Write turns.txt", "--check", check).code == 0
    return tmp_path


@pytest.fixture
def interrupt(start, tasks):
    """Return a function that runs a task and ends it by a signal in the middle of a turn."""

    def interrupt(task, turn, number=signal.SIGKILL):
        (tasks / "slow").write_text(str(turn))
        process = start("run", "--task", str(task), *OPTIONS)
        end = time.monotonic() + 200
        while not (tasks / "waiting").exists():
            assert time.monotonic() < end, process.communicate()
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=200)  # the turn would take ten minutes
        (tasks / "slow").unlink()
        (tasks / "waiting").unlink()
        return process.returncode

    return interrupt


def sent(tasks):
    """How many prompts the agents got."""
    return len((tasks / "sent.txt").read_text().splitlines())


def test_a_killed_run_goes_on_behind_its_last_step(obra, tasks, interrupt):
    """The recorded attempt stands, the broken turn is put back and sent again, and the end is the right one."""
    assert interrupt(1, turn=2) == -signal.SIGKILL
    assert (tasks / "one" / "turns.txt").read_text() == "turn\nturn\n"
    ended = obra("resume", *OPTIONS)
    assert ended.code == 0, ended
    assert "  attempt 1\n" not in ended.out
    assert "completed" in ended.out
    assert (tasks / "one" / "turns.txt").read_text() == "turn\nturn\n"
    assert sent(tasks) == 3
    shown = obra("task", "show", "1", "--json").data
    assert [one["number"] for one in shown["attempts"]] == [1, 2]
    again = obra("resume", "--task", "1", *OPTIONS)
    assert again.code == 1
    assert "task 1 is completed: there is no interrupted run to go on with" in again.err


def test_ctrl_c_stops_a_long_turn_and_can_be_resumed(obra, tasks, interrupt):
    """The task is stored as interrupted with its steps."""
    assert interrupt(1, turn=1, number=signal.SIGINT) == 130
    ended = obra("resume", "--task", "1", "--json", *OPTIONS)
    assert ended.code == 0, ended
    assert [(one["status"], one["iterations"]) for one in ended.data] == [("completed", 2)]


def test_all_and_which(obra, tasks, interrupt):
    """Of several a person has to choose; --all takes each, and nothing to do is no failure."""
    interrupt(1, turn=1)
    interrupt(2, turn=2)
    which = obra("resume", *OPTIONS)
    assert which.code == 2
    assert "2 tasks are interrupted: 1, 2; choose one with --task ID, or --all" in which.err
    assert obra("resume", "--all", "--task", "1").code == 2
    ended = obra("resume", "--all", "--json", *OPTIONS)
    assert (ended.code, [one["task_id"] for one in ended.data]) == (0, [1, 2])
    nothing = obra("resume", "--all", *OPTIONS)
    assert (nothing.code, nothing.out) == (0, "no task is interrupted\n")


def test_release_frees_the_task_of_a_removed_container_only(obra, tasks, interrupt, start):
    """One of another host is believed to live until a person says otherwise; one that lives here is not freed."""
    (tasks / "slow").write_text("1")
    process = start("run", "--task", "1", *OPTIONS)
    end = time.monotonic() + 200
    while not (tasks / "waiting").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    refused = obra("task", "release", "1")
    assert refused.code == 1
    assert f"process {process.pid} on {os.uname().nodename} is working on task 1" in refused.err
    process.kill()
    process.communicate()
    (tasks / "slow").unlink()
    with closing(sqlite3.connect(tasks / ".obra" / "obra.db")) as raw, raw:
        raw.execute("UPDATE task SET owner = 'container7:12:abc-1' WHERE id = 1")
    busy = obra("resume", "--task", "1", *OPTIONS)
    assert busy.code == 1
    assert "process 12 on container7 is working on task 1" in busy.err
    assert "obra task release 1" in busy.err
    freed = obra("task", "release", "1")
    assert (freed.code, freed.out) == (0, "task 1 is interrupted; go on with: obra resume --task 1\n")
    assert obra("resume", "--task", "1", *OPTIONS).code == 0
