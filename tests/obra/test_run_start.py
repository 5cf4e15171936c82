"""The folder that a run begins in."""

from __future__ import annotations

import shutil

import pytest

from obra.config import Config
from obra.domain import ScriptStep
from obra.errors import IllegalStatus, WorkspaceError
from obra.orchestrator import Orchestrator

SCRIPT = [ScriptStep(say="A part.", write={"a.txt": "a"}), ScriptStep(say="Done.", write={"b.txt": "b"})]


@pytest.fixture
def escalated(tmp_path):
    """A loop whose one task wrote ``a.txt``, wanted ``b.txt``, and escalated; and the task's folder and id."""
    config = Config.load(rung="mock")
    config.set("workspace.store", str(tmp_path / "store"))
    config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
    work = tmp_path / "work"
    work.mkdir()
    (work / "old.txt").write_text("old")
    with Orchestrator(config, script=SCRIPT, reviewer=[{"score": 40}, {"score": 95}, {"score": 95}]) as loop:
        project = loop.state_manager.create_project("p", working_dir=str(work))
        checks = [{"file": ["a.txt", "b.txt"]}]
        task = loop.state_manager.create_task(project.id, {"title": "Write b.txt", "checks": checks})
        assert loop.execute_task(task.id, max_iterations=1).status == "escalated"
        yield loop, work, task.id


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_folder_that_was_removed_between_two_runs_is_put_back(escalated, is_made_again):
    """What the last attempt left stands there again, and the agent is not said to have deleted it."""
    loop, work, task_id = escalated
    shutil.rmtree(work)
    if is_made_again:
        work.mkdir()
    outcome = loop.execute_task(task_id)
    assert outcome.status == "completed", outcome.reason
    assert sorted(path.name for path in work.iterdir()) == ["a.txt", "b.txt", "old.txt"]
    assert "deleted" not in str(outcome.attempts[-1].evidence)
    [told] = [one["data"] for one in loop.state_manager.events(task_id) if one["kind"] == "restored"]
    assert told["folder"] == str(work)


def test_a_task_that_may_not_run_is_refused_before_its_folder_is_touched(escalated):
    """A task that is over, or that another process works on, gets no files put back."""
    loop, work, task_id = escalated
    assert loop.execute_task(task_id).status == "completed"
    shutil.rmtree(work)
    with pytest.raises(IllegalStatus, match="is completed and cannot become running"):
        loop.execute_task(task_id)
    assert list(work.iterdir()) == []
    assert "restored" not in [one["kind"] for one in loop.state_manager.events(task_id)]


def test_a_folder_that_stands_is_left_as_it_is(escalated):
    """Whoever changed something between two runs meant it."""
    loop, work, task_id = escalated
    (work / "old.txt").write_text("new")
    loop.execute_task(task_id)
    assert (work / "old.txt").read_text() == "new"
    assert "restored" not in [one["kind"] for one in loop.state_manager.events(task_id)]


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_done(tmp_path):
    """A file stands where one above it should be; the task stays as it was."""
    (tmp_path / "file").write_text("mine")
    config = Config.load(rung="mock")
    config.set("database.url", "sqlite://")
    config.set("workspace.store", str(tmp_path / "store"))
    with Orchestrator(config, script=SCRIPT) as loop:
        project = loop.state_manager.create_project("p", working_dir=str(tmp_path / "file/work"))
        task = loop.state_manager.create_task(project.id, {"title": "t"})
        with pytest.raises(
            WorkspaceError, match=rf"^the workspace {tmp_path}/file/work cannot be made: Not a direct"
        ):
            loop.execute_task(task.id)
        assert loop.state_manager.get_task(task.id).status == "pending"
