"""Ctrl-C in the middle of a program's start: whoever would have ended it does not have it yet."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest
from terminal_stand_in import write_stand_in

from obra.agents.acp import ACPAgent
from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.agents.command_agent import CommandAgent
from obra.steering import Stopped


def _stop(_number: int, _frame: object) -> None:
    raise Stopped


def _exit(_number: int, _frame: object) -> None:
    sys.exit(143)


HANDLERS = {signal.SIGUSR1: _stop, signal.SIGTERM: _exit}


@pytest.fixture(
    params=[(signal.SIGINT, KeyboardInterrupt), (signal.SIGUSR1, Stopped), (signal.SIGTERM, SystemExit)],
    ids=["Ctrl-C", "a person's stop", "a handler of the program's own"],
)
def comes_at_start(request):
    """Let a signal come when the program runs, and its output is about to be read; say what its handler raises."""
    number, error = request.param
    came = []

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is threading.Thread.start.__code__ and not came:
            came.append(number)
            signal.raise_signal(number)

    def comes() -> type[BaseException]:
        sys.setprofile(look)
        return error

    usual = {one: signal.signal(one, handler) for one, handler in HANDLERS.items()}
    yield comes
    sys.setprofile(None)
    for one, handler in usual.items():
        signal.signal(one, handler)
    assert came == [number]


def claude_over_pipes(tmp_path: Path):
    """Claude Code as a program that says nothing."""
    program = tmp_path / "silent"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "2.1.330 (Claude Code)" || exec sleep 600\n')
    program.chmod(0o755)
    return ClaudeCodeLocalAgent(), {"command": str(program)}


def claude_in_a_terminal(tmp_path: Path):
    """The stand-in for the interactive one."""
    command = str(write_stand_in(tmp_path / "stand-in", "good"))
    return ClaudeCodeLocalAgent(), {"command": command, "transport": "terminal"}


def one_for_each_turn(tmp_path: Path):  # the others need it
    """Any command."""
    return CommandAgent(), {"command": "sleep 600"}


@pytest.mark.parametrize("make", [claude_over_pipes, claude_in_a_terminal, one_for_each_turn])
def test_nothing_of_a_turn_runs_on(workspace, processes_in, comes_at_start, make):
    """The program has ended, and its reader too, before the error is out; the next turn begins as ever."""
    agent, settings = make(workspace.parent)
    agent.initialize({"workspace_dir": str(workspace), **settings})
    try:
        before = set(threading.enumerate())
        with pytest.raises(comes_at_start()):
            agent.send_prompt("go")
        assert processes_in(workspace) == []
        assert set(threading.enumerate()) <= before
        assert agent.is_healthy()
    finally:
        agent.cleanup()


def test_nothing_of_a_connection_runs_on(workspace, processes_in, comes_at_start):
    """An agent that is started when it is initialized."""
    command = shlex.join([sys.executable, str(Path(__file__).parent / "acp_stand_in.py")])
    agent = ACPAgent()
    before = set(threading.enumerate())
    with pytest.raises(comes_at_start()):
        agent.initialize({"workspace_dir": str(workspace), "command": command})
    assert processes_in(workspace) == []
    assert set(threading.enumerate()) <= before
