"""A heartbeat keeps a claim, and ends the work when the claim is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from obra.errors import StateError, TaskBusy
from obra.state import tasks
from obra.state.heartbeat import Heartbeat
from obra.state.state_manager import StateManager

PATIENCE = 60


@pytest.fixture
def claimed(manager):
    """Return a function that claims a new task for some seconds."""
    project = manager.create_project("p")

    def claim(lease):
        manager.create_task(project.id, {"title": "t", "queued": True})
        return manager.claim_task(lease=lease)

    return claim


def work_long(manager, claim):
    """Work until somebody stops it."""
    with Heartbeat(manager, claim):
        time.sleep(PATIENCE)
        raise AssertionError("the work went on")


def test_a_lease_is_renewed_while_the_work_goes_on(manager, claimed):
    """It holds on and on, and after the end it is renewed no more."""
    claim = claimed(0.3)
    first = claim.task.lease_until
    with Heartbeat(manager, claim):
        end = time.monotonic() + PATIENCE
        while manager.get_task(claim.task.id).lease_until <= first + timedelta(seconds=0.2):
            assert time.monotonic() < end
            time.sleep(0.02)
    last = manager.get_task(claim.task.id).lease_until
    time.sleep(0.2)
    assert manager.get_task(claim.task.id).lease_until == last


def test_the_work_on_a_lost_task_is_stopped_with_a_clear_message(manager, claimed):
    """As by Ctrl-C, in the middle of whatever it waits for; the error says who has the task now."""
    claim = claimed(0.3)
    manager._database.write(lambda connection: tasks.write_columns(connection, 1, fence=7, claimed_by="w"))
    began = time.monotonic()
    with pytest.raises(TaskBusy, match=r"has lost task 1: owner 'w' works on it now"):
        work_long(manager, claim)
    assert time.monotonic() - began < PATIENCE


def test_a_database_that_is_away_for_a_moment_is_no_loss_and_for_the_whole_lease_it_is(manager, claimed):
    """Whoever cannot renew a lease must take it that somebody else has the task."""
    claim = claimed(0.3)
    closed = StateManager("sqlite://")
    closed.close()
    began = time.monotonic()
    with pytest.raises(StateError, match="is closed"):
        work_long(closed, claim)
    assert time.monotonic() - began >= 0.3
    with Heartbeat(closed, claimed(60)):  # over before the lease is
        assert datetime.now(UTC)


def test_a_claim_that_is_lost_as_the_work_comes_to_its_end_is_told_as_lost(manager, claimed):
    """The stop comes while the context is left: no Ctrl-C of nobody comes out, and one of a person still does."""

    class Held:
        """A lock that is had only after something has happened."""

        def __init__(self, happens) -> None:
            self.happens, self.lock = happens, threading.Lock()

        def __enter__(self) -> None:
            happens, self.happens = self.happens, None
            if happens:
                happens()
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()

    beat = Heartbeat(manager, claimed(60))
    beat._guard = Held(lambda: beat._stop(TaskBusy("lost")))
    with pytest.raises(TaskBusy, match="lost"), beat:
        pass
    beat = Heartbeat(manager, claimed(60))
    beat._guard = Held(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), beat:
        pass
    assert not beat._thread.is_alive()


def test_other_errors_and_ctrl_c_pass_through(manager, claimed):
    """The heartbeat answers for the claim alone."""
    claim = claimed(60)
    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error), Heartbeat(manager, claim):
            raise error
