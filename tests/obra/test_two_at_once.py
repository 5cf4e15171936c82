"""Two Obras on one task, two tasks in one folder: one wins, the other one stops with a clear message."""

from __future__ import annotations

import dataclasses

import pytest

from obra.config import Config
from obra.domain import ScriptStep, Step, TaskStatus
from obra.errors import FolderBusy, IllegalStatus, TaskBusy
from obra.events import EvidenceGathered, PromptReady
from obra.orchestrator import Orchestrator
from obra.state.state_manager import StateManager

SCRIPT = [ScriptStep(say="Half.", write={"b.txt": "b"}), ScriptStep(say="Done.", write={"a.txt": "a"})]
REVIEWER = [{"score": 40}, {"score": 95}]


@pytest.fixture
def config(tmp_path):
    """Settings of the mock rung, with all files below tmp_path."""
    config = Config.load(rung="mock")
    config.set("workspace.store", str(tmp_path / "store"))
    return config


@pytest.fixture
def state(tmp_path):
    """A database file."""
    with StateManager(f"sqlite:///{tmp_path}/obra.db") as opened:
        yield opened


@pytest.fixture
def make_task(state, tmp_path):
    """Return a function that stores a task which works in the one folder."""

    def make():
        project = state.create_project("p", working_dir=tmp_path / "work")
        return state.create_task(project.id, {"title": "Write a.txt", "checks": [{"file": "a.txt"}]})

    return make


def orchestrator(config, state, observer):
    """Return a loop that plays the script and tells *observer*."""
    return Orchestrator(config, state_manager=state, script=SCRIPT, reviewer=REVIEWER, observers=[observer])


def test_two_tasks_in_one_folder_are_refused_while_the_first_is_at_work(config, state, make_task):
    """The second is left as it was, and can be run afterwards."""
    first, second = make_task(), make_task()
    seen = []

    def try_second(event):
        if isinstance(event, PromptReady) and not seen:
            with orchestrator(config, state, lambda _: None) as other, pytest.raises(FolderBusy) as error:
                other.execute_task(second.id)
            seen.append(str(error.value))

    with orchestrator(config, state, try_second) as loop:
        assert loop.execute_task(first.id).status is TaskStatus.COMPLETED
    assert "another task is at work in the folder" in seen[0]
    assert state.get_task(second.id).status is TaskStatus.PENDING
    with orchestrator(config, state, lambda _: None) as loop:
        assert loop.execute_task(second.id).iterations >= 1


def test_the_same_task_twice_says_who_works_on_it(config, state, make_task):
    """The message names the process, not the folder."""
    task, seen = make_task(), []

    def try_again(event):
        if isinstance(event, PromptReady) and not seen:
            for go in ("execute_task", "resume_task"):
                with orchestrator(config, state, lambda _: None) as other, pytest.raises(TaskBusy) as error:
                    getattr(other, go)(task.id)
                seen.append(str(error.value))

    with orchestrator(config, state, try_again) as loop:
        loop.execute_task(task.id)
    assert all(f"is working on task {task.id}" in text for text in seen)


@pytest.mark.parametrize("started_again", [False, True])
def test_who_lost_the_task_stops_and_writes_nothing_more(config, state, make_task, started_again):
    """Released while it was frozen, and perhaps started elsewhere: its next write is refused, the rest stands."""
    task = make_task()

    def release(event):
        if isinstance(event, EvidenceGathered):
            state.finish_task(task.id, TaskStatus.INTERRUPTED, "released by a person")
            if started_again:
                state.start_task(task.id, owner="elsewhere:7:abc")

    with orchestrator(config, state, release) as loop, pytest.raises(TaskBusy, match="has lost task 1: ") as error:
        loop.execute_task(task.id)
    assert ("owner 'elsewhere:7:abc'" in str(error.value) or "elsewhere" in str(error.value)) is started_again
    assert state.attempts(task.id) == ()
    assert [step.name for step in state.steps(task.id)] == ["run", "Gathered", "Turn"]
    kinds = [one["kind"] for one in state.events(task.id)]
    assert kinds.count("ended") == 1  # that of the person
    assert kinds[-1] == ("started" if started_again else "ended")


def test_every_write_of_an_old_start_is_refused(state, make_task, tmp_path):
    """Also in the same process, where the owner is the same: the number of the start decides."""
    task = make_task()
    old = state.start_task(task.id, base_snapshot="b", run={})
    state.finish_task(task.id, TaskStatus.INTERRUPTED, "released")
    new = state.start_task(task.id)
    assert (old.fence, new.fence) == (1, 2)
    step = Step(number=1, position=1, name="Gathered", data={"run": {}, "made": {}})
    with pytest.raises(TaskBusy, match=r"start 2 of the task, ours was 1"):
        state.record_step(old, step)
    with pytest.raises(TaskBusy, match="writes nothing more"):
        state.finish_task(task.id, TaskStatus.FAILED, "x", fence=old.fence)
    state.record_step(new, step)
    with pytest.raises(TaskBusy):
        state.record_step(dataclasses.replace(new, fence=3), dataclasses.replace(step, position=2))


@pytest.mark.parametrize("status", [TaskStatus.COMPLETED, TaskStatus.ESCALATED, TaskStatus.FAILED])
def test_a_run_that_ended_is_not_resumed(config, state, make_task, status):
    """There is nothing to go on with; the message says what to do instead."""
    task = make_task()
    state.start_task(task.id, base_snapshot="b")
    state.finish_task(task.id, status, "x")
    with (
        orchestrator(config, state, lambda _: None) as loop,
        pytest.raises(IllegalStatus, match="no interrupted run to go on with"),
    ):
        loop.resume_task(task.id)
