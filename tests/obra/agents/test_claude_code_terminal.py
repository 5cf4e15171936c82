"""What goes wrong behind a terminal, with a small program that goes wrong on purpose and with the real one.

What must hold by either transport is tested in test_claude_code_local.py, for both.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from ever_longer import with_time
from terminal_stand_in import write_stand_in

from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.agents.claude_code_terminal import TerminalProgram
from obra.agents.terminal_records import TerminalRecords
from obra.domain import Fault, ModelFault, ScriptStep, TurnLimits
from obra.errors import AgentCrashed, AgentTimeout, AgentUnavailable, ObraError
from obra.events import AgentEventKind
from obra.replay.model_server import ModelServer
from obra.workspace.processes import clean_environment

SLEEP = "python3 -c 'import time; time.sleep(60)'"


@pytest.fixture
def stand_in(tmp_path: Path, workspace: Path, processes_in):
    """Open an agent whose program is the stand-in with a manner; afterwards nothing of it may be left."""

    @contextmanager
    def opened(manner: str, **config):
        agent = ClaudeCodeLocalAgent()
        command = str(write_stand_in(tmp_path / "stand-in", manner))
        given = {"command": command, "workspace_dir": workspace, "transport": "terminal", **config}
        agent.initialize(given)
        try:
            yield agent
        finally:
            agent.cleanup()
        assert processes_in(workspace) == []
        assert not any(thread.name == "obra-terminal" for thread in threading.enumerate())

    return opened


@pytest.fixture
def real(claude_command: str, workspace: Path, processes_in):
    """Open an agent with the real program, whose model plays the steps; afterwards nothing of it may be left."""

    @contextmanager
    def opened(*steps: ScriptStep, faults=(), **config):
        agent = ClaudeCodeLocalAgent()
        with ModelServer(steps, workspace=workspace, tokens=(100, 10), faults=faults) as server:
            given = {"base_url": server.base_url, "api_key": "no-key", "timeout_response": 100, **config}
            agent.initialize(
                {"command": claude_command, "workspace_dir": workspace, "transport": "terminal", **given}
            )
            try:
                yield agent, server
            finally:
                agent.cleanup()
        assert processes_in(workspace) == []

    return opened


def test_the_stand_in_keeps_two_turns(stand_in):
    """The program that goes wrong on purpose does well when it is told to: tokens are known, cost is not."""
    with stand_in("good") as agent:
        first, second = agent.send_prompt("one"), agent.send_prompt("two\nlines")
    assert (first.text, first.session, first.tokens_in, first.tokens_out) == ("Done.", "s-1", 3, 2)
    assert first.cost_usd is None
    assert (second.text, second.session) == ("Done.", "s-1")


@pytest.mark.parametrize("manner", ["strange_at_start", "strange_in_turn"])
def test_an_unknown_dialog_is_an_error_that_shows_the_screen(stand_in, manner):
    """It is not answered by guess, and it does not take until the time limit."""
    with stand_in(manner) as agent, pytest.raises(AgentCrashed) as caught:
        agent.send_prompt("go")
    said = str(caught.value)
    assert "a dialog that Obra does not know" in said
    assert "Would you like a cup of tea?" in said
    assert "1. Yes, with milk" in said


@pytest.mark.parametrize(
    ("manner", "key", "seconds", "message"),
    [
        ("never_ready", "timeout_ready", 0.5, r"raise timeout_ready.*Loading, please wait"),
        ("hangs", "timeout_response", 0.8, r"was silent for {}; raise timeout_response.*last seen: start"),
        ("hangs", "timeout", 1.5, r"was not done after {}"),
    ],
)
def test_each_time_limit_ends_the_turn(stand_in, manner, key, seconds, message):
    """A start that never ends, a silence and a turn without end each have their own message."""

    def wait(limit: float) -> None:
        told = "(?s)" + message.replace("{}", f"{limit:g} s")
        with stand_in(manner, **{key: limit}) as agent, pytest.raises(AgentTimeout, match=told):
            agent.send_prompt("go")

    with_time(wait, seconds, 8, 40)


def test_a_crash_in_mid_turn_is_told_with_exit_code_and_screen(stand_in):
    """There is no standard error: what the program said last stands on its screen."""
    with stand_in("crashes") as agent, pytest.raises(AgentCrashed, match=r"(?s)exit code 7.*panic: out of tea"):
        agent.send_prompt("go")


def test_a_prompt_that_was_understood_otherwise_fails_the_turn(stand_in):
    """The program says what it has heard; another prompt than ours is never taken for ours."""
    with stand_in("garbles") as agent, pytest.raises(AgentCrashed, match="another prompt.*rm -rf"):
        agent.send_prompt("say hello")


def test_a_prompt_that_is_not_heard_is_sent_off_anew_and_then_given_up(tmp_path: Path, workspace: Path):
    """The program lives and shows its box, and never says that it has heard: the turn ends with the screen."""
    records = TerminalRecords(tmp_path / "records", max_turns=None)
    command = [str(write_stand_in(tmp_path / "stand-in", "deaf")), f"--settings={json.dumps(records.settings)}"]
    variables = {**clean_environment(tmp_path / "home"), "TERM": "xterm-256color"}
    program = TerminalProgram(command, cwd=workspace, environment=variables, records=records, enter_seconds=0.1)
    try:
        program.wire.send(b'{"type": "user", "message": {"content": "go"}}')
        said = b""
        while b'"result"' not in said:
            said = program.wire.next_line(60)
    finally:
        program.end(hopeless=True)
    assert b"Claude Code did not take the prompt that was typed into it. The screen:" in said


def test_a_setting_that_is_no_transport_is_refused(workspace: Path):
    """A transport that does not exist is not taken for the default."""
    with pytest.raises(ObraError, match="transport must be one of pipe, terminal; it is 'carrier pigeon'"):
        ClaudeCodeLocalAgent().initialize({"workspace_dir": workspace, "transport": "carrier pigeon"})


def test_whatever_stands_in_a_prompt_is_only_text(real):
    """Escape sequences, the end of a paste, a leading command and a trailing mention arrive as visible words."""
    prompts = (
        "/help me\x1b[201~\r/exit\x03\x04 and \x1b]0;title\x07 \x9b2J done",
        "! ls ünïcode 漢字 👩‍🚀 e\u0301 \u202edrawkcab\u202c @",
    )
    steps = (ScriptStep(say="one"), ScriptStep(say="two"))
    with real(*steps) as (agent, server):
        seen: list[str] = []
        respond = server.respond
        server.respond = lambda request: (
            seen.append(json.dumps(request["messages"], ensure_ascii=False)) or respond(request)
        )
        assert [agent.send_prompt(prompt).text for prompt in prompts] == ["one", "two"]
        assert server.error == ""
    assert "Prompt:\\n/help me␛[201~\\n/exit␃␄ and ␛]0;title␇ �2J done" in seen[0]
    assert "ünïcode 漢字" in seen[1]


def test_a_dead_model_api_has_the_failure_class_of_pipes(real):
    """Too many requests for ever is a crash with its status, and the session lives on."""
    steps = (ScriptStep(say="one"), ScriptStep(say="two"))
    faults = [Fault(kind=ModelFault.RATE_LIMITED, prompt=1, times=None)]
    with real(*steps, faults=faults) as (agent, _):
        with pytest.raises(AgentCrashed, match=r"the model API failed during the turn \(status 429\)"):
            agent.send_prompt("one")
        assert agent.send_prompt("two").text == "two"


def test_a_model_api_that_is_not_there_is_unavailable(claude_command, workspace: Path, processes_in):
    """Nothing listens at the address: the class is that of an agent which cannot work at all."""
    agent = ClaudeCodeLocalAgent()
    given = {"base_url": "http://127.0.0.1:9", "api_key": "no-key", "transport": "terminal"}
    agent.initialize({"command": claude_command, "workspace_dir": workspace, **given})
    try:
        with pytest.raises(AgentUnavailable, match="cannot use its model API"):
            agent.send_prompt("go")
    finally:
        agent.cleanup()
    assert processes_in(workspace) == []


def test_cleanup_from_another_thread_ends_the_turn(real):
    """A person who cancels does not wait for the tool: the turn fails at once, and nothing is left."""
    with real(ScriptStep(say="never", run=(SLEEP,))) as (agent, _):
        canceller = threading.Thread(target=agent.cleanup)

        def cancel_at_first_call(event):
            if event.kind is AgentEventKind.TOOL_CALL:
                canceller.start()

        with pytest.raises(AgentCrashed):
            agent.send_prompt("go", on_event=cancel_at_first_call)
        canceller.join()
        assert not agent.is_healthy()


def test_a_frozen_program_is_ended_at_its_limit(real):
    """Stopped by SIGSTOP it neither draws nor obeys; the limit holds, and SIGKILL ends it."""
    with real(ScriptStep(say="never", run=(SLEEP,)), ScriptStep(say="two")) as (agent, _):

        def freeze(event):
            if event.kind is AgentEventKind.TOOL_CALL:
                os.kill(agent._session.program.tree.process.pid, signal.SIGSTOP)

        with pytest.raises(AgentTimeout, match="was silent for 3 s"):
            agent.send_prompt("go", limits=TurnLimits(idle=3.0), on_event=freeze)


@pytest.mark.parametrize("size", [(24, 80), (60, 220)])
def test_any_size_of_terminal_will_do(real, workspace: Path, size):
    """A dialog taller than the screen is answered, and a long input box is sent off, on small and large ones."""
    long_file = "\n".join(f"line {number}" for number in range(60))
    step = ScriptStep(say="Done.", write={"../outside.txt": long_file, "inside.txt": "x"})
    with real(step) as (agent, _), _terminals_of(size):
        reply = agent.send_prompt("\n".join(f"requirement {number}" for number in range(40)))
    assert reply.text == "Done."
    assert reply.denials == (f"Write {workspace.parent / 'outside.txt'}",)
    assert (workspace / "inside.txt").exists()


@contextmanager
def _terminals_of(size):
    """Make every terminal in this size; there is no setting for it."""
    defaults = TerminalProgram.__init__.__kwdefaults__
    before = defaults["size"]
    defaults["size"] = size
    yield
    defaults["size"] = before


def test_the_workspace_is_trusted_in_a_configuration_that_is_not_ours(real, tmp_path: Path):
    """With a person's own folder the program asks whether to trust the workspace we were told to work in: yes."""
    own = tmp_path / "own"
    own.mkdir()
    seeds = {"hasCompletedOnboarding": True, "theme": "dark"}
    seeds["customApiKeyResponses"] = {"approved": ["no-key"], "rejected": []}
    (own / ".claude.json").write_text(json.dumps(seeds))
    os.environ["CLAUDE_CONFIG_DIR"] = str(own)
    try:
        with real(ScriptStep(say="Hello."), pass_environment=("CLAUDE_CONFIG_DIR",)) as (agent, _):
            assert agent.send_prompt("go").text == "Hello."
    finally:
        del os.environ["CLAUDE_CONFIG_DIR"]
