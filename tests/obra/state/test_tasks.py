from __future__ import annotations

import itertools
import socket
import sqlite3
from contextlib import closing

import pytest

from obra.domain import (
    LEGAL_STATUS_CHANGES,
    Breakpoint,
    Control,
    ControlAct,
    Limits,
    Step,
    TaskStatus,
    Trigger,
)
from obra.errors import IllegalStatus, NotFound, StateError, TaskBusy
from obra.state.owners import this_process

DEAD = f"{socket.gethostname()}:{10**9}:0-1"
ELSEWHERE = "elsewhere.example:12:0-1"


def force(file, task_id, **columns):
    """Write columns behind the manager's back, as an earlier process would have left them."""
    names = ", ".join(f"{name} = ?" for name in columns)
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute(f"UPDATE task SET {names} WHERE id = ?", (*columns.values(), task_id))


def test_a_task_comes_back_with_all_that_was_asked(manager):
    """Every key of task_data is kept, and reading gives the same task as creating."""
    project = manager.create_project("p")
    first = manager.create_task(project.id, {"title": "first"})
    task = manager.create_task(
        project_id=project.id,
        task_data={
            "title": "Ünïcode 🧮",
            "description": "two\nlines",
            "acceptance": ["adds", "divides"],
            "checks": [{"file": ["a.py"]}, {"python": {"file": "a.py", "docstrings": True}}],
            "limits": {"iterations": 3, "cost_usd": 0.5},
            "priority": 2,
            "after": [first.id],
            "working_dir": "/w",
        },
    )
    assert manager.get_task(task.id) == task
    assert task.limits == Limits(iterations=3, cost_usd=0.5)
    assert (task.after, task.acceptance) == ((first.id,), ("adds", "divides"))
    assert task.checks == ({"file": ["a.py"]}, {"python": {"file": "a.py", "docstrings": True}})
    assert (task.status, task.priority, task.working_dir) == (TaskStatus.PENDING, 2, "/w")
    assert task.created_at == task.updated_at
    assert task.created_at.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(("old", "new"), list(itertools.product(TaskStatus, TaskStatus)))
def test_exactly_the_legal_status_changes_are_made(manager, file, task, old, new):
    """For each of the 36 pairs: it works if and only if the table of legal changes has it."""
    force(file, task.id, status=old.value, owner=this_process())
    before = manager.get_task(task.id)

    def change():
        if new is TaskStatus.RUNNING:
            return manager.start_task(task.id)
        return manager.finish_task(task.id, new, "because")

    if new in LEGAL_STATUS_CHANGES[old]:
        assert change().status is new
        assert manager.get_task(task.id).status is new
    else:
        with pytest.raises(IllegalStatus, match=f"task {task.id} is {old} and cannot become {new}") as caught:
            change()
        for allowed in LEGAL_STATUS_CHANGES[old]:
            assert allowed in str(caught.value)
        assert manager.get_task(task.id) == before
        assert manager.events(task.id) == ()


def test_running_is_reached_through_start_task_alone(manager, task):
    """finish_task cannot set a task running without an owner."""
    with pytest.raises(IllegalStatus, match=r"start_task\(\)"):
        manager.finish_task(task.id, TaskStatus.RUNNING, "x")
    assert manager.get_task(task.id).status is TaskStatus.PENDING


def test_a_started_task_has_an_owner_and_a_base_that_later_starts_keep(manager, task):
    """The snapshot before the first start stays the one to compare with, unless another is given."""
    started = manager.start_task(task.id, base_snapshot="base")
    assert (started.status, started.owner, started.base_snapshot) == (
        TaskStatus.RUNNING,
        this_process(),
        "base",
    )
    assert started == manager.get_task(task.id)
    ended = manager.finish_task(task.id, TaskStatus.INTERRUPTED, "Ctrl-C")
    assert (ended.owner, ended.status_reason) == ("", "Ctrl-C")
    again = manager.start_task(task.id)
    assert (again.base_snapshot, again.status_reason) == ("base", "")
    manager.finish_task(task.id, TaskStatus.FAILED, "x")
    assert manager.start_task(task.id, base_snapshot="new").base_snapshot == "new"


def test_a_running_task_of_a_dead_owner_reads_as_interrupted_and_nothing_is_written(manager, file, task):
    """Reading shows the truth; lists and filters agree with it."""
    force(file, task.id, status="running", owner=DEAD)
    seen = manager.get_task(task.id)
    assert seen.status is TaskStatus.INTERRUPTED
    assert str(10**9) in seen.status_reason
    assert "gone" in seen.status_reason
    assert manager.list_tasks() == (seen,)
    assert manager.list_tasks(status=TaskStatus.INTERRUPTED) == (seen,)
    assert manager.list_tasks(status=TaskStatus.RUNNING) == ()
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT status, owner FROM task").fetchall() == [("running", DEAD)]


def test_a_task_of_a_dead_owner_is_taken_over_with_an_event(manager, file, task):
    """Starting it again works and leaves a trace of who was lost."""
    force(file, task.id, status="running", owner=DEAD)
    assert manager.start_task(task.id).owner == this_process()
    kinds = {event["kind"]: event["data"] for event in manager.events(task.id)}
    assert kinds["owner_lost"] == {"owner": DEAD}
    assert kinds["started"] == {"owner": this_process(), "from": "running"}


def test_a_task_of_a_dead_owner_can_be_ended(manager, file, task):
    """A person may write down what has become of it."""
    force(file, task.id, status="running", owner=DEAD)
    assert manager.finish_task(task.id, TaskStatus.INTERRUPTED, "killed").status is TaskStatus.INTERRUPTED


def test_owners_on_other_hosts_are_believed_until_a_person_frees_the_task(manager, file, task):
    """What cannot be seen from here counts as alive for start_task, but finish_task can end it."""
    force(file, task.id, status="running", owner=ELSEWHERE)
    assert manager.get_task(task.id).status is TaskStatus.RUNNING
    assert manager.list_tasks(status="running")[0].id == task.id
    with pytest.raises(TaskBusy, match=r"process 12 on elsewhere\.example.*cannot be seen"):
        manager.start_task(task.id)
    manager.finish_task(task.id, "interrupted", "that machine is gone")
    assert manager.start_task(task.id).owner == this_process()


def test_a_task_of_another_living_process_is_busy(manager, file, task, living_owner):
    """Neither starting nor ending it is possible while its owner lives."""
    force(file, task.id, status="running", owner=living_owner)
    for change in (
        lambda: manager.start_task(task.id),
        lambda: manager.finish_task(task.id, TaskStatus.FAILED, "x"),
    ):
        with pytest.raises(TaskBusy, match=f"is working on task {task.id}; wait for it, or end it first"):
            change()
    assert manager.get_task(task.id).owner == living_owner


def test_the_end_of_a_task_and_its_breakpoint_are_stored_together(manager, running):
    """A limit before the first attempt opens a breakpoint that belongs to no attempt."""
    wanted = Breakpoint(trigger=Trigger.LIMIT_REACHED, reason="300 s are used up")
    ended = manager.finish_task(running.id, TaskStatus.ESCALATED, "limit", breakpoint=wanted)
    (opened,) = manager.breakpoints(task_id=running.id)
    assert (opened.reason, opened.trigger, opened.attempt_number) == (
        wanted.reason,
        Trigger.LIMIT_REACHED,
        0,
    )
    assert ended == manager.get_task(running.id)
    assert manager.events(running.id)[-1]["data"] == {"status": "escalated", "reason": "limit"}


def test_tasks_are_listed_last_changed_first_and_filtered(manager):
    """Project, status and limit narrow the list; a change moves a task to the top."""
    one, two = manager.create_project("one"), manager.create_project("two")
    made = [manager.create_task(one.id, {"title": str(number)}) for number in range(4)]
    other = manager.create_task(two.id, {"title": "other"})
    manager.start_task(made[1].id)
    assert [task.id for task in manager.list_tasks()] == [made[1].id, other.id, 4, 3, 1]
    assert [task.id for task in manager.list_tasks(project_id=one.id, limit=2)] == [made[1].id, 4]
    assert [task.id for task in manager.list_tasks(status=TaskStatus.RUNNING)] == [made[1].id]
    assert [task.id for task in manager.list_tasks(status="pending", limit=1)] == [other.id]
    assert len(manager.list_tasks(limit=None)) == 5
    assert manager.list_tasks(limit=0) == ()


def test_filters_that_make_no_sense_are_refused(manager):
    """A negative limit or an unknown status is said to be wrong."""
    with pytest.raises(StateError, match="limit is -1"):
        manager.list_tasks(limit=-1)
    with pytest.raises(StateError, match="no status 'done'; it may be pending, running"):
        manager.list_tasks(status="done")


def test_missing_projects_and_tasks_are_named_with_where_to_look(manager, task):
    """NotFound says which id, and which command shows the right ones."""
    for wrong in (
        lambda: manager.get_task(99),
        lambda: manager.start_task(99),
        lambda: manager.finish_task(99, TaskStatus.FAILED, "x"),
        lambda: manager.attempts(99),
        lambda: manager.events(99),
        lambda: manager.record_event(99, "x", {}),
    ):
        with pytest.raises(NotFound, match="no task has the id 99; 'obra task list'"):
            wrong()
    for wrong in (lambda: manager.get_project(99), lambda: manager.create_task(99, {"title": "x"})):
        with pytest.raises(NotFound, match="no project has the id 99; 'obra project list'"):
            wrong()


def test_a_task_waits_only_for_tasks_that_exist_in_its_project(manager, task):
    """Unknown tasks and tasks of other projects cannot be waited for, so that no circle can come about."""
    with pytest.raises(NotFound, match="id 77, which task_data"):
        manager.create_task(task.project_id, {"title": "x", "after": [task.id, 77]})
    other = manager.create_project("other")
    with pytest.raises(StateError, match=f"names task {task.id} of project {task.project_id}"):
        manager.create_task(other.id, {"title": "x", "after": [task.id]})
    assert len(manager.list_tasks()) == 1


def test_numbers_no_database_can_hold_are_errors_of_state(manager, task):
    """A huge id or priority is refused, and the manager goes on working."""
    with pytest.raises(StateError, match="too large|out of range"):
        manager.get_task(10**30)
    with pytest.raises(StateError, match="too large|out of range"):
        manager.create_task(task.project_id, {"title": "x", "priority": 10**30})
    assert manager.get_task(task.id) == task


def test_a_project_and_its_task_are_stored_together_or_not_at_all(manager):
    """With what the story begins with; when the task or the story cannot be stored, there is no project either."""
    told = {"test": {"node": "a.py::test_it"}}
    task = manager.create_work("p", {"title": "t"}, description="d", working_dir="/w", told=told)
    found, project = manager.get_task_and_project(task.id)
    assert found == task == manager.get_task(task.id)
    assert (project.name, project.description, project.working_dir) == ("p", "d", "/w")
    assert [(one["kind"], one["data"]) for one in manager.events(task.id)] == [("test", {"node": "a.py::test_it"})]
    with pytest.raises(StateError, match="title"):
        manager.create_work("q", {})
    with pytest.raises(StateError, match="JSON"):
        manager.create_work("q", {"title": "t"}, told={"test": {"node": object()}})
    assert [one.name for one in manager.projects()] == ["p"]
    with pytest.raises(NotFound):
        manager.get_task_and_project(99)


def test_a_plan_is_stored_as_a_whole_or_not_at_all(manager):
    """Each task waits for places before its own, and its story begins with what is told."""
    plan = [{"title": "a"}, {"title": "b", "after": [1]}, {"title": "c", "after": [1, 2]}]
    first, second, third = manager.create_plan("p", plan, told={"test": {"node": "x"}})
    assert (second.after, third.after) == ((first.id,), (first.id, second.id))
    assert {task.project_id for task in (first, second, third)} == {first.project_id}
    assert manager.events_of_kind("test") == tuple((key, {"node": "x"}) for key in (third.id, second.id, first.id))
    for after in ([2], [3], [0], [-1]):
        with pytest.raises(StateError, match="task 2 of the plan waits for"):
            manager.create_plan("q", [{"title": "a"}, {"title": "b", "after": after}])
    with pytest.raises(StateError, match="title"):
        manager.create_plan("q", [{"title": "a"}, {"title": ""}])
    assert [one.name for one in manager.projects()] == ["p"]


def test_a_kept_step_answers_with_what_was_asked_since(manager, running):
    """So that the loop needs no look of its own between two steps; without *seen* nothing is looked for."""
    first = manager.ask(Control(task_id=running.id, act=ControlAct.SAY, by="anna", text="one"))
    second = manager.ask(Control(task_id=running.id, act=ControlAct.SAY, by="anna", text="two"))
    steps = [Step(number=1, position=position, name="Turn", data={}) for position in (1, 2, 3)]
    assert manager.record_step(running, steps[0]) == ()
    assert manager.record_step(running, steps[1], seen=0) == (first, second)
    assert manager.record_step(running, steps[2], seen=first.id) == (second,)
