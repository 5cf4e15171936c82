"""What happens when the real Claude Code asks for a tool call that policy does not allow."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from ever_longer import with_time

from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.domain import PermissionAnswer, PermissionRequest, ScriptStep, TurnLimits
from obra.events import AgentEvent, AgentEventKind
from obra.plugins import AsksPermission
from obra.replay.model_server import ModelServer

ASKING = "curl -s http://127.0.0.1:9 || touch done.txt"
ALLOWED = PermissionAnswer(allowed=True)


both = pytest.mark.parametrize("play", ["pipe", "terminal"], indirect=True)
"""For what must hold by either transport: over pipes it is a message, in a terminal a dialog to type into."""


@pytest.fixture
def play(request, claude_command: str, workspace: Path):
    """Open an agent that may use nothing but Read without asking; its model plays the given steps."""

    @contextmanager
    def opened(*steps: ScriptStep, **config):
        agent = ClaudeCodeLocalAgent()
        with ModelServer(steps, workspace=workspace, tokens=(100, 10)) as server:
            given = {"base_url": server.base_url, "api_key": "no-key", "allowed_tools": ["Read"], **config}
            given["transport"] = getattr(request, "param", "pipe")
            agent.initialize({"command": claude_command, "workspace_dir": workspace, **given})
            try:
                yield agent
            finally:
                agent.cleanup()

    return opened


@both
def test_a_call_that_is_not_allowed_is_put_to_the_decider_and_then_made(play, workspace: Path):
    """The request names tool, command and input; allowed, the call is really made and denied nothing."""
    asked: list[PermissionRequest] = []
    events: list[AgentEvent] = []
    with play(ScriptStep(say="Done.", run=(ASKING,))) as agent:
        assert isinstance(agent, AsksPermission)
        agent.on_permission = lambda request: asked.append(request) or ALLOWED
        reply = agent.send_prompt("go", on_event=events.append)
    assert [(one.tool, one.subject) for one in asked] == [("Bash", ASKING)]
    assert asked[0].input["command"] == ASKING
    assert (reply.text, reply.denials, reply.limit) == ("Done.", (), "")
    assert (workspace / "done.txt").exists()
    said = [event.text for event in events if event.kind is AgentEventKind.PERMISSION]
    assert said == ["asks for can_use_tool Bash", f"allowed: Bash {ASKING} ()"]


@both
def test_a_denied_call_is_not_made_and_the_turn_and_the_session_go_on(play, workspace: Path):
    """The agent is told why, goes on with its turn, and the next prompt is answered in the same process."""
    steps = (ScriptStep(say="Done.", run=(ASKING, "touch harmless")), ScriptStep(say="Second."))
    with play(*steps) as agent:
        agent.on_permission = lambda _: PermissionAnswer(allowed=False, reason="not on my watch")
        events: list[AgentEvent] = []
        first = agent.send_prompt("go", on_event=events.append)
        process = agent._session.program.tree.process.pid
        second = agent.send_prompt("go on")
        assert agent._session.program.tree.process.pid == process
    assert not (workspace / "done.txt").exists()
    assert (workspace / "harmless").exists()
    assert first.denials == (f"Bash {ASKING}",)
    assert (first.text, second.text, second.session) == ("Done.", "Second.", first.session)
    told = [event.text for event in events if event.text.startswith("Bash failed: ")]
    assert told
    assert told[0].endswith("not on my watch")


@both
def test_without_a_decider_the_call_is_denied_with_a_reason(play, workspace: Path):
    """Nobody to ask is told to the agent in words, and stands among the denials; nothing hangs."""
    events: list[AgentEvent] = []
    with play(ScriptStep(say="Done.", run=(ASKING,))) as agent:
        reply = agent.send_prompt("go", on_event=events.append)
    assert reply.denials == (f"Bash {ASKING}",)
    assert any("there is nobody who could be asked" in event.text for event in events)


def test_the_time_a_person_takes_counts_against_no_limit(play):
    """A decider that takes longer than the turn may be silent or last does not end the turn."""

    def ask(limit: float) -> None:
        def slow(_: PermissionRequest) -> PermissionAnswer:
            time.sleep(limit * 1.1)
            return ALLOWED

        with play(ScriptStep(say="x"), ScriptStep(say="Done.", run=(ASKING,))) as agent:
            agent.send_prompt("warm up")  # the start of the process is not what is measured
            agent.on_permission = slow
            assert agent.send_prompt("go", limits=TurnLimits(seconds=limit, idle=limit)).text == "Done."

    with_time(ask, 0.9, 5, 25)


def test_what_is_to_be_asked_about_is_asked_about_although_it_is_allowed(play):
    """``ask_about`` stands above the allowed tools and above what the mode lets pass."""
    asked: list[str] = []
    step = ScriptStep(say="Done.", write={"a.txt": "a"}, run=("touch b.txt",))
    with play(step, allowed_tools=["Bash", "Write"], ask_about=["Bash", "Write"]) as agent:
        agent.on_permission = lambda request: asked.append(f"{request.tool} {request.subject}") or ALLOWED
        agent.send_prompt("go")
    assert [one.partition(" ")[0] for one in asked] == ["Write", "Bash"]
    assert asked[1] == "Bash touch b.txt"


def test_tools_that_wait_for_a_person_at_a_screen_are_not_offered(claude_command: str, workspace: Path):
    """The model is offered no tool that asks questions or changes the mode: nobody would answer."""
    offered: set[str] = set()
    agent = ClaudeCodeLocalAgent()
    with ModelServer([ScriptStep(say="x")], workspace=workspace) as server:
        respond = server.respond
        server.respond = lambda request: (
            offered.update(tool["name"] for tool in request.get("tools", ())) or respond(request)
        )
        agent.initialize(
            {
                "command": claude_command,
                "workspace_dir": workspace,
                "base_url": server.base_url,
                "api_key": "no-key",
            }
        )
        try:
            agent.send_prompt("go")
        finally:
            agent.cleanup()
    assert {"Bash", "Edit", "Read", "Write"} <= offered
    assert not offered & {"AskUserQuestion", "EnterPlanMode", "ExitPlanMode"}


def test_a_turn_that_ran_out_of_turns_goes_on_where_it_was(play, workspace: Path):
    """``error_max_turns`` keeps the process and the session: the next prompt sees what was done before."""
    steps = (
        ScriptStep(say="x", write={"one.txt": "1"}, run=("touch two", "touch three")),
        ScriptStep(say="Now it is done.", run=("ls",)),
    )
    with play(*steps, allowed_tools=["Bash", "Write"]) as agent:
        limits = TurnLimits(turns=2)
        first = agent.send_prompt("go", limits=limits)
        process = agent._session.program.tree.process.pid
        second = agent.send_prompt("go on", limits=limits)
        assert agent._session.program.tree.process.pid == process
    assert first.limit == "error_max_turns"
    assert (second.text, second.limit, second.session) == ("Now it is done.", "", first.session)
    assert {path.name for path in workspace.iterdir()} == {"one.txt", "two"}
