"""ClaudeCodeSSHAgent with machines that go away and programs that stand for Claude Code there."""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from pathlib import Path

import pytest

from obra.domain import TurnLimits
from obra.errors import AgentCrashed, AgentUnavailable

RESULT = json.dumps(
    {"type": "result", "subtype": "success", "is_error": False, "result": "hi", "session_id": "s", "num_turns": 1}
)
TURN = f"case $line in *'\"user\"'*) echo {shlex.quote(RESULT)};; esac"


def when(file: Path, act) -> threading.Thread:
    """Begin to wait for *file*; then *act*."""

    def wait() -> None:
        end = time.monotonic() + 100
        while not file.exists() and time.monotonic() < end:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_workspace_that_is_gone_is_told(login, fake, workspace: Path):
    """The system's words stand in it, and the machine there is not blamed for a lost connection."""
    agent = login(command=str(fake("exit")))
    workspace.rmdir()
    with pytest.raises(AgentCrashed, match=rf"^the workspace cannot be sent: .*No such file .*'{workspace}'$"):
        agent.send_prompt("go")


def test_a_machine_that_goes_away_while_it_is_made_ready_is_told(login, own_sshd, tmp_path: Path):
    """What was done when it went, and what may be left there: nobody can look."""
    server = own_sshd()
    program = tmp_path / "claude"
    waiting = f"timeout 90 sh -c 'until test -e {tmp_path}/over; do sleep 0.05; done'"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexec {waiting}\n")
    program.chmod(0o755)
    thread = when(tmp_path / "asked", server.stop)
    with pytest.raises(AgentUnavailable) as told:
        login(command=str(program), timeout_connect=2, **server.reach)
    (tmp_path / "over").touch()  # it outlives the server that ran it
    thread.join()
    text = str(told.value)
    assert text.startswith("the SSH connection is lost: it ended in the middle of ")
    assert "the SSH connection was lost and did not come back within 0 s" in text
    assert f"the folder {tmp_path}/there/obra-" in text
    assert "may be left on 127.0.0.1" in text


def test_cleanup_before_the_next_program_is_started_starts_none(login, fake, tmp_path: Path):
    """Another limit needs another program; while the old one takes its time to end, the next is given up."""
    ending = f"touch {tmp_path}/ending; until [ -e {tmp_path}/go ]; do sleep 0.01; done"
    agent = login(command=str(fake(f"echo x >> {tmp_path}/starts; while read -r line; do {TURN}; done; {ending}")))
    assert agent.send_prompt("one").text == "hi"

    def cancel() -> None:
        cleaning = threading.Thread(target=agent.cleanup)
        cleaning.start()
        while agent.handle:
            time.sleep(0.01)
        (tmp_path / "go").touch()
        cleaning.join()

    thread = when(tmp_path / "ending", cancel)
    with pytest.raises(AgentCrashed, match="was cleaned up in the middle of its turn"):
        agent.send_prompt("two", limits=TurnLimits(turns=7))
    thread.join()
    assert (tmp_path / "starts").read_text() == "x\n"


def test_a_runner_that_says_nothing_is_given_up_after_the_lease(login, fake, tmp_path: Path):
    """The machine answers, and what should carry the turn there ends at once each time."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *" attach "*) exit 0;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    agent = login(command=str(fake("exec cat")), python=str(python), lease=0.5)
    with pytest.raises(AgentCrashed, match=r"nothing was heard of the runner there for 0\.5 s"):
        agent.send_prompt("go")
