"""One run of the crash matrix, in a folder of its own, on any rung."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
import traceback
from pathlib import Path

from kill_points import OUTSIDE, Points, Proxy, behind_proxies

from obra.bootstrap import initialize
from obra.config import Config
from obra.domain import CLIFault, Fault, ScriptStep
from obra.orchestrator import Orchestrator
from obra.plugins import AGENTS, find_plugin
from obra.replay.model_doors import Tape
from obra.resuming import played
from obra.state.state_manager import StateManager

SSH = "replay:ssh"
SCRIPT = (
    ScriptStep(say="A beginning.", write={"a.py": "def one():\n    return 0\n", "notes.txt": "one\n"}),
    ScriptStep(say="More.", edit={"notes.txt": ("one\n", "one\ntwo\n")}),
    ScriptStep(say="Done.", edit={"a.py": ("return 0", "return 1"), "notes.txt": ("two", "two\nthree")}),
)
REVIEWER = ({"score": 40, "issues": ["it returns 0"]}, {"score": 95})
CHECKS = ({"contains": {"file": "a.py", "text": "return 1"}}, {"contains": {"file": "notes.txt", "text": "three"}})
FAULTS = {"mock": (Fault(kind=CLIFault.NO_RESULT, prompt=2),)}
REPLAY_SCRIPT = (
    SCRIPT[0],
    ScriptStep(say="Done.", edit={**SCRIPT[2].edit, "notes.txt": ("one\n", "one\nthree\n")}),
)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the programs of a rung are."""

    settings: dict = dataclasses.field(default_factory=dict)
    tape: Tape | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    """One run in a folder of its own."""

    folder: Path
    rung: str
    place: Place

    def config(self) -> Config:
        """Return the settings."""
        config = Config.load(rung=self.rung)
        config.set("workspace.store", str(self.folder / "store"))
        config.set("monitoring.watch_files", value=False)
        config.set("evidence.implied", value=False)
        for key, value in self.place.settings.items():
            config.set(key, value)
        if self.rung == SSH:
            config.set("agent.ssh.workspace_dir", str(self.folder / "there"))
        config.set("database.url", f"sqlite:///{self.folder}/obra.db")
        return config

    def create(self) -> None:
        """Store the task."""
        (self.folder / "workspace").mkdir(parents=True)
        (self.folder / "there").mkdir()
        with StateManager(self.config().settings.database.url) as state:
            project = state.create_project("matrix", working_dir=self.folder / "workspace")
            state.create_task(project.id, {"title": "Write one()", "checks": CHECKS, "description": "See a.py."})

    def run(self, points: Points, *, resume: bool) -> None:
        """Run the task, or go on with it, behind proxies."""
        config = self.config()
        state = StateManager(config.settings.database.url)
        done = played(state, 1)
        script = SCRIPT if self.rung == "mock" else REPLAY_SCRIPT
        agent = find_plugin(AGENTS, config.settings.agent.type)()
        parts = initialize(
            config,
            script=done.rest_of_script(script),
            reviewer=REVIEWER[done.reviews :],
            faults=done.rest_of_faults(FAULTS.get(self.rung, ())),
            tape=self.place.tape,
            agent=Proxy(agent, "agent", OUTSIDE["agent"], points),
            state_manager=state,
        )
        orchestrator = Orchestrator(config, parts=behind_proxies(parts, points))
        orchestrator.observers.append(lambda event: points.pass_(f"told {type(event).__name__}"))
        with orchestrator:
            (orchestrator.resume_task if resume else orchestrator.execute_task)(1)
        state.close()

    def result(self) -> dict:
        """Return everything that a run left, without times, ids of sessions and the folder's name."""
        with StateManager(f"sqlite:///{self.folder}/obra.db") as state:
            task, attempts = state.get_task(1), state.attempts(1)
            story = [one["kind"] for one in state.events(1)]
            shown = {
                "task": {name: task[name] for name in ("status", "status_reason", "iterations", "quality_score")},
                "attempts": [plain_attempt(attempt) for attempt in attempts],
                "story": [kind for kind in story if kind not in ("started", "owner_lost", "resumed")],
                "breakpoints": len(state.breakpoints(task_id=1)),
                "steps": len(state.steps(1)),
            }
        root = self.folder / "workspace"
        shown["files"] = {path.name: path.read_text() for path in sorted(root.iterdir()) if path.is_file()}
        return json.loads(json.dumps(shown, default=str).replace(str(self.folder), "FOLDER"))

    def way(self) -> str:
        """Tell how a run went on."""
        with StateManager(f"sqlite:///{self.folder}/obra.db") as state:
            story = [one["kind"] for one in state.events(1)]
        if "resumed" in story:
            return "put back"
        return "begun" if "owner_lost" not in story else "adopted"

    def status(self) -> str:
        """Where the killed run stood, for the table."""
        with StateManager(f"sqlite:///{self.folder}/obra.db") as state:
            return state.get_task(1).status


def plain_attempt(attempt) -> dict:
    """Return an attempt as plain data, without times and what a session cost."""
    data = dataclasses.asdict(attempt)
    for name in ("started_at", "seconds"):
        del data[name]
    for name in ("session", "seconds", "turns", "tokens_in", "tokens_out", "cost_usd"):
        del data["reply"][name]
    for check in data["evidence"]["checks"]:
        del check["seconds"]
    return data


def in_child(work) -> int:
    """Run *work* in a forked child; return its exit code, negative for a signal."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  # shown, and told by the exit code
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def processes_in(folder: Path) -> list[int]:
    """Return the processes that work below *folder*."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if (entry / "cwd").readlink().is_relative_to(folder):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def emptied(folder: Path, seconds: float = 60.0) -> bool:
    """Wait until no process works below *folder*; tell whether that came about."""
    end = time.monotonic() + seconds
    while processes_in(folder):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
