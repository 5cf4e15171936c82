"""The sessions of Codex, opencode, Gemini CLI and an ACP agent outlive the process that began them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.agents.codex import CodexAgent
from obra.agents.command_agent import CommandAgent
from obra.agents.kept_session import GONE, NEVER_TOLD, KeptSession, is_written, note
from obra.config import Config
from obra.domain import ScriptStep, TaskStatus, TurnLimits
from obra.errors import AgentCrashed, AgentUnavailable
from obra.orchestrator import Orchestrator
from obra.plugins import LeftBehind, OutlivesUs, TakenUp
from obra.replay.dialects import server_for, settings_for
from obra.state.state_manager import StateManager
from obra.testing.contract_table import KNOWN
from obra.workspace.private_folder import make_private_folder, remove_private_folder, sweep_private_folders

KINDS = {known.kind: known for known in KNOWN if known.kind != "claude_code_local"}
TWO = ScriptStep(say="Two.", write={"b.txt": "2"})
SCRIPT = (ScriptStep(say="One.", write={"a.txt": "1"}, run=("sleep 5",)), TWO, TWO)
"""Some programs write a prompt of their own behind a turn that was broken off."""
TASK = {"title": "Write b.txt", "description": "It holds a 2.", "checks": [{"file": "b.txt"}]}
KILLED = """\
import json, os, sys, time
from pathlib import Path
from obra.config import Config
from obra.events import AgentActed, AgentEventKind
from obra.orchestrator import Orchestrator
def is_kept(home):
    return any("tool_result" in one.read_text() for one in home.rglob("*.jsonl"))
def look(event):
    if isinstance(event, AgentActed) and event.event.kind is AgentEventKind.TOOL_RESULT:
        home = Path(json.loads(loop.state_manager.steps(1)[-1].data["run"]["handle"])["home"])
        until = time.monotonic() + 30
        while config.get("agent.type") == "acp" and time.monotonic() < until and not is_kept(home):
            time.sleep(0.1)  # it writes its conversation a moment after it has told of it
        os.kill(os.getpid(), 9)
config = Config.load()
for key, value in json.loads(sys.argv[1]).items():
    config.set(key, value)
with Orchestrator(config, observers=[look]) as loop:
    project = loop.state_manager.create_project("p", working_dir=sys.argv[2])
    task = loop.state_manager.create_task(project.id, json.loads(sys.argv[3]))
    loop.execute_task(task.id)
"""
HANGING = """\
import json, os, sys
from obra.agents.codex import CodexAgent
agent = CodexAgent()
agent.initialize(json.loads(sys.argv[1]))
print(agent.handle, flush=True)
agent.send_prompt("hang", on_event=lambda event: os.kill(os.getpid(), 9))
"""


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    """An agent whose program is here; else the test is skipped, and says how to get it."""
    known = KINDS[request.param]
    if not known.find():
        pytest.skip(f"no {known.program}: npm install {known.package} and name its path in {known.variable}")
    return request.param


@pytest.fixture
def served(kind, tmp_path):
    """A model that outlives everybody, as a real one, and the settings of a run that asks it."""
    (tmp_path / "work").mkdir()
    with server_for(kind, SCRIPT, workspace=tmp_path / "work") as server:
        told = settings_for(kind, server)
        model = {"agent.model": told.pop("model")} if "model" in told else {}
        yield {
            "agent.type": kind,
            "agent.options": {**told, "pass_environment": [], "command": KINDS[kind].find()},
            **model,
            "llm.type": "scripted",
            "workspace.store": str(tmp_path / "store"),
            "database.url": f"sqlite:///{tmp_path}/obra.db",
        }


def killed(settings, work) -> None:
    """Run the task in a process that is killed in the middle of its first turn."""
    command = [sys.executable, "-c", KILLED, json.dumps(settings), str(work), json.dumps(TASK)]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == -9, first.stderr


def gone_on(settings, work):
    """Go on with the task; return the outcome, what the task's story says of that, and the files."""
    config = Config.load()
    for key, value in settings.items():
        config.set(key, value)
    with Orchestrator(config, reviewer=[{"score": 95}] * 3) as loop:
        outcome = loop.resume_task(1)
        [told] = [one["data"] for one in loop.state_manager.events(1) if one["kind"] == "resumed"]
    # No empty folders, which no snapshot knows: a Codex that is killed in a command leaves those of its sandbox.
    return outcome, told, sorted(str(path.relative_to(work)) for path in work.rglob("*") if path.is_file())


def home_of(tmp_path) -> Path:
    """The private home of the process that was killed, as the database tells it."""
    with StateManager(f"sqlite:///{tmp_path}/obra.db") as state:
        return Path(json.loads(state.steps(1)[-1].data["run"]["handle"])["home"])


def test_a_run_killed_in_its_first_turn_goes_on_in_the_programs_own_session(served, tmp_path):
    """The prompt is not the first of that conversation, the files are those from before, the story says so."""
    killed(served, tmp_path / "work")
    home = home_of(tmp_path)
    sweep_private_folders(home.parent)
    outcome, told, files = gone_on(served, tmp_path / "work")
    assert (outcome.status, outcome.response) == (TaskStatus.COMPLETED, "Two.")
    assert (told["session"], told["why"]) == (outcome.attempts[0].reply.session, "")
    assert files == ["b.txt"]
    assert not home.exists()


@pytest.fixture
def codex(tmp_path):
    """Settings of a Codex that is played by a small program."""
    program = tmp_path / "codex"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).parent / "codex_stand_in.py"} "$@"\n')
    program.chmod(0o700)
    return {"command": str(program), "workspace_dir": str(tmp_path / "work")}


@pytest.fixture
def left(codex):
    """What a process left behind that was killed in its first turn."""
    command = [sys.executable, "-c", HANGING, json.dumps(codex)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    return LeftBehind(handle=killed.stdout.strip(), in_turn=True, may_resume=True, limits=TurnLimits())


@pytest.fixture
def agent(codex):
    """Another agent with the same settings, initialized."""
    one = CodexAgent()
    one.initialize(codex)
    yield one
    one.cleanup()


def test_the_id_that_the_program_chose_is_known_after_a_kill_in_the_first_turn(agent, left):
    """The handle from before the turn has none; the home has it noted, and is used on and removed at the end."""
    assert isinstance(agent, OutlivesUs)
    assert json.loads(left.handle)["session"] == ""
    session = KeptSession.of(left.handle).session
    ours = Path(json.loads(agent.handle)["home"])
    assert agent.take_up(left) == TakenUp(session=session)
    assert not ours.exists()
    assert agent.send_prompt("go on").text == "prompt 2"
    home = json.loads(left.handle)["home"]
    assert json.loads(agent.handle) == {"session": session, "home": home}
    agent.cleanup()
    assert not Path(home).exists()


def test_nothing_is_taken_up_by_an_agent_that_is_not_initialized(left):
    """Whoever calls it from Python is told what comes first; the home of the dead one stays for later."""
    for one in (CodexAgent(), ClaudeCodeLocalAgent()):
        with pytest.raises(AgentUnavailable, match=r"not initialized; call initialize\(\) first"):
            one.take_up(left)
    assert Path(json.loads(left.handle)["home"]).is_dir()
    remove_private_folder(Path(json.loads(left.handle)["home"]))


def test_where_a_script_is_played_nothing_of_the_old_session_is_used(agent, left):
    """The home of the dead process is removed, and the next prompt is the first of a new session."""
    assert agent.take_up(replace(left, may_resume=False)) == TakenUp()
    assert agent.send_prompt("go on").text == "prompt 1"
    assert not Path(json.loads(left.handle)["home"]).exists()


def test_a_home_that_is_gone_or_a_session_that_was_never_told_begins_anew(agent, left):
    """Why it does is told, and nothing that is not ours is removed."""
    session = KeptSession.of(left.handle).session
    home = Path(json.loads(left.handle)["home"])
    remove_private_folder(home)
    assert agent.take_up(left) == TakenUp(why=NEVER_TOLD)
    known = KeptSession(session=session, home=home).handle
    assert agent.take_up(replace(left, handle=known)) == TakenUp(why=GONE)
    assert agent.send_prompt("go on").text == "prompt 1"


def test_a_session_that_the_program_refuses_costs_one_turn_and_is_begun_anew(agent, left):
    """Its file is there, so that it is tried; the turn fails and says what comes next."""
    kept = KeptSession.of(left.handle)
    [file] = kept.home.glob(CodexAgent.SESSION_FILES.format(session=kept.session))
    file.write_text(f"{kept.session}\nbroken\n")
    assert agent.take_up(left).session == kept.session
    with pytest.raises(AgentCrashed, match=r"no rollout found.*\n?.*The next prompt begins a new session"):
        agent.send_prompt("go on")
    assert agent.send_prompt("go on").text == "prompt 1"


@pytest.mark.parametrize("name", ["-x", "", "a/../b", "a" * 201, "a\nb"])
def test_a_note_that_is_no_id_is_no_session(tmp_path, name):
    """The program can write there: what could be taken for an option or a path is passed over."""
    note(name, tmp_path)
    assert KeptSession.of(KeptSession(session="", home=tmp_path).handle).session == ""


def test_a_note_is_written_over_a_link_and_not_through_it(tmp_path):
    """A link that the program laid to somebody's file leaves that file alone, and is not read either."""
    other = tmp_path / "other"
    other.write_text("secret")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".obra-session").symlink_to(other)
    assert KeptSession.of(KeptSession(session="", home=home).handle).session == ""
    note("a-1", home)
    assert other.read_text() == "secret"
    assert KeptSession.of(KeptSession(session="", home=home).handle).session == "a-1"


def test_only_the_home_of_a_dead_process_of_ours_is_taken(tmp_path):
    """A living owner's stays with them, and so does a folder somewhere else."""
    ours, living = make_private_folder("session"), make_private_folder("session")
    for home in (living, tmp_path):
        assert KeptSession(session="a", home=home).home_for(ours, may_resume=True) == ours
        assert home.is_dir()
        assert ours.is_dir()
    for home in (ours, living):
        remove_private_folder(home)


def test_a_session_is_looked_for_in_regular_files(tmp_path):
    """A pipe is not waited for, an empty file and a link are passed over."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    assert not is_written("a-1", tmp_path.iterdir())
    (tmp_path / "full").write_text("x a-1 y")
    assert is_written("a-1", tmp_path.iterdir())
    (tmp_path / "link").symlink_to(tmp_path / "full")
    assert not is_written("a-1", [tmp_path / "link"])


def test_a_home_that_is_removed_under_an_agent_is_told(agent):
    """Somebody cleans up the temporary files: a typed error says so, and cleanup works all the same."""
    remove_private_folder(Path(json.loads(agent.handle)["home"]))
    with pytest.raises(AgentUnavailable, match="was removed while it was in use"):
        agent.send_prompt("go on")


def test_an_agent_that_keeps_no_session_has_no_handle(tmp_path):
    """There is nothing that another process could reach."""
    agent = CommandAgent()
    agent.initialize({"workspace_dir": str(tmp_path), "command": "true"})
    assert agent.handle == ""
    agent.cleanup()
