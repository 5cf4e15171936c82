"""The real interactive Claude Code behind a terminal of ours, its model scripted on loopback: the whole road."""

from __future__ import annotations

from pathlib import Path

import pytest

from obra import ClaudeCodeLocalAgent
from obra.domain import ScriptStep
from obra.replay.model_server import ModelServer
from obra.testing import check_agent

ROOT = Path(__file__).parent.parent
SCENARIOS = ("hello_world", "calculator", "vague_task", "gui_multi_iteration")
SECONDS = 300
pytestmark = pytest.mark.timeout(SECONDS)


def test_it_keeps_the_contract(claude, tmp_path):
    """The shipped suite passes with the real program."""
    workspace = tmp_path / "workspace"
    steps = [ScriptStep(say="One.", write={"a.txt": "a"}), ScriptStep(say="Two.", run=("cp a.txt b.txt",))]
    with ModelServer(steps, workspace=workspace) as server:
        config = {
            "command": claude,
            "transport": "terminal",
            "base_url": server.base_url,
            "api_key": "no-key",
        }
        check_agent(
            ClaudeCodeLocalAgent,
            workspace=workspace,
            config=config,
            prompts=["the first", "the second"],
            impossible={**config, "command": str(tmp_path / "nowhere")},
        )
        assert server.error == ""
    assert (workspace / "b.txt").read_text() == "a"
