"""The real Claude Code in the real bubblewrap; only its model is scripted, on loopback."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from obra import Config, Orchestrator
from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.agents.command_agent import CommandAgent
from obra.domain import ScriptStep
from obra.errors import AgentCrashed, AgentUnavailable, WorkspaceError
from obra.events import AgentEvent, AgentEventKind
from obra.prerequisites import prerequisites
from obra.replay.model_server import ModelServer
from obra.reports.rows import row_of
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import run_scenario
from obra.workspace.sandbox import bubblewrap

SLEEP = "python3 -c 'import time; time.sleep(60)'"


@pytest.fixture(autouse=True)
def _sandbox() -> None:
    try:
        bubblewrap()
    except WorkspaceError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("transport", ["pipe", "terminal"])
@pytest.mark.parametrize("network", ["host", "model"])
def test_it_works_as_ever_but_writes_nowhere_else(
    claude_command: str, workspace: Path, tmp_path: Path, processes_in, *, network: str, transport: str
):
    """Two turns of one session; files appear in the workspace, none outside, and no process is left."""
    outside = tmp_path / "outside"
    first = ScriptStep(
        say="One.", write={"a.txt": "a"}, run=(f"touch {outside} /etc/obra-test; ps -e | wc -l >count",)
    )
    agent = ClaudeCodeLocalAgent()
    with ModelServer([first, ScriptStep(say="Two.", run=("touch b.txt",))], workspace=workspace) as server:
        agent.initialize(
            {
                "command": claude_command,
                "workspace_dir": workspace,
                "base_url": server.base_url,
                "api_key": "no-key",
                "sandbox": "bubblewrap",
                "sandbox_network": network,
                "transport": transport,
            }
        )
        try:
            assert agent.sandbox == f"{bubblewrap()}, network: {network}"
            replies = [agent.send_prompt("go"), agent.send_prompt("go on")]
        finally:
            agent.cleanup()
    assert [reply.text for reply in replies] == ["One.", "Two."]
    assert replies[0].session == replies[1].session
    assert {path.name for path in workspace.iterdir()} == {"a.txt", "b.txt", "count"}
    assert int((workspace / "count").read_text()) < 12
    assert not outside.exists()
    assert not Path("/etc/obra-test").exists()
    assert processes_in(workspace) == []


def test_a_killed_one_leaves_nothing_and_its_session_goes_on(claude_command: str, workspace: Path, processes_in):
    """``kill -9`` of the sandbox in the middle of a tool ends the tool; the next prompt resumes the session."""
    agent = ClaudeCodeLocalAgent()
    steps = [ScriptStep(say="One."), ScriptStep(say="never", run=(SLEEP,)), ScriptStep(say="Three.")]
    with ModelServer(steps, workspace=workspace) as server:
        given = {"base_url": server.base_url, "api_key": "no-key", "sandbox": "bubblewrap"}
        agent.initialize({"command": claude_command, "workspace_dir": workspace, **given})

        def kill(event: AgentEvent) -> None:
            if event.kind is AgentEventKind.TOOL_CALL:
                end = time.monotonic() + 60
                stored = agent._home.rglob
                while not any("toolu_obra_2" in log.read_text() for log in stored("projects/*/*.jsonl")):
                    assert time.monotonic() < end, "the session was not written down"
                    time.sleep(0.01)
                os.kill(agent._session.program.tree.process.pid, signal.SIGKILL)

        try:
            first = agent.send_prompt("one")
            with pytest.raises(AgentCrashed, match="exit code -9"):
                agent.send_prompt("two", on_event=kill)
            assert processes_in(workspace) == []
            third = agent.send_prompt("three")
        finally:
            agent.cleanup()
    assert (third.text, third.session) == ("Three.", first.session)


def test_the_report_says_what_confined_it(claude_command: str, tmp_path: Path):
    """A scenario's row names bubblewrap with its version and the network, and doctor lists it."""
    scenario = Scenario.from_data(
        {
            "task": {"title": "Say hello"},
            "checks": [{"file": "hello.txt"}],
            "script": [{"say": "Done.", "write": {"hello.txt": "hello\n"}}],
            "reviewer": [{"score": 90}],
        }
    )
    config = Config.load(rung="replay")
    for key, value in {
        "agent.local.command": claude_command,
        "agent.sandbox": "bubblewrap",
        "database.url": f"sqlite:///{tmp_path}/obra.db",
        "workspace.store": str(tmp_path / "store.git"),
        "monitoring.watch_files": False,
    }.items():
        config.set(key, value)
    assert [one.found for one in prerequisites(config) if one.name == "sandbox"] == [bubblewrap()]
    with Orchestrator(config, script=scenario.script, reviewer=scenario.reviewer) as loop:
        report = run_scenario(scenario, loop, root=tmp_path / "work", agent="replay")
    assert report.passed
    assert row_of(report)["sandbox"] == f"{bubblewrap()}, network: host"


def test_an_agent_that_cannot_be_confined_is_not_run_instead(tmp_path: Path):
    """Asked for a sandbox, an agent without one is refused; it never runs unconfined in silence."""
    config = Config()
    for key, value in {
        "agent.type": "claude_code_ssh",
        "agent.sandbox": "bubblewrap",
        "database.url": f"sqlite:///{tmp_path}/obra.db",
        "workspace.store": str(tmp_path / "store.git"),
    }.items():
        config.set(key, value)
    with Orchestrator(config) as loop:
        project = loop.state_manager.create_project("p", working_dir=str(tmp_path / "work"))
        task = loop.state_manager.create_task(project.id, {"title": "t"})
        with pytest.raises(AgentUnavailable, match="'claude_code_ssh' cannot be confined"):
            loop.execute_task(task.id)


def test_a_model_whose_address_is_not_known_cannot_be_the_only_way_out(tmp_path: Path):
    """The agent is not started with another network than was asked for; the cure names both settings."""
    agent = CommandAgent()
    agent.initialize(
        {
            "workspace_dir": str(tmp_path),
            "command": "touch ran",
            "sandbox": "bubblewrap",
            "sandbox_network": "model",
        }
    )
    with pytest.raises(AgentUnavailable, match=r"set its base_url, or agent\.sandbox_network: host$"):
        agent.send_prompt("go")
    agent.cleanup()
    assert list(tmp_path.iterdir()) == []
