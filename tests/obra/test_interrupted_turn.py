"""An Obra that is killed in the middle of a turn, and one that goes on at once."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from obra.config import Config
from obra.domain import Reply, TaskStatus
from obra.orchestrator import Orchestrator
from obra.plugins import TakenUp
from obra.state.state_manager import StateManager

OLD = """
import os, pathlib, sys, time
from obra.config import Config
from obra.orchestrator import Orchestrator
from obra.workspace.processes import ProcessTree
from obra.workspace.supervision import supervisor
here = pathlib.Path(sys.argv[1])
class Agent:
    identity = "slow"
    handle = "it is here"
    def take_up(self, left, on_event=None): pass
    def initialize(self, config): pass
    def is_healthy(self): return True
    def cleanup(self): pass
    def send_prompt(self, prompt, *, limits=None, on_event=None):
        (here / "work" / "half.txt").write_text("half")
        command, environment = [sys.executable, "-c", sys.argv[2]], {"PATH": os.environ["PATH"]}
        ProcessTree(command, cwd=here / "work", environment=environment, dies_with_thread=False)
        while not (here / "work" / "late.txt").exists():
            time.sleep(0.005)
        os.kill(supervisor().guard, 9)
        os.kill(os.getpid(), 9)
config = Config.load(rung="mock")
config.set("workspace.store", str(here / "store"))
config.set("database.url", f"sqlite:///{here}/obra.db")
with Orchestrator(config, agent=Agent(), reviewer=[{"score": 95}]) as loop:
    state = loop.state_manager
    project = state.create_project("p", working_dir=here / "work")
    task = state.create_task(project.id, {"title": "Write a.txt", "checks": [{"file": "a.txt"}]})
    loop.execute_task(task.id)
"""
WRITER = (
    "import pathlib, time\n"
    "for number in range(3000):\n"
    "    pathlib.Path('late.txt').write_text(str(number)); time.sleep(0.01)\n"
)


class Agent:
    """Keeps what it is told and what it finds, and does the task."""

    identity = "quick"

    def __init__(self, work) -> None:
        self.work, self.prompts, self.found = work, [], []

    def initialize(self, config) -> None:
        """Nothing to do."""

    def is_healthy(self) -> bool:
        """Nothing can be wrong."""
        return True

    def cleanup(self) -> None:
        """Nothing to end."""

    def send_prompt(self, prompt, *, limits=None, on_event=None) -> Reply:  # noqa: ARG002  # the contract's
        """Look twice whether anybody else writes here."""
        self.prompts.append(prompt)
        time.sleep(0.1)
        self.found = sorted(path.name for path in self.work.iterdir())
        (self.work / "a.txt").write_text("a")
        return Reply(text="Done.")


class Lasting(Agent):
    """The same, with a session that outlives it."""

    handle = "it is there"

    def take_up(self, left, on_event=None) -> TakenUp:  # noqa: ARG002  # the contract's
        """Go on with the old session, where that may be."""
        assert (left.handle, left.in_turn) == ("it is here", True)
        return TakenUp(session="s-1") if left.may_resume else TakenUp()


PLAYED_ANEW = "a script or a cassette is played on in a new one"
KEEPS_NONE = "quick keeps none that another process could go on with"


@pytest.mark.parametrize(
    ("kind", "mode", "session", "why"),
    [
        (Agent, "off", "", KEEPS_NONE),
        (Lasting, "off", "s-1", ""),
        (Lasting, "script", "", PLAYED_ANEW),
    ],
)
def test_the_old_agent_is_ended_the_files_are_put_back_and_the_story_says_in_which_session(
    tmp_path, kind, mode, session, why
):
    """Nobody guards the old agent, which still writes; the run that goes on finds neither it nor its files."""
    (tmp_path / "work").mkdir()
    old = subprocess.run([sys.executable, "-c", OLD, str(tmp_path), WRITER], capture_output=True, check=False)
    assert old.returncode == -9, old.stderr
    config = Config.load(rung="mock")
    config.set("workspace.store", str(tmp_path / "store"))
    config.set("replay.mode", mode)
    agent = kind(tmp_path / "work")
    with (
        StateManager(f"sqlite:///{tmp_path}/obra.db") as state,
        Orchestrator(config, state_manager=state, agent=agent, reviewer=[{"score": 95}]) as loop,
    ):
        assert loop.resume_task(1).status is TaskStatus.COMPLETED
        [attempt] = state.attempts(1)
        [resumed] = [one["data"] for one in state.events(1) if one["kind"] == "resumed"]
    assert agent.found == []
    [told] = agent.prompts
    assert told.startswith(attempt.prompt)
    assert ("This turn was interrupted" in told.removeprefix(attempt.prompt)) == (mode == "off")
    assert (resumed["session"], resumed["why"]) == (session, why)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["a.txt"]
