"""What the tests of the real Claude Code share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import pytest

from obra.agents.claude_code import INSTALL_HINT


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
