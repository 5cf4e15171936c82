"""The run of a claimed task."""

from __future__ import annotations

import pytest

from obra import Config, Orchestrator
from obra.claimed_run import run_claimed
from obra.domain import ScriptStep, TaskStatus

GOOD = ScriptStep(say="Done.", write={"a.txt": "a"})


@pytest.fixture
def orchestrator(tmp_path):
    """A mock one whose agent writes what is asked for."""
    config = Config.load(rung="mock")
    config.set("workspace.store", str(tmp_path / "store"))
    config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
    with Orchestrator(config) as opened:
        yield opened


@pytest.fixture
def state(orchestrator, tmp_path):
    """Its memory, with a project."""
    orchestrator.state_manager.create_project("p", working_dir=tmp_path / "work")
    return orchestrator.state_manager


def queued(state, **data):
    """Store a task that waits for a worker and completes."""
    wanted = {"title": "Write a.txt", "checks": [{"file": "a.txt"}], "script": [GOOD], "reviewer": [{"score": 90}]}
    return state.create_task(1, {**wanted, "queued": True, **data})


def test_a_pending_task_is_begun_and_its_claim_ends_with_it(orchestrator, state):
    """From claim to outcome, with one start."""
    task = queued(state)
    claim = state.claim_task(lease=60)
    assert run_claimed(claim, orchestrator).status is TaskStatus.COMPLETED
    assert state.get_task(task.id).claimed_by == ""
    kinds = [event["kind"] for event in state.events(task.id)]
    assert (kinds.count("claimed"), kinds.count("started")) == (1, 1)
    assert state.claim_task(lease=60) is None


def test_an_interrupted_task_is_gone_on_with(orchestrator, state):
    """What its former worker had begun is finished, in a run that is counted as the same."""
    task = queued(state)
    claim = state.claim_task(lease=60)
    state.start_task(task.id)
    state.finish_task(task.id, "interrupted", "stopped", fence=claim.fence)
    claim = state.claim_task(lease=60)
    assert run_claimed(claim, orchestrator).status is TaskStatus.COMPLETED


def test_a_failed_task_is_run_again_after_its_pause(orchestrator, state):
    """By a new run."""
    from datetime import UTC, datetime

    from obra.state import tasks

    task = queued(state, retries=1)
    claim = state.claim_task(lease=60)
    state.start_task(task.id)
    state.finish_task(task.id, "failed", "crashed", fence=claim.fence)
    assert state.claim_task(lease=60) is None
    now = datetime.now(UTC)
    state._database.write(lambda connection: tasks.write_columns(connection, task.id, not_before=now))
    claim = state.claim_task(lease=60)
    assert claim.task.status is TaskStatus.FAILED
    assert run_claimed(claim, orchestrator).status is TaskStatus.COMPLETED
