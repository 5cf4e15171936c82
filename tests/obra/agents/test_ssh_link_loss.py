"""A link that is cut, frozen, restarted or gone for good in the middle of a turn; real sshd, real Claude Code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from obra.agents.claude_code_ssh import ClaudeCodeSSHAgent
from obra.domain import PermissionAnswer, ScriptStep
from obra.errors import AgentCrashed
from obra.events import AgentEventKind
from obra.replay.model_server import ModelServer

WAITING = "touch begun; while [ ! -e go ]; do sleep 0.05; done; echo done >> count"
TWO_STEPS = (ScriptStep(say="One.", run=(WAITING,)), ScriptStep(say="Two.", write={"b.txt": "b"}))


def until(condition, seconds: float = 100.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def marked(marker: str) -> list[psutil.Process]:
    """Return the processes of the other side that carry a marker."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.environ().get("OBRA_RUN_ID") == marker:
                found.append(one)
        except (psutil.Error, OSError):
            continue
    return found


def disturbed(agent: ClaudeCodeSSHAgent, disturb) -> object:
    """Return the reply to a prompt; *disturb* is called while its first command waits for the file ``go``."""
    there = Path(agent.remote_workspace)
    threads = []

    def act() -> None:
        until((there / "begun").exists)
        disturb()
        with contextlib.suppress(FileNotFoundError):  # it was cleaned up
            (there / "go").touch()

    def on_event(event) -> None:
        if event.kind is AgentEventKind.TOOL_CALL and not threads:
            threads.append(threading.Thread(target=act))
            threads[0].start()

    try:
        return agent.send_prompt("go", on_event=on_event)
    finally:
        for thread in threads:
            thread.join()


@pytest.fixture
def own_server(own_sshd):
    """A server that only this test uses, so that it may be stopped."""
    return own_sshd()


def test_a_cut_link_is_a_reconnect_and_the_turn_goes_on(play, ssh_server, workspace: Path, left_there):
    """The server's session processes are killed; what the agent did meanwhile is there, none of it twice."""
    agent = play(*TWO_STEPS)
    events = []
    assert disturbed(agent, ssh_server.cut).text == "One."
    assert agent.reconnects == 1
    assert (workspace / "count").read_text() == "done\n"
    assert agent.send_prompt("go on", on_event=events.append).text == "Two."
    assert (workspace / "b.txt").read_text() == "b"
    assert agent.model.error == ""  # a prompt that came twice would have asked for a step that there is not
    ssh_server.cut()
    agent.cleanup()
    assert left_there(agent) == []


def test_a_link_that_freezes_for_a_moment_is_not_even_noticed(play, ssh_server, workspace: Path, left_there):
    """The server's sessions stop and go on: no reconnect, and the turn is whole."""

    def freeze() -> None:
        ssh_server.signal_sessions(signal.SIGSTOP)
        time.sleep(0.5)
        ssh_server.signal_sessions(signal.SIGCONT)

    agent = play(*TWO_STEPS)
    assert disturbed(agent, freeze).text == "One."
    assert agent.reconnects == 0
    assert (workspace / "count").read_text() == "done\n"
    agent.cleanup()
    assert left_there(agent) == []


def test_a_frozen_link_is_left_for_a_new_one(play, ssh_server, workspace: Path, left_there):
    """A peer that says nothing for a third of the lease is given up; when it wakes up it disturbs nothing."""
    agent = play(*TWO_STEPS, lease=9)
    frozen: list[psutil.Process] = []

    def freeze() -> None:
        frozen.extend(ssh_server.sessions())
        ssh_server.signal_sessions(signal.SIGSTOP)
        until(lambda: agent.reconnects >= 1)

    try:
        assert disturbed(agent, freeze).text == "One."
    finally:
        for one in frozen:
            one.send_signal(signal.SIGCONT)
    assert (workspace / "count").read_text() == "done\n"
    assert agent.send_prompt("go on").text == "Two."
    assert agent.model.error == ""
    agent.cleanup()
    assert left_there(agent) == []


def test_a_server_that_is_restarted_is_waited_for(play, own_server, workspace: Path, left_there):
    """Nobody listens for a second; then the turn goes on."""
    agent = play(*TWO_STEPS, **own_server.reach)

    def restart() -> None:
        own_server.stop()
        time.sleep(0.7)
        own_server.start()

    assert disturbed(agent, restart).text == "One."
    assert (workspace / "count").read_text() == "done\n"
    agent.cleanup()
    assert left_there(agent) == []


def test_a_link_that_stays_away_ends_the_turn_and_the_agent(play, own_server, processes_of):
    """After the lease both sides give up: a crash that says so, no process there, a cleanup that tells."""
    agent = play(*TWO_STEPS, lease=5, timeout_connect=1, **own_server.reach)
    with pytest.raises(AgentCrashed, match="did not come back within|was lost|nothing was heard"):
        disturbed(agent, own_server.stop)
    until(lambda: not processes_of(agent))
    with pytest.raises(AgentCrashed, match=r"the folder .* may be left on 127\.0\.0\.1"):
        agent.cleanup()
    own_server.start()


def test_another_machine_in_its_place_is_not_waited_for(play, own_server):
    """A host key that changed while the link was away ends the turn at once, as what it may be."""
    agent = play(*TWO_STEPS, lease=100, **own_server.reach)

    def replace() -> None:
        own_server.stop()
        for name in ("host", "host.pub"):
            (own_server.folder / name).write_bytes((own_server.folder / f"stranger{name[4:]}").read_bytes())
        own_server.start()

    with pytest.raises(AgentCrashed, match="another host key"):
        disturbed(agent, replace)
    with pytest.raises(AgentCrashed, match="another host key"):
        agent.cleanup()
    for one in marked(agent._far.marker):  # it would end them when the lease is over
        with contextlib.suppress(psutil.NoSuchProcess):  # with its runner the agent dies
            one.kill()


KILLED = """
import json, sys
from obra.agents.claude_code_ssh import ClaudeCodeSSHAgent
agent = ClaudeCodeSSHAgent()
agent.initialize(json.load(open(sys.argv[1])))
print(agent._far.marker, agent.remote_workspace, flush=True)
agent.send_prompt("go")
"""


def test_what_a_killed_obra_leaves_there_ends(ssh_server, claude_command: str, workspace: Path, tmp_path: Path):
    """Kill -9: the runner ends the agent and its tools, and a login a day later removes the folder."""
    (tmp_path / "there").mkdir()
    agent = ClaudeCodeSSHAgent()  # stands for where the killed one works
    with ModelServer([TWO_STEPS[0]], workspace=workspace, elsewhere=agent) as model:
        config = {**ssh_server.reach, "workspace_dir": str(workspace), "remote_dir": str(tmp_path / "there")}
        config |= {"command": claude_command, "base_url": model.base_url, "api_key": "no-key", "tunnel": True}
        (tmp_path / "config.json").write_text(json.dumps({**config, "lease": 6}))
        command = [sys.executable, "-c", KILLED, str(tmp_path / "config.json")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as obra:
            assert obra.stdout
            marker, there = obra.stdout.readline().decode().split()
            agent._far = type(agent._far)(python="", folder=str(Path(there).parent), marker=marker, claim="")
            until((Path(there) / "begun").exists)
            assert len(marked(marker)) >= 3  # the runner, the agent, its command
            obra.kill()
        until(lambda: not marked(marker))
        assert Path(there).parent.exists()
        stranger = tmp_path / "there" / "obra-strange"  # of another machine, which may live
        stranger.mkdir()
        owner = {"machine": "elsewhere", "process": 1, "began": 0, "marker": "obra-of-nobody"}
        (stranger / "owner").write_text(json.dumps(owner))
        (tmp_path / "there" / "obra-person").mkdir()  # of a person
        live, later = ClaudeCodeSSHAgent(), ClaudeCodeSSHAgent()
        try:
            live.initialize(config)
            assert Path(there).parent.exists()  # who goes on with the task finds the session there
            for path in (stranger / "owner", *Path(there).parent.glob("*/lease"), Path(there).parent / "owner"):
                os.utime(path, (0, 0))
            later.initialize(config)
            assert not Path(there).parent.exists()
            names = {path.name for path in (tmp_path / "there").iterdir()}
        finally:
            live.cleanup()
            later.cleanup()
    assert "obra-person" in names
    assert "obra-strange" not in names
    assert len(names) == 3  # the person's, and two that live


def test_a_runner_that_is_killed_is_a_crash_and_nothing_goes_on(play, processes_of, workspace: Path):
    """The agent dies with it, its command is swept, and the next prompt goes on in the session."""
    agent = play(*TWO_STEPS)

    def kill() -> None:
        for one in psutil.process_iter():
            try:
                is_runner = "runner.pyz" in " ".join(one.cmdline()) and "start" in one.cmdline()
                if is_runner and one.environ().get("OBRA_RUN_ID") == agent._far.marker:
                    one.kill()
            except psutil.Error:
                continue

    with pytest.raises(AgentCrashed, match="its runner was killed"):
        disturbed(agent, kill)
    assert processes_of(agent) == []
    assert (workspace / "begun").exists()
    assert agent.send_prompt("go on").text == "Two."


def test_a_killed_attachment_is_replaced(play, workspace: Path):
    """What serves one link on the other side may die; the link stays, and another one goes on at its byte."""
    agent = play(*TWO_STEPS)

    def kill() -> None:
        for one in psutil.process_iter():
            try:
                if agent._far.folder in " ".join(one.cmdline()) and "attach" in one.cmdline():
                    one.kill()
            except psutil.Error:
                continue

    assert disturbed(agent, kill).text == "One."
    assert (workspace / "count").read_text() == "done\n"


def test_another_thread_cancels_by_cleaning_up(play, left_there):
    """The turn ends at once with an error that says so, and nothing is left."""
    agent = play(*TWO_STEPS)  # whose command would wait for ever
    with pytest.raises(AgentCrashed, match="was cleaned up in the middle of its turn"):
        disturbed(agent, agent.cleanup)
    assert left_there(agent) == []
    assert not agent.is_healthy()


def test_a_permission_is_asked_across_a_cut_link(play, ssh_server, workspace: Path):
    """The link breaks while a person thinks; their answer still arrives, once."""
    agent = play(ScriptStep(say="One.", run=("echo yes >> asked",)), ask_about=["Bash"])
    asked = []

    def decide(request) -> PermissionAnswer:
        asked.append((request.tool, request.subject))
        ssh_server.cut()
        until(lambda: agent.reconnects >= 1)
        return PermissionAnswer(allowed=True, reason="fine")

    agent.on_permission = decide
    assert agent.send_prompt("go").text == "One."
    assert asked == [("Bash", "echo yes >> asked")]
    assert (workspace / "asked").read_text() == "yes\n"


def test_a_long_line_and_a_long_prompt_survive_a_cut(play, ssh_server, workspace: Path):
    """5 MB in one line and 1 MB of prompt, with the link cut in between, arrive whole."""
    agent = play(ScriptStep(say="x" * 5_000_000, run=("echo 1 >> ran",)))

    def cut(event) -> None:
        if event.kind is AgentEventKind.TOOL_CALL:
            ssh_server.cut()

    assert agent.send_prompt("p" * 1_000_000, on_event=cut).text == "x" * 5_000_000
    assert (workspace / "ran").read_text() == "1\n"


def test_a_big_workspace_travels_whole(play, workspace: Path):
    """Two thousand files, odd names, links and modes are the same after the journey there and back."""
    for number in range(2000):
        (workspace / f"d{number % 20}").mkdir(exist_ok=True)
        (workspace / f"d{number % 20}" / f"f{number}").write_bytes(os.urandom(200))
    (workspace / "é ☃\n'quoted' $(x)").write_bytes(b"\x00\xff")
    (workspace / "-rf").write_text("x")
    (workspace / "tool").write_text("x")
    (workspace / "tool").chmod(0o751)
    (workspace / "up").symlink_to("../..")
    (workspace / "twin").hardlink_to(workspace / "tool")

    def content() -> dict:
        return {
            str(path.relative_to(workspace)): (
                path.lstat().st_mode,
                path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None,
            )
            for path in workspace.rglob("*")
        }

    before = content()
    assert play(ScriptStep(say="One.")).send_prompt("go").text == "One."
    assert content() == before
