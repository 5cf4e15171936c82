"""Real databases with real runs in them, and a screen that keys are pressed on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from obra import Config, Orchestrator
from obra.domain import Control, ScriptStep
from obra.state.state_manager import StateManager
from obra.watching.application import Watch
from obra.watching.doors import Doors
from obra.watching.lookout import Lookout, Places

DONE = ScriptStep(say="Done.", write={"hello.py": "print('hello')\n"})
HALF = ScriptStep(say="Half of it.", write={"other.py": "x = 1\n"})
YES, NO = {"score": 90}, {"score": 20, "issues": ["not good enough"]}
SECONDS = 90


@pytest.fixture
def config(tmp_path) -> Config:
    """Settings with every place below tmp_path."""
    config = Config()
    config.set("database.url", f"sqlite:///{tmp_path}/.obra/obra.db")
    config.set("workspace.store", str(tmp_path / ".obra/snapshots.git"))
    return config


@pytest.fixture
def state(config) -> Iterator[StateManager]:
    """The database, open for whoever works."""
    with StateManager(config.settings.database.url) as opened:
        yield opened


@pytest.fixture
def places(tmp_path, config) -> Places:
    """Where to look for all that."""
    return Places(
        database=config.settings.database.url,
        file=tmp_path / ".obra/obra.db",
        live=tmp_path / ".obra/live",
        store=Path(config.settings.workspace.store),
        ignore=config.settings.workspace.ignore,
    )


@pytest.fixture
def lookout(places) -> Iterator[Lookout]:
    """Who looks."""
    made = Lookout(places)
    yield made
    made.close()


@pytest.fixture
def run(tmp_path, config, state) -> Callable[..., int]:
    """Run one task through the whole loop and return its id."""

    def work(*script, title="Say hello", checks=({"file": "hello.py"},), reviewer=(NO, YES), observers=()):
        folder = tmp_path / f"work-{time.monotonic_ns()}"
        folder.mkdir()
        with Orchestrator(
            config, script=script or (HALF, DONE), reviewer=reviewer, state_manager=state, observers=observers
        ) as loop:
            project = state.create_project("demo", working_dir=str(folder))
            task = state.create_task(project.id, {"title": title, "checks": checks})
            return loop.execute_task(task.id).task_id

    return work


@pytest.fixture
def escalated(run) -> int:
    """A task that ended with an open breakpoint."""
    return run(ScriptStep(say="It is better now."), title="Make it better", checks=())


@pytest.fixture
def begin(tmp_path, config, state) -> Callable[..., int]:
    """Set a task running in a folder, as a loop does, and return its id; nobody works on it."""

    def start(title="Take your time", folder="under-way"):
        from obra.bootstrap import workspace_opener

        root = tmp_path / folder
        root.mkdir()
        project = state.create_project("demo", working_dir=str(root))
        task = state.create_task(project.id, {"title": title})
        base = workspace_opener(config)(root).snapshot()
        spent = {"iterations": 3, "retries_left": 1, "seconds": 0.0}
        return state.start_task(task.id, base_snapshot=base, run=spent).id

    return start


@pytest.fixture
def doors(state) -> Doors:
    """What a person can do, without the command line around it."""

    def ask(task_id, act, text, action):
        return state.ask(Control(task_id=task_id, act=act, by="anna@build7", text=text, action=action))

    return Doors(answer=state.resolve_breakpoint, ask=ask)


@pytest.fixture
def watched(lookout, doors):
    """Open the screen, do what a function says with it, and close it."""

    def watch(steps, size=(110, 30)):
        app = Watch(lookout, doors, every=0.2)

        async def with_pilot():
            async with app.run_test(size=size, notifications=True) as pilot:
                await looked(app)
                await steps(app, pilot)

        asyncio.run(with_pilot())

    return watch


async def looked(app, *, times=2):
    """Wait until the screen has looked again, so that it shows what there was before."""
    wanted = app.watch_screen.looks + times
    await until(lambda: app.watch_screen.looks >= wanted)


async def until(condition):
    """Wait for something that is about to happen."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)
