"""``obra task run`` and what stands in ``obra task list`` about tasks that wait."""

from __future__ import annotations

import pytest

from obra import StateManager
from obra.domain import ScriptStep


@pytest.fixture
def state(tmp_path):
    """The database of the folder, with a project."""
    with StateManager(f"sqlite:///{tmp_path}/.obra/obra.db") as opened:
        opened.create_project("shop", working_dir=tmp_path / "shop")
        yield opened


@pytest.fixture
def good(state):
    """Return a function that stores a task that completes."""

    def store(title="t", **data):
        script, reviewer = [ScriptStep(say="Done.", write={"a.txt": title})], [{"score": 95}]
        wanted = {"checks": [{"file": "a.txt"}], "script": script, "reviewer": reviewer, "queued": True}
        return state.create_task(1, {"title": title, **wanted, **data})

    return store


def test_waiting_tasks_run_in_the_order_of_the_scheduler(obra, state, good):
    """What comes after another waits for it, then priority counts; the last word is the exit code."""
    low, high = good("low", priority=1), good("high", priority=9)
    last = good("last", priority=9, after=[low.id])
    ended = obra("task", "run", "--json")
    assert ended.code == 0, ended.err
    assert [one["task_id"] for one in ended.data] == [high.id, low.id, last.id]
    assert {one["status"] for one in ended.data} == {"completed"}
    again = obra("task", "run")
    assert (again.code, again.out) == (0, "no task can be taken up now\n")


def test_one_task_at_the_most_and_only_of_one_project(obra, state, good):
    """``--once`` and ``--project`` hold; an unknown project is an error."""
    state.create_project("other")
    first, second = good("first"), good("second")
    assert obra("task", "run", "--project", "2").out.startswith("no task can be taken up now")
    ended = obra("task", "run", "--once")
    assert f"task {first.id} completed" in ended.out
    assert state.get_task(second.id).status == "pending"
    assert obra("task", "run", "--project", "7").code == 1


def test_a_list_says_what_a_worker_would_do(obra, state, good):
    """Ready, or why not; ``obra task run`` says the same when there is nothing to do."""
    ready = good("ready", deadline="2999-01-01T00:00:00Z", retries=2)
    paused, early = good("paused"), good("early", not_before="2999-01-01T00:00:00Z")
    after = good("after", after=[ready.id])
    late = good("late", deadline="2001-01-01T00:00:00Z")
    by_hand = state.create_task(1, {"title": "by hand"})
    assert obra("task", "pause", str(paused.id)).out.startswith(
        f"task {paused.id} is paused: no worker takes it up"
    )
    listed = {one["id"]: one for one in obra("task", "list", "--json").data}
    assert {key: one["next"] for key, one in listed.items()} == {
        ready.id: "ready",
        paused.id: "it is paused",
        early.id: "not before 2999-01-01 00:00:00 UTC",
        after.id: f"it waits for task {ready.id}",
        late.id: "its deadline passed at 2001-01-01 00:00:00 UTC",
        by_hand.id: "-",
    }
    assert listed[ready.id]["retries"] == 2
    row = next(line for line in obra("task", "list").out.splitlines() if line.endswith("  ready"))
    assert "2999-01-01 00:00  0 of 3  ready" in row
    state.pause_task(ready.id)
    told = obra("task", "run")
    assert told.code == 0
    assert f"task {early.id}: not before 2999-01-01 00:00:00 UTC" in told.out
    assert f"task {ready.id}: it is paused" in told.out
    assert "deadline passed" in state.get_task(late.id).status_reason
    assert obra("task", "resume", str(ready.id)).out == f"task {ready.id} waits for a worker again\n"
    assert [one["task_id"] for one in obra("task", "run", "--json").data] == [ready.id, after.id]


def test_what_fails_is_told_and_waits_for_its_retry(obra, state, good):
    """The others run all the same, and the exit code says that not all is well."""
    broken = good("broken", script=[ScriptStep(edit={"no.txt": ("a", "b")})], retries=1, priority=9)
    fine = good("fine")
    ended = obra("task", "run", "-o", "agent.max_retries=0")
    assert ended.code == 1
    assert f"task {fine.id} completed" in ended.out
    stored = state.get_task(broken.id)
    assert (stored.status, stored.tries) == ("failed", 1)
    waits = {one["id"]: one["next"] for one in obra("task", "list", "--json").data}
    assert waits[broken.id].startswith("not before ")


def test_a_task_is_created_with_when_it_may_run(obra, state):
    """It waits for a worker, and its times are UTC."""
    made = obra(
        *("task", "create", "1", "Tonight", "--priority", "7", "--retries", "2"),
        *("--not-before", "2030-01-01T01:00+01:00", "--deadline", "2030-01-02"),
    )
    assert made.code == 0, made.err
    task = obra("task", "show", "1", "--json").data["task"]
    assert (task["priority"], task["retries"]) == (7, 2)
    assert (task["not_before"], task["deadline"]) == ("2030-01-01T00:00:00+00:00", "2030-01-02T00:00:00+00:00")
    assert task["queued_at"]
    wrong = obra("task", "create", "1", "t", "--deadline", "soon")
    assert wrong.code == 2
    assert "'soon' is no time; write 90m, 2h or 3d" in wrong.err


def test_a_task_that_a_person_stopped_is_not_taken_up_again(state, good):
    """A stop would be worth nothing if the next worker went on at once."""
    from obra.domain import Control, ControlAct

    task = good()
    claim = state.claim_task(lease=60)
    state.start_task(task.id)
    state.ask(Control(task_id=task.id, act=ControlAct.STOP, by="anna"))
    state.finish_task(task.id, "interrupted", "stopped", fence=claim.fence)
    assert state.claim_task(lease=60) is None
    state.pause_task(task.id, paused=False)
    assert state.claim_task(lease=60).task.id == task.id
