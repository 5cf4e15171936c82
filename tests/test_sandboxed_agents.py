"""The other agents inside bubblewrap: each real program works there, and writes nowhere but in its workspace."""

from __future__ import annotations

import shlex
import sys

import pytest

from obra.domain import ScriptStep
from obra.errors import AgentUnavailable, WorkspaceError
from obra.plugins import AGENTS, find_plugin
from obra.replay.dialects import server_for, settings_for
from obra.testing.contract_table import KNOWN
from obra.workspace.sandbox import bubblewrap

OTHERS = [known for known in KNOWN if known.kind != "claude_code_local"]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def _there_is_one():
    try:
        bubblewrap()
    except WorkspaceError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("known", OTHERS, ids=lambda known: known.kind)
def test_it_works_and_writes_nowhere_else(known, tmp_path):
    """The file of the script appears, the one outside does not, and what confined it is told."""
    program = known.find()
    if program is None:
        pytest.skip(f"no {known.program}: npm install {known.package} and name its path in {known.variable}")
    workspace, outside = tmp_path / "workspace", tmp_path / "outside.txt"
    workspace.mkdir()
    script = [ScriptStep(say="One.", run=("touch inside.txt", f"touch {shlex.quote(str(outside))}; true"))]
    agent = find_plugin(AGENTS, known.kind)()
    with server_for(known.kind, script, workspace=workspace) as server:
        given = {**settings_for(known.kind, server), "sandbox": "bubblewrap", "sandbox_network": "model"}
        try:
            agent.initialize({"command": program, "workspace_dir": workspace, **given})
            assert agent.sandbox == f"{bubblewrap()}, network: model"
            assert agent.send_prompt("the first").text == "One."
        finally:
            agent.cleanup()
    assert (workspace / "inside.txt").exists()
    assert not outside.exists()


def test_any_program_is_confined(tmp_path):
    """A command agent's program writes its workspace, and not beside it; a model's address has to be known."""
    workspace, outside = tmp_path / "workspace", tmp_path / "outside.txt"
    code = f"import pathlib; pathlib.Path('inside.txt').touch(); pathlib.Path({str(outside)!r}).touch()"
    agent = find_plugin(AGENTS, "command")()
    command = shlex.join([sys.executable, "-c", f"import contextlib\nwith contextlib.suppress(OSError): {code}"])
    given = {"command": command, "workspace_dir": workspace, "sandbox": "bubblewrap"}
    try:
        agent.initialize(given)
        agent.send_prompt("go")
        agent.initialize({**given, "sandbox_network": "model"})
        with pytest.raises(AgentUnavailable, match="address of this agent's model is not known"):
            agent.send_prompt("go")
    finally:
        agent.cleanup()
    assert (workspace / "inside.txt").exists()
    assert not outside.exists()
