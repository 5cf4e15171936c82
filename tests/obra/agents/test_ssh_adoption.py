"""A turn on another machine whose Obra was killed, and the Obra that takes it up; real sshd, real Claude Code."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
from ever_longer import with_time

from obra.agents.claude_code_ssh import ClaudeCodeSSHAgent
from obra.agents.kept_session import GONE
from obra.agents.ssh_adoption import FoundRun
from obra.config import Config
from obra.domain import ScriptStep, TaskStatus, TurnLimits
from obra.errors import AgentCrashed
from obra.events import AgentActed, TurnRetried
from obra.orchestrator import Orchestrator
from obra.plugins import LeftBehind, TakenUp
from obra.replay.model_server import ModelServer
from obra.resuming import played
from obra.state.state_manager import StateManager

WAITING = "touch begun; while [ ! -e {outside}.go ]; do sleep 0.05; done; echo done >> count"
STEPS = [
    {"say": "One.", "write": {"a.txt": "1"}, "run": ["echo one >> {outside}"]},
    {
        "say": "Two.",
        "run": ["echo before >> {outside}", WAITING, "echo after >> {outside}"],
        "write": {"b.txt": "b"},
    },
    {"say": "Three.", "run": ["echo three >> {outside}"], "write": {"c.txt": "c"}},
]
FIRST = """
import json, os, sys
from obra.config import Config
from obra.events import AgentActed
from obra.domain import ScriptStep
from obra.orchestrator import Orchestrator
told = json.load(open(sys.argv[1]))
config = Config.load(rung="mock")
for key, value in told["settings"].items():
    config.set(key, value)
script = [ScriptStep(**step) for step in told["script"]]
def look(event):
    if isinstance(event, AgentActed) and (event.number, event.event.kind) == (2, "end") and told["at_end"]:
        os.kill(os.getpid(), 9)
with Orchestrator(config, script=script, reviewer=told["reviewer"], observers=[look]) as loop:
    state = loop.state_manager
    project = state.create_project("p", working_dir=told["workspace"])
    data = {"title": "Write c.txt", "checks": [{"file": "c.txt"}], "limits": {"iterations": 3}}
    state.create_task(project.id, data)
    loop.execute_task(1)
"""
LEASES = (5, 20, 60)
"""Seconds that nobody is heard of; the first that no machine lets pass before the kill."""
REVIEWER = [{"score": 40, "issues": ["no c.txt"]}, {"score": 40, "issues": ["no c.txt"]}, {"score": 95}]


def left_behind(handle):
    """What the loop hands an agent whose turn was broken off."""
    return LeftBehind(handle=handle, in_turn=True, may_resume=True, limits=TurnLimits())


def until(condition, seconds: float = 100.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Killed:
    """An Obra that was killed in the second turn of its task, while its command waits for :meth:`let_go`."""

    def __init__(self, tmp_path: Path, claude: str, server, *, lease: float = 30, at_end: bool = False) -> None:
        """Run it, and kill it once the command has begun, or at the end of the turn."""
        self.place, self.outside = tmp_path, tmp_path / "outside"
        (tmp_path / "there").mkdir()
        (tmp_path / "workspace").mkdir()
        ssh = {"command": claude, "lease": lease, "workspace_dir": str(tmp_path / "there"), **server.reach}
        self.settings = {
            "agent.type": "claude_code_ssh",
            "replay.mode": "script",
            "workspace.store": str(tmp_path / "store"),
            "database.url": f"sqlite:///{tmp_path}/obra.db",
            "evidence.implied": False,
            **{f"agent.ssh.{name}": value for name, value in ssh.items()},
        }
        self.script = json.loads(json.dumps(STEPS).replace("{outside}", str(self.outside)))
        told = {"settings": self.settings, "script": self.script, "reviewer": REVIEWER, "at_end": at_end}
        (tmp_path / "told.json").write_text(json.dumps({**told, "workspace": str(tmp_path / "workspace")}))
        with subprocess.Popen([sys.executable, "-c", FIRST, str(tmp_path / "told.json")]) as obra:
            until(lambda: self.begun() or obra.poll() is not None)
            if at_end:
                self.let_go()
                obra.wait()
            assert obra.poll() in (None, -9)
            obra.kill()

    def begun(self) -> list[Path]:
        """The folders there in which the command waits."""
        return [path.parent for path in (self.place / "there").glob("*/workspace/begun")]

    def let_go(self) -> None:
        """Let the command that waits, or will wait, go on."""
        (self.place / "outside.go").touch()

    def handle(self) -> str:
        """What was kept of the session before the prompt went out."""
        with StateManager(self.settings["database.url"]) as state:
            return state.steps(1)[-1].data["run"]["handle"]

    def go_on(self, *observers) -> object:
        """Resume the task in this process."""
        config = Config.load(rung="mock")
        for key, value in self.settings.items():
            config.set(key, value)
        with StateManager(self.settings["database.url"]) as state:
            done = played(state, 1)
            script = done.rest_of_script([ScriptStep(**step) for step in self.script])
            reviewer = REVIEWER[done.reviews :]
            with Orchestrator(
                config, state_manager=state, script=script, reviewer=reviewer, observers=observers
            ) as loop:
                return loop.resume_task(1)

    def processes(self) -> list[psutil.Process]:
        """What lives there still."""
        found = []
        for one in psutil.process_iter():
            try:
                if one.environ().get("OBRA_RUN_ID", "").startswith("obra-") and str(self.place) in " ".join(
                    [*one.cmdline(), one.cwd()]
                ):
                    found.append(one)
            except (psutil.Error, OSError):
                continue
        return found

    def lines(self) -> list[str]:
        """What the commands have written outside the workspace, where no snapshot undoes it."""
        return self.outside.read_text().split()


def gone(tmp_path: Path, claude: str, server, lease: float) -> Killed:
    """One of which nothing lives there any more, since its lease is over; it was not over before the kill."""
    place = tmp_path / f"lease-{lease:g}"
    place.mkdir()
    killed = Killed(place, claude, server, lease=lease)
    assert killed.lines() == ["one", "before"]
    until(lambda: not killed.processes())
    return killed


def test_a_living_turn_is_adopted_and_nothing_of_it_is_done_twice(claude, tmp_path, ssh_server):
    """Within the lease the new Obra takes the turn up: one prompt, each command once, all events, nothing left."""
    killed = Killed(tmp_path, claude, ssh_server)
    killed.let_go()
    events = []
    outcome = killed.go_on(events.append)
    assert outcome.status is TaskStatus.COMPLETED
    assert killed.lines() == ["one", "before", "after", "three"]
    assert [attempt.reply.text for attempt in outcome.attempts] == ["One.", "Two.", "Three."]
    assert len({attempt.reply.session for attempt in outcome.attempts}) == 1
    assert (tmp_path / "workspace" / "count").read_text() == "done\n"
    tools = [
        one.event.text for one in events if isinstance(one, AgentActed) and one.number == 2 and one.event.tool
    ]
    calls = [text for text in tools if text.startswith(("Write ", "Bash ")) and "outside" in text]
    assert len(calls) == len(set(calls)) == 3
    assert not [one for one in events if isinstance(one, TurnRetried)]
    assert list((tmp_path / "there").iterdir()) == []
    assert killed.processes() == []


def test_a_turn_that_came_to_its_end_is_read_from_what_it_left(claude, tmp_path, ssh_server):
    """Killed when the last word was said and nothing of it kept: that reply counts, and the next step is next."""
    killed = Killed(tmp_path, claude, ssh_server, at_end=True)
    outcome = killed.go_on()
    assert [attempt.reply.text for attempt in outcome.attempts] == ["One.", "Two.", "Three."]
    assert killed.lines() == ["one", "before", "after", "three"]
    assert list((tmp_path / "there").iterdir()) == []


def test_after_the_lease_the_turn_is_begun_anew_from_the_snapshot(claude, tmp_path, ssh_server):
    """Nothing lives there any more: the prompt is sent again, in the folder as it was before that turn."""

    def go_on_late(lease: float) -> None:
        killed = gone(tmp_path, claude, ssh_server, lease)
        killed.let_go()
        outcome = killed.go_on()
        assert outcome.status is TaskStatus.COMPLETED
        assert killed.lines() == ["one", "before", "before", "after", "three"]
        assert (killed.place / "workspace" / "count").read_text() == "done\n"
        assert list((killed.place / "there").iterdir()) == []

    with_time(go_on_late, *LEASES)


def test_after_the_lease_the_next_prompt_goes_to_the_old_session(claude, tmp_path, ssh_server):
    """Where no script is played, the conversation goes on in the folder of the killed Obra, by its own id."""
    killed = with_time(partial(gone, tmp_path, claude, ssh_server), *LEASES)
    place = killed.place
    handle = json.loads(killed.handle())
    agent = ClaudeCodeSSHAgent()
    steps = [ScriptStep(say=word) for word in ("first", "second, broken off", "again")]
    with ModelServer(steps, workspace=place / "workspace", elsewhere=agent) as model:
        config = {**ssh_server.reach, "command": claude, "remote_dir": str(place / "there")}
        more = {"base_url": model.base_url, "api_key": "none", "tunnel": True}
        agent.initialize({**config, **more, "workspace_dir": str(place / "workspace")})
        assert agent.take_up(left_behind(json.dumps(handle))) == TakenUp(session=handle["session"])
        reply = agent.send_prompt("once more")
        agent.cleanup()
    assert (reply.text, reply.session) == ("again", handle["session"])
    assert list((place / "there").iterdir()) == []


def test_a_handle_of_another_machine_or_of_a_folder_that_is_gone_takes_nothing_up(play, tmp_path):
    """Then the prompt is sent again in a new session, and nothing else is touched."""
    agent = play(ScriptStep(say="One."))
    told = json.loads(agent.handle)
    gone = {"folder": str(tmp_path / "there" / "obra-none")}
    for change, why in (({"place": "x@elsewhere:22"}, "the old one is at x@elsewhere:22"), (gone, GONE)):
        handle = json.dumps({**told, "session": "s", "prompts": 3, **change})
        assert agent.take_up(left_behind(handle)) == TakenUp(why=why)
    assert json.loads(agent.handle) == told
    assert agent.send_prompt("go").text == "One."


def test_an_obra_that_was_taken_over_can_do_nothing_more_there(play, login, claude_command, workspace, tmp_path):
    """It was frozen and comes back: its turn fails, and its cleanup ends and removes nothing of the new one's."""
    go = tmp_path / "go"
    waiting = f"touch begun; while [ ! -e {go} ]; do sleep 0.05; done; echo done >> count"
    steps = [ScriptStep(say="One.", run=(waiting,)), ScriptStep(say="Two.")]
    old, new = play(*steps), ClaudeCodeSSHAgent()
    handle, failed = old.handle, []

    def turn() -> None:
        try:
            old.send_prompt("go")
        except AgentCrashed as error:
            failed.append(str(error))
        old.cleanup()

    thread = threading.Thread(target=turn)
    thread.start()
    with ModelServer(steps, workspace=workspace, elsewhere=new) as model:
        until((Path(old.remote_workspace) / "begun").exists)
        login(new, command=claude_command, base_url=model.base_url, api_key="no-key", tunnel=True)
        replies = []
        adopting = threading.Thread(target=lambda: replies.append(new.take_up(left_behind(handle)).reply))
        adopting.start()
        thread.join()
        go.touch()
        adopting.join()
        assert "another Obra has taken" in failed[0]
        assert replies[0].text == "One."
        assert new.send_prompt("go on").text == "Two."
        assert (workspace / "count").read_text() == "done\n"
        new.cleanup()
    assert list((tmp_path / "there").iterdir()) == []


def test_an_adopted_turn_that_breaks_down_uses_up_a_retry(claude, tmp_path, ssh_server):
    """The agent is killed after it was adopted: the same prompt is sent again, like after any broken turn."""
    killed = Killed(tmp_path, claude, ssh_server)
    events = []

    def end_agent(event) -> None:
        events.append(event)
        if isinstance(event, AgentActed) and len(events) == 3:
            for one in killed.processes():
                with suppress(psutil.NoSuchProcess):  # a command of the agent's may end any time
                    if "stream-json" in " ".join(one.cmdline()):
                        one.kill()
            killed.let_go()

    outcome = killed.go_on(end_agent)
    assert [event for event in events if isinstance(event, TurnRetried)]
    assert outcome.status is TaskStatus.FAILED  # the broken turn used up its step, and the script has no fourth
    assert killed.processes() == []


def test_what_was_said_to_a_run_tells_its_prompt_and_the_answers():
    """A prompt that did not arrive whole is none, nor is one of another turn; answered requests are known."""
    prompt, answer = '{"type": "user"}\n', '{"type": "control_response", "response": {"request_id": "7"}}\n'
    run = FoundRun(folder="", orders={"prompt": 2}, input_size=0, said=prompt + answer, lives=True)
    assert run.has_prompt(2)
    assert not run.has_prompt(3)
    assert run.answered() == {"7"}
    assert not replace(run, said=prompt[:-1]).has_prompt(2)
    assert not replace(run, orders={}).has_prompt(2)
