"""A session of the real Claude Code outlives the process that began it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from obra import ClaudeCodeLocalAgent
from obra.agents.kept_session import GONE
from obra.domain import ScriptStep, TurnLimits
from obra.plugins import LeftBehind, OutlivesUs, TakenUp
from obra.replay.model_server import ModelServer
from obra.workspace.private_folder import remove_private_folder, sweep_private_folders

SCRIPT = [ScriptStep(say="One.", write={"a.txt": "1"}), ScriptStep(say="Two.", write={"b.txt": "2"})]
FIRST = """\
import json, os, sys
from obra import ClaudeCodeLocalAgent
agent = ClaudeCodeLocalAgent()
agent.initialize(json.loads(sys.argv[1]))
agent.send_prompt("the first")
print(agent.handle, flush=True)
os.kill(os.getpid(), 9)
"""
IN_FIRST = """\
import json, os, sys
from obra import ClaudeCodeLocalAgent
from obra.events import AgentEventKind
agent = ClaudeCodeLocalAgent()
agent.initialize(json.loads(sys.argv[1]))
print(agent.handle, flush=True)
def look(event):
    if event.kind is AgentEventKind.TOOL_RESULT and event.tool == "Bash":
        os.kill(os.getpid(), 9)
agent.send_prompt("the first", on_event=look)
"""


def config_for(claude, server, tmp_path, passed=()):
    """Settings of an agent whose model is *server*."""
    place = str(tmp_path / "work")
    more = {"workspace_dir": place, "pass_environment": list(passed)}
    return {"command": claude, "base_url": server.base_url, "api_key": "none", **more}


def left_behind(handle, *, in_turn=True):
    """What the loop hands an agent that goes on with its own session."""
    return LeftBehind(handle=handle, in_turn=in_turn, may_resume=True, limits=TurnLimits())


def killed_after_its_first_turn(config):
    """Send one prompt in a process that is killed then; return the handle of its session."""
    return killed(FIRST, config)


def killed(program, config):
    """Run *program*, which kills itself; return what it printed."""
    command = [sys.executable, "-c", program, json.dumps(config)]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == -9, first.stderr
    return first.stdout.strip()


def test_the_next_process_resumes_the_session_that_stands_in_a_persons_home(claude, tmp_path, monkeypatch):
    """After kill -9 the second prompt of the same conversation gets the second step."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with ModelServer(SCRIPT, workspace=tmp_path / "work") as server:
        config = config_for(claude, server, tmp_path, passed=["HOME"])
        handle = killed_after_its_first_turn(config)
        agent = ClaudeCodeLocalAgent()
        assert isinstance(agent, OutlivesUs)
        agent.initialize(config)
        assert json.loads(agent.handle)["session"] != json.loads(handle)["session"]
        session = json.loads(handle)["session"]
        assert agent.take_up(left_behind(handle, in_turn=False)) == TakenUp(session=session)
        reply = agent.send_prompt("the second")
        agent.cleanup()
    assert (reply.text, reply.session) == ("Two.", session)


def test_a_session_in_a_private_home_is_taken_over_by_the_next_process(claude, tmp_path):
    """The home of the killed process stands until then, also when others sweep, and is gone afterwards."""
    with ModelServer(SCRIPT, workspace=tmp_path / "work") as server:
        config = config_for(claude, server, tmp_path)
        handle = killed_after_its_first_turn(config)
        old = Path(json.loads(handle)["home"])
        sweep_private_folders(old.parent)
        assert old.is_dir()
        agent = ClaudeCodeLocalAgent()
        agent.initialize(config)
        assert agent.take_up(left_behind(handle, in_turn=False)).session == json.loads(handle)["session"]
        reply = agent.send_prompt("the second")
        agent.cleanup()
    assert not old.exists()
    assert (reply.text, reply.session) == ("Two.", json.loads(handle)["session"])


def test_a_session_that_is_gone_is_begun_anew(claude, tmp_path):
    """A private home was removed meanwhile: the conversation begins with the first step."""
    with ModelServer(SCRIPT, workspace=tmp_path / "work") as server:
        config = config_for(claude, server, tmp_path)
        handle = killed_after_its_first_turn(config)
        remove_private_folder(Path(json.loads(handle)["home"]))
        agent = ClaudeCodeLocalAgent()
        agent.initialize(config)
        assert agent.take_up(left_behind(handle)) == TakenUp(why=GONE)
        reply = agent.send_prompt("the first")
        agent.cleanup()
    assert reply.text == "One."


def test_a_first_turn_that_was_killed_is_resumed_by_its_session(claude, tmp_path):
    """The id is ours and known before the prompt goes out: the next prompt is the second of that conversation."""
    first = ScriptStep(say="One.", run=("sleep 0.3", "sleep 5"))
    with ModelServer([first, SCRIPT[1]], workspace=tmp_path / "work") as server:
        config = config_for(claude, server, tmp_path)
        handle = killed(IN_FIRST, config)
        agent = ClaudeCodeLocalAgent()
        agent.initialize(config)
        assert agent.take_up(left_behind(handle)).session == json.loads(handle)["session"]
        reply = agent.send_prompt("the first, again")
        agent.cleanup()
    assert (reply.text, reply.session) == ("Two.", json.loads(handle)["session"])
