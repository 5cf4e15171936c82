"""One run of a whole scenario in the crash matrix: with answers, a clarification, and several tasks.

A killed run is gone on with as ``pytest --obra-resume`` does (the road ``mock``), or as a worker does that takes a
dead worker's case over (``worker``), in another folder.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from crash_case import Place, plain_attempt
from kill_points import OUTSIDE, STATE, Points, Proxy

from obra.bootstrap import initialize
from obra.config import Config
from obra.domain import Attempt
from obra.orchestrator import Orchestrator
from obra.reports.rows import row_of
from obra.scale.artefacts import Artefacts
from obra.scale.case_run import CaseRunner
from obra.scale.port import Claim, Order
from obra.scale.sources import pack
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import run_scenario
from obra.scenarios.scenario_settings import with_settings
from obra.state.state_manager import StateManager
from pytest_obra.resuming import NODE, Resumption, told_of

ANSWERED = """\
task: {title: Write one(), description: See a.py.}
limits: {iterations: 5}
checks: [{contains: {file: a.py, text: return 1}}, {contains: {file: notes.txt, text: three}}]
script:
  - {say: Which name shall I take? Should it be upper case?, write: {notes.txt: "one\\n"}}
  - say: A beginning.
    write: {a.py: "def one():\\n    return 0\\n"}
    edit: {notes.txt: {find: "one\\n", replace: "one\\ntwo\\n"}}
  - {say: Which number shall it return? Should I ask somebody?}
  - {say: Done., edit: {a.py: {find: return 0, replace: return 1}, notes.txt: {find: two, replace: "two\\nthree"}}}
reviewer: [{score: 20}, {score: 60, verdict: "no", question: Is zero meant?}, {score: 20}, {score: 95}]
human: [Lower case, It is one]
expect: {truth: [{contains: {file: a.py, text: return 1}}]}
"""
SEVERAL = """\
tasks:
  - name: first
    task: {title: Make first.txt}
    checks: [{file: first.txt}]
    script: [{say: Done., write: {first.txt: "1\\n"}}]
    reviewer: [{score: 90}]
  - name: second
    after: first
    task: {title: Make second.txt}
    limits: {iterations: 3}
    checks: [{file: second.txt}]
    script: [{say: Which name shall I take? Should it be upper case?}, {say: Done., write: {second.txt: "2\\n"}}]
    reviewer: [{score: 20}, {score: 90}]
    human: [Lower case]
  - name: third
    after: second
    task: {title: Make third.txt}
    checks: [{file: third.txt}]
    script: [{say: Half., write: {half.txt: "3\\n"}}, {say: Done., write: {third.txt: "3\\n"}}]
    reviewer: [{score: 60}, {score: 90}]
expect: {truth: [{file: [first.txt, second.txt, third.txt]}]}
"""
TEXTS = {"answered": ANSWERED, "several": SEVERAL}
STORIES = tuple(f"{road}:{story}" for story in TEXTS for road in ("mock", "worker"))
CALLS = (*STATE, "create_plan", "resolve_breakpoint", "take_over")
_TEST = "a test"
_OUTCOME = (
    "result",
    "status",
    "reason",
    "iterations",
    "quality",
    "confidence",
    "cost_usd",
    "tokens",
    "truth",
    "expectations",
    "human",
    "tasks",
    "breakpoint",
)
"""What a row says of the outcome; the rest of it are times, what was seen meanwhile, and copies of the record."""


@dataclasses.dataclass(frozen=True)
class Story:
    """One run in a folder of its own; it is used as :class:`crash_case.Case` is."""

    folder: Path
    rung: str
    place: Place

    @property
    def database(self) -> str:
        """The state."""
        return f"sqlite:///{self.folder}/obra.db"

    def create(self) -> None:
        """Write the scenario, make the database, and let a run look interrupted that has not told of this test."""
        text = TEXTS[self.rung.partition(":")[2]]
        for name in ("workspace", "artefacts", "reports/20260101-000000-000000"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "reports/20260101-000000-000000/results.jsonl").touch()
        (self.folder / "matrix.obra.yaml").write_text(f"name: matrix\n{text}", encoding="utf-8")
        StateManager(self.database).close()

    def run(self, points: Points, *, resume: bool) -> None:
        """Run the scenario, or go on with it, behind proxies, and keep its row."""
        scenario = Scenario.load(self.folder / "matrix.obra.yaml")
        with StateManager(self.database) as state:
            watched = Proxy(state, "state", CALLS, points)
            run = self._on_worker if self.rung.startswith("worker") else self._here
            row = run(scenario, watched, points, resume=resume)
        (self.folder / "row.json").write_text(json.dumps(row), encoding="utf-8")

    def status(self) -> str:
        """Where the killed run stood, for the table."""
        with StateManager(self.database) as state:
            found = state.list_tasks(limit=None)
        return "+".join(task.status for task in sorted(found, key=lambda task: task.id)) or "absent"

    def result(self) -> dict[str, Any]:
        """Return everything that the run left and told, without times and the folder's name."""
        with StateManager(self.database) as state:
            tasks = sorted((task for task in state.list_tasks(limit=None) if task.fence), key=lambda task: task.id)
            first = tasks[0].id
            shown = [self._task(state, task.id) for task in tasks]
        row = json.loads((self.folder / "row.json").read_text())
        root = Path(row["workspace"])
        files = {path.name: path.read_text() for path in sorted(root.iterdir()) if path.is_file()}
        found = json.dumps({"tasks": shown, "row": _outcome(row, first), "files": files}, default=str)
        return json.loads(found.replace(str(root), "ROOT").replace(str(self.folder), "FOLDER"))

    def way(self) -> str:
        """Tell how a run went on."""
        with StateManager(self.database) as state:
            told = [one["kind"] for task in state.list_tasks(limit=None) for one in state.events(task.id)]
        return "put back" if "resumed" in told else "begun"

    def config(self) -> Config:
        """Return the settings."""
        config = Config.load(environ={}, rung="mock")
        config.set("workspace.store", str(self.folder / "store"))
        config.set("monitoring.watch_files", value=False)
        config.set("evidence.implied", value=False)
        config.set("database.url", self.database)
        return config

    def _here(self, scenario: Scenario, state: Any, points: Points, *, resume: bool) -> dict[str, Any]:
        config = with_settings(self.config(), scenario)
        earlier = Resumption.newest(self.folder / "reports")
        found = earlier.left_behind(_TEST, scenario, state) if resume else None
        with _watched(Orchestrator(config, parts=initialize(config, state_manager=state)), points) as loop:
            report = run_scenario(
                scenario, loop, root=self.folder / "workspace", interrupted=found, told=told_of(_TEST, scenario)
            )
        return row_of(report)

    def _on_worker(self, scenario: Scenario, state: Any, points: Points, *, resume: bool) -> dict[str, Any]:
        artefacts, known = Artefacts(str(self.folder / "artefacts")), self.folder / "task"
        source = pack(scenario, self.config(), artefacts)
        order = Order(
            case=scenario.case,
            scenario=scenario.name,
            path=str(scenario.path),
            source=source.reference,
            file=source.file,
            agent="mock",
            repeat=1,
            settings={},
        )
        task = int(known.read_text()) if known.exists() else None
        number = 1 + resume
        runner = _WatchedRunner(
            load=lambda _: self.config(),
            state=state,
            artefacts=artefacts,
            folder=self.folder / f"machine-{number}",
            remember_task=lambda _, found: known.write_text(str(found)),
        )
        runner.points = points
        return runner.run(
            Claim(id="matrix-1", number=number, worker=f"w{number}", order=order, task=task, lost=())
        )

    def _task(self, state: StateManager, key: int) -> dict[str, Any]:
        task = state.get_task(key)
        told = [one["kind"] for one in state.events(key)]
        more = {name: task[name] for name in ("title", "status", "status_reason", "iterations", "quality_score")}
        return {
            **more,
            "attempts": [_of_first(plain_attempt(attempt), attempt) for attempt in state.attempts(key)],
            "story": [
                kind for kind in told if kind not in ("started", "owner_lost", "resumed", "taken_over", NODE)
            ],
            "breakpoints": [
                (one.attempt_number, one.status, one.answer) for one in state.breakpoints(task_id=key)
            ],
            "steps": len(state.steps(key)),
        }


class _WatchedRunner(CaseRunner):
    points: Points

    def _orchestrator(self, *given: Any) -> Orchestrator:
        return _watched(super()._orchestrator(*given), self.points)


def _watched(loop: Orchestrator, points: Points) -> Orchestrator:
    """Put the parts of *loop* behind proxies."""
    loop.initialize()
    for name, calls in OUTSIDE.items():
        if name != "workspace":
            setattr(loop, name, Proxy(getattr(loop, name), name, calls, points))
    opened = loop.open_workspace
    loop.open_workspace = lambda root: Proxy(opened(root), "workspace", OUTSIDE["workspace"], points)
    loop.observers.append(lambda event: points.pass_(f"told {type(event).__name__}"))
    return loop


def _of_first(data: dict[str, Any], attempt: Attempt) -> dict[str, Any]:
    """Leave out the ids that count on over the whole database."""
    opened = data["decision"]["breakpoint"]
    if opened:
        del opened["created_at"], opened["resolved_at"], opened["task_id"], opened["id"]
    del data["decision"]["inputs"], data["id"], data["task_id"]
    return data | {"inputs": sorted(attempt.decision.inputs)}


def _outcome(row: dict[str, Any], first: int) -> dict[str, Any]:
    """Return what *row* says of the outcome; ids of tasks count from *first*."""
    shown = {name: row[name] for name in _OUTCOME}
    made = [(one["task"] - first, one["number"]) for one in row["attempts"]]
    return {**_from_first(shown, first), "attempts": made}


def _from_first(found: Any, first: int) -> Any:
    if isinstance(found, dict):
        kept = {name: _from_first(one, first) for name, one in found.items() if "seconds" not in name}
        for name in ("task", "task_id"):
            if isinstance(kept.get(name), int):
                kept[name] -= first
        return kept
    return [_from_first(one, first) for one in found] if isinstance(found, list) else found
