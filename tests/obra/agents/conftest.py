"""What the tests of the real Claude Code share."""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from obra.agents.claude_code import INSTALL_HINT
from obra.agents.claude_code_ssh import ClaudeCodeSSHAgent
from obra.replay.model_server import ModelServer


@pytest.fixture(scope="session")
def claude_command() -> str:
    """Path of the real binary; the test is skipped, and says why, where there is none."""
    named = os.environ.get("OBRA__AGENT__LOCAL__COMMAND", "claude")
    found = shutil.which(named)
    if found is None:
        pytest.skip(
            f"no Claude Code: {named!r} is not on PATH; {INSTALL_HINT}, or set OBRA__AGENT__LOCAL__COMMAND to it"
        )
    return found


@pytest.fixture
def fake(tmp_path: Path):
    """Write an executable that answers --version and then does what it is told."""

    def write(body: str, version: str = "2.1.330 (Claude Code)") -> Path:
        path = tmp_path / f"fake claude {len(list(tmp_path.iterdir()))}"
        answer = f"echo {shlex.quote(version)}"
        path.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then {answer}; exit; fi\n{body}\n')
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def processes_in():
    """Tell which live processes work in a folder."""

    def find(folder: Path) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                    found.append(" ".join(process.cmdline()))
            except (psutil.Error, OSError):
                continue
        return found

    return find


@pytest.fixture
def login(ssh_server, workspace: Path, tmp_path: Path):
    """Initialize an agent over SSH; cleaned up afterwards."""
    (tmp_path / "there").mkdir()
    with ExitStack() as stack:

        def start(agent: ClaudeCodeSSHAgent | None = None, **config) -> ClaudeCodeSSHAgent:
            agent = agent or ClaudeCodeSSHAgent()
            stack.callback(agent.cleanup)
            here = {"remote_dir": str(tmp_path / "there"), "workspace_dir": str(workspace)}
            agent.initialize({**ssh_server.reach, **here, **config})
            return agent

        yield start


@pytest.fixture
def play(login, claude_command: str, workspace: Path):
    """Initialize one whose model, reached through the connection, plays steps; ``agent.model`` is the server."""
    with ExitStack() as stack:

        def start(*steps, **config) -> ClaudeCodeSSHAgent:
            agent = ClaudeCodeSSHAgent()
            agent.model = stack.enter_context(ModelServer(steps, workspace=workspace, elsewhere=agent))
            model = {"base_url": agent.model.base_url, "api_key": "no-key", "tunnel": True}
            return login(agent, command=claude_command, **model, **config)

        yield start


@pytest.fixture
def processes_of():
    """Tell which live processes carry the marker of an agent over SSH."""

    def find(agent: ClaudeCodeSSHAgent) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("OBRA_RUN_ID") == agent._far.marker:
                    found.append(" ".join(process.cmdline())[:200])
            except (psutil.Error, OSError):
                continue
        return found

    return find


@pytest.fixture
def left_there(processes_of, tmp_path: Path):
    """Tell what is left of an agent over SSH: processes and folders."""

    def find(agent: ClaudeCodeSSHAgent) -> list[str]:
        return [*processes_of(agent), *(path.name for path in (tmp_path / "there").iterdir())]

    return find
