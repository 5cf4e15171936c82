"""The crash matrix: kill a run before and after all that it does, go on, and compare with an undisturbed run.

Every call of a part that writes or reaches outside is a kill point: the same parts that a user gets, each behind a
proxy that counts its calls. One forked child is killed by SIGKILL at point n, another one goes on with the task.

    python tests/bench/crash_matrix.py [--rung mock] [--rung replay] [--every N] [--json]

prints one row for each kill point; the exit code is 1 when any differs. The rung replay needs the real Claude Code
(``OBRA__AGENT__LOCAL__COMMAND``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from obra.bootstrap import initialize
from obra.config import Config
from obra.domain import CLIFault, Fault, ScriptStep
from obra.orchestrator import Orchestrator
from obra.plugins import AGENTS, find_plugin
from obra.resuming import played
from obra.state.state_manager import StateManager

STATE = ("start_task", "record_event", "record_step", "record_attempt", "finish_task")
OUTSIDE = {
    "agent": ("initialize", "send_prompt", "cleanup"),
    "llm_interface": ("generate",),
    "evidence_collector": ("collect",),
    "workspace": ("snapshot", "restore"),
}
SCRIPT = (
    ScriptStep(say="A beginning.", write={"a.py": "def one():\n    return 0\n", "notes.txt": "one\n"}),
    ScriptStep(say="More.", edit={"notes.txt": ("one\n", "one\ntwo\n")}),
    ScriptStep(say="Done.", edit={"a.py": ("return 0", "return 1"), "notes.txt": ("two", "two\nthree")}),
)
REVIEWER = ({"score": 40, "issues": ["it returns 0"]}, {"score": 95})
CHECKS = ({"contains": {"file": "a.py", "text": "return 1"}}, {"contains": {"file": "notes.txt", "text": "three"}})
FAULTS = {"mock": (Fault(kind=CLIFault.NO_RESULT, prompt=2),), "replay": ()}
REPLAY_SCRIPT = (
    SCRIPT[0],
    ScriptStep(say="Done.", edit={**SCRIPT[2].edit, "notes.txt": ("one\n", "one\nthree\n")}),
)


class Points:
    """Counts what a run does, and kills this process at one of them."""

    def __init__(self, deadly: int = 0) -> None:
        self.seen: list[str] = []
        self._deadly = deadly

    def pass_(self, name: str) -> None:
        """Go by the next point, or die there."""
        self.seen.append(name)
        if len(self.seen) == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class Proxy:
    """Stands in front of a part; the methods named are kill points, before and after."""

    def __init__(self, part: object, room: str, names: tuple[str, ...], points: Points) -> None:
        vars(self).update(_part=part, _room=room, _names=names, _points=points)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._part, name, value)

    def __getattr__(self, name: str):
        found = getattr(self._part, name)
        if name not in self._names:
            return found

        def call(*values, **named):
            what = f"{self._room}.{name}"
            if name == "record_step":
                what += f" {values[1].name}"
            self._points.pass_(f"before {what}")
            made = found(*values, **named)
            self._points.pass_(f"after {what}")
            return made

        return call


@dataclasses.dataclass(frozen=True)
class Case:
    """One run in a folder of its own."""

    folder: Path
    rung: str

    def config(self) -> Config:
        """Return the settings."""
        config = Config.load(rung=self.rung)
        config.set("workspace.store", str(self.folder / "store"))
        config.set("monitoring.watch_files", value=False)
        config.set("evidence.implied", value=False)
        config.set("database.url", f"sqlite:///{self.folder}/obra.db")
        return config

    def create(self) -> None:
        """Store the task."""
        (self.folder / "workspace").mkdir(parents=True)
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
            faults=done.rest_of_faults(FAULTS[self.rung]),
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
                "attempts": [self._plain(attempt) for attempt in attempts],
                "story": [kind for kind in story if kind not in ("started", "owner_lost", "resumed")],
                "breakpoints": len(state.breakpoints(task_id=1)),
                "steps": len(state.steps(1)),
            }
        root = self.folder / "workspace"
        shown["files"] = {path.name: path.read_text() for path in sorted(root.iterdir()) if path.is_file()}
        return json.loads(json.dumps(shown, default=str).replace(str(self.folder), "FOLDER"))

    def _plain(self, attempt) -> dict:
        data = dataclasses.asdict(attempt)
        for name in ("started_at", "seconds"):
            del data[name]
        for name in ("session", "seconds", "turns", "tokens_in", "tokens_out", "cost_usd"):
            del data["reply"][name]
        for check in data["evidence"]["checks"]:
            del check["seconds"]
        return data


def behind_proxies(parts, points: Points):
    """Return *parts* with a kill point before and after everything that writes or reaches outside."""
    open_workspace = parts.open_workspace
    return dataclasses.replace(
        parts,
        state_manager=Proxy(parts.state_manager, "state", STATE, points),
        open_workspace=lambda root: Proxy(open_workspace(root), "workspace", OUTSIDE["workspace"], points),
        **{
            name: Proxy(getattr(parts, name), name, OUTSIDE[name], points)
            for name in ("llm_interface", "evidence_collector")
        },
    )


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


def emptied(folder: Path, seconds: float = 5.0) -> bool:
    """Wait until no process works below *folder*; tell whether that came about."""
    end = time.monotonic() + seconds
    while processes_in(folder):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def points_of(rung: str, folder: Path) -> tuple[list[str], dict]:
    """Run undisturbed; return every kill point in order, and what the run left."""
    case, points = Case(folder / "undisturbed", rung), Points()
    case.create()
    case.run(points, resume=False)  # in this process: what it imports and compiles, the children need not
    return points.seen, case.result()


def killed_at(number: int, rung: str, folder: Path, expected: dict, *, forget: bool = False) -> str:
    """Kill a run at point *number* and go on; return what differs, or nothing.

    With *forget* it does not go on but begins a new run, as if nothing had been kept.
    """
    case = Case(folder / str(number), rung)
    case.create()
    ended = in_child(lambda: case.run(Points(number), resume=False))
    if ended != -signal.SIGKILL:
        return f"it was not killed but ended with {ended}"
    if not emptied(case.folder):
        return f"processes left by the kill: {processes_in(case.folder)}"
    with StateManager(f"sqlite:///{case.folder}/obra.db") as state:
        status = state.get_task(1).status
    if status not in ("completed", "escalated", "failed"):
        ended = in_child(lambda: case.run(Points(), resume=not forget))
        if ended:
            return f"going on from {status} ended with {ended}"
    if not emptied(case.folder):
        return f"processes left at the end: {processes_in(case.folder)}"
    found = case.result()
    differing = [name for name in expected if expected[name] != found[name]]
    return "; ".join(f"{name}: {_first_difference(expected[name], found[name])}" for name in differing)


def _first_difference(one: object, other: object, where: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        name = next(name for name in one if one[name] != other[name])
        return _first_difference(one[name], other[name], f"{where}.{name}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        at = next(at for at, item in enumerate(one) if item != other[at])
        return _first_difference(one[at], other[at], f"{where}[{at}]")
    return f"{where} {str(one)[:200]!r} != {str(other)[:200]!r}"


def matrix(rung: str, folder: Path, every: int = 1):
    """Yield ``(number, point, what differs)`` for each kill point, or for each *every*-th."""
    names, expected = points_of(rung, folder)
    for number, name in enumerate(names, start=1):
        if number % every == 0 or every == 1:
            yield number, name, killed_at(number, rung, folder, expected)
            shutil.rmtree(folder / str(number), ignore_errors=True)


def main() -> int:
    """Print the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rung", action="append", choices=("mock", "replay"), help="default: mock")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th kill point")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    given = parser.parse_args()
    bad = total = 0
    with tempfile.TemporaryDirectory(prefix="obra-matrix-") as folder:
        for rung in given.rung or ["mock"]:
            place = Path(folder) / rung
            place.mkdir()
            for number, name, differs in matrix(rung, place, given.every):
                total, bad = total + 1, bad + bool(differs)
                row = {"rung": rung, "point": number, "name": name, "result": differs or "equal"}
                print(
                    json.dumps(row) if given.json else f"{rung:<7} {number:>4}  {name:<45} {row['result']}",
                    flush=True,
                )
    print(f"{total} kill points, {bad} differ", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
