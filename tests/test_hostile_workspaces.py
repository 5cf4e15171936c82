"""A workspace full of settings for every program we know: none runs a hook, none moves the traffic."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_settings import planted

from obra.domain import ScriptStep
from obra.errors import AgentUnavailable
from obra.plugins import AGENTS, find_plugin
from obra.replay.dialects import server_for, settings_for
from obra.testing.contract_table import KNOWN

SECONDS = 300

pytestmark = pytest.mark.timeout(SECONDS)


def program_of(known) -> str:
    """Return the path of a program; the test is skipped, and says why, where there is none."""
    program = known.find()
    if program is None:
        pytest.skip(f"no {known.program}: npm install {known.package} and name its path in {known.variable}")
    return program


def check(kind: str, workspace: Path, **config) -> None:
    """Let an agent work where the settings are planted: it obeys our server's script and nothing else."""
    agent = find_plugin(AGENTS, kind)()
    script = [ScriptStep(say="One.", run=("touch done.txt",))]
    over_there = agent if kind == "claude_code_ssh" else None
    with planted(workspace), server_for(kind, script, workspace=workspace, elsewhere=over_there) as server:
        try:
            agent.initialize({**config, "workspace_dir": workspace, **settings_for(kind, server)})
            assert agent.send_prompt("the first").text == "One."
        finally:
            agent.cleanup()
        assert server.requests > 1
    assert (workspace / "done.txt").exists()


def test_settings_in_the_workspace_are_not_obeyed(tmp_path):
    """The work is done by our server's script, no planted command runs, and nobody calls the other address.

    That the other programs do not obey them is shown where they do their work, in test_other_agents.py.
    """
    check("claude_code_local", tmp_path, command=program_of(KNOWN[0]))


def test_settings_in_the_workspace_are_not_obeyed_in_a_terminal(tmp_path):
    """The same holds for the interactive program, which would ask a person whether to trust the folder."""
    check("claude_code_local", tmp_path, command=program_of(KNOWN[0]), transport="terminal")


def test_settings_in_the_workspace_are_not_obeyed_over_ssh(tmp_path, ssh_server):
    """The same holds where the workspace, with all that is in it, has travelled to another machine."""
    workspace, there = tmp_path / "workspace", tmp_path / "there"
    workspace.mkdir()
    there.mkdir()
    reach = {**ssh_server.reach, "remote_dir": str(there)}
    check("claude_code_ssh", workspace, command=program_of(KNOWN[0]), **reach)


def test_gemini_refuses_a_workspace_with_settings_of_its_own(tmp_path):
    """It works in no folder without trusting it, so the turn is refused before the program starts."""
    (known,) = (one for one in KNOWN if one.kind == "gemini")
    agent = find_plugin(AGENTS, "gemini")()
    with planted(tmp_path):
        try:
            agent.initialize({"command": program_of(known), "workspace_dir": tmp_path, "api_key": "no-key"})
            with pytest.raises(AgentUnavailable, match=r"has a \.gemini folder"):
                agent.send_prompt("the first")
        finally:
            agent.cleanup()
