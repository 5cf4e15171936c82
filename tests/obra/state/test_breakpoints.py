from __future__ import annotations

import pytest

from obra.domain import Breakpoint, BreakpointStatus, TaskStatus, Trigger
from obra.errors import IllegalStatus, NotFound, StateError


@pytest.fixture
def opened(manager, running):
    """Return three open breakpoints of one task, oldest first."""
    for number in range(3):
        wanted = Breakpoint(trigger=Trigger.AGENT_ASKS, reason=f"reason {number}", attempt_number=number)
        manager.finish_task(running.id, TaskStatus.ESCALATED, "x", breakpoint=wanted)
        manager.start_task(running.id)
    return tuple(reversed(manager.breakpoints()))


def test_breakpoints_are_listed_newest_first_and_filtered(manager, opened):
    """Task, status and limit narrow the list."""
    manager.resolve_breakpoint(opened[1].id, "yes")
    assert [found.reason for found in manager.breakpoints()] == ["reason 2", "reason 1", "reason 0"]
    assert [found.id for found in manager.breakpoints(status=BreakpointStatus.OPEN)] == [
        opened[2].id,
        opened[0].id,
    ]
    assert [found.answer for found in manager.breakpoints(status="resolved")] == ["yes"]
    assert len(manager.breakpoints(limit=2)) == 2
    assert len(manager.breakpoints(limit=None)) == 3
    assert manager.breakpoints(task_id=99) == ()
    with pytest.raises(StateError, match="limit is -3"):
        manager.breakpoints(limit=-3)
    with pytest.raises(StateError, match="no status 'closed'"):
        manager.breakpoints(status="closed")


def test_an_answer_is_given_once(manager, opened):
    """The first answer stays; a second one is refused with the first in the message."""
    resolved = manager.resolve_breakpoint(opened[0].id, "use tkinter \0")
    assert (resolved.status, resolved.answer) == (BreakpointStatus.RESOLVED, "use tkinter \ufffd")
    assert resolved.resolved_at >= resolved.created_at
    with pytest.raises(IllegalStatus, match="resolved already.*use tkinter.*the first answer stays"):
        manager.resolve_breakpoint(opened[0].id, "no")
    assert resolved in manager.breakpoints()
    assert manager.events(resolved.task_id)[-1]["kind"] == "breakpoint_resolved"


def test_an_unknown_breakpoint_is_named(manager):
    """NotFound says where to look."""
    with pytest.raises(NotFound, match="no breakpoint has the id 4; 'obra breakpoint list'"):
        manager.resolve_breakpoint(4, "x")


def test_an_answer_that_begins_a_run_leaves_an_interrupted_task_that_has_it(manager, running):
    """In one transaction: a death before that run begins is gone on behind; without the run there is no answer."""
    manager.finish_task(
        running.id, TaskStatus.ESCALATED, "x", breakpoint=Breakpoint(trigger=Trigger.AGENT_ASKS, reason="?")
    )
    (opened,) = manager.breakpoints()
    assert manager.resolve_breakpoint(opened.id, "yes", run={"iterations": 2}).answer == "yes"
    task = manager.get_task(running.id)
    assert (task.status, task.status_reason) == (
        TaskStatus.INTERRUPTED, "its breakpoint was answered, and the run that hears the answer has not begun",
    )  # fmt: skip
    assert [(one.number, one.position, one.data) for one in manager.steps(running.id)] == [
        (1, 0, {"run": {"iterations": 2}})
    ]
    manager.start_task(running.id)
    other = manager.open_breakpoint(Breakpoint(trigger=Trigger.AGENT_ASKS, reason="?", task_id=running.id))
    with pytest.raises(IllegalStatus, match="is running, not escalated: no run of it waits for an answer"):
        manager.resolve_breakpoint(other.id, "yes", run={})
    assert manager.breakpoints(status="open") == (other,)
