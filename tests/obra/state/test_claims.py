"""Claims: one of many gets a task, for as long as its lease, and whoever lost it is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from obra.domain import TaskStatus
from obra.errors import IllegalStatus, NotFound, StateError, TaskBusy
from obra.state import tasks
from obra.state.owners import this_process
from obra.state.state_manager import StateManager

PIPE = subprocess.PIPE
DRAINS = """
import sys
from obra.state.state_manager import StateManager
with StateManager(sys.argv[1], busy_timeout=30) as state:
    print("ready", flush=True); input()
    limits = {"a": int(sys.argv[2])} if sys.argv[2:] else {}
    while claim := state.claim_task(lease=60, agent="a", per_agent=limits):
        task = state.start_task(claim.task.id)
        state.finish_task(task.id, "completed", "done", fence=task.fence)
        print(task.id, flush=True)
"""
HOLDS = """
import sys
from obra.state.state_manager import StateManager
with StateManager(sys.argv[1]) as state:
    claim = state.claim_task(lease=float(sys.argv[2]))
    task = state.start_task(claim.task.id, base_snapshot="b", run={})
    print("holds", flush=True); input()
    try:
        state.finish_task(task.id, "completed", "done", fence=task.fence)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
"""


@pytest.fixture
def queued(manager):
    """Return a function that stores a task that waits for a worker, in project 1 unless told otherwise."""
    manager.create_project("p")
    manager.create_project("q")

    def store(project_id=1, **data):
        return manager.create_task(project_id, {"title": "t", "queued": True, **data})

    return store


def claimed(manager, **asked):
    """Claim a task for a minute and return its id, or ``None``."""
    claim = manager.claim_task(**{"lease": 60, **asked})
    return claim and claim.task.id


def moved(manager, task_id, **columns):
    """Write columns of a task, as time would."""
    manager._database.write(lambda connection: tasks.write_columns(connection, task_id, **columns))


def past():
    """Return a moment that is over."""
    return datetime.now(UTC) - timedelta(seconds=1)


def kinds(manager, task_id):
    """Return what happened to a task, in words."""
    return [event["kind"] for event in manager.events(task_id)]


def drained(url, count, *more):
    """Let *count* processes claim and finish all that there is, and return the ids that each of them had."""
    command = [sys.executable, "-c", DRAINS, url, *map(str, more)]
    children = [subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(count)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    found = [child.communicate()[0].split() for child in children]
    assert [child.returncode for child in children] == [0] * count
    return found


def test_only_queued_tasks_are_handed_out_the_most_urgent_first(manager, queued):
    """Priority, then age; a task that nobody queued is run by whoever names it."""
    manager.create_task(1, {"title": "by hand", "priority": 9})
    low, high, same = queued(), queued(priority=7), queued()
    assert [claimed(manager) for _ in range(4)] == [high.id, low.id, same.id, None]


def test_a_claim_says_whose_it_is_and_a_start_under_it_keeps_its_fence(manager, queued):
    """The start needs no second number: all writes of the run are good under the claim."""
    task = queued()
    claim = manager.claim_task(lease=60, agent="mock", llm="scripted")
    assert (claim.owner, claim.lease, claim.fence) == (this_process(), 60, task.fence + 1)
    assert claim.task.status is TaskStatus.PENDING
    started = manager.start_task(task.id, base_snapshot="b", run={})
    assert (started.fence, started.claimed_by) == (claim.fence, this_process())
    manager.renew_claim(claim)
    ended = manager.finish_task(task.id, "completed", "done", fence=started.fence)
    assert (ended.claimed_by, ended.lease_until) == ("", None)
    assert manager.get_task(task.id) == ended
    assert kinds(manager, task.id) == ["claimed", "started", "ended"]
    assert claimed(manager) is None


def test_the_last_attempt_of_a_task_ends_its_claim(manager, queued, make_attempt):
    """What an attempt decides ends the run and the claim in one transaction."""
    task = queued()
    claim = manager.claim_task(lease=60)
    started = manager.start_task(task.id, base_snapshot="b", run={})
    manager.record_attempt(make_attempt(task.id), status="completed", fence=started.fence)
    assert manager.get_task(task.id).claimed_by == ""
    manager.release_claim(claim)  # nothing is left to do
    assert kinds(manager, task.id) == ["claimed", "started", "attempt"]


def test_a_task_given_back_waits_again(manager, queued):
    """Released before it was begun, it is the next again; a running one cannot be released."""
    task = queued()
    claim = manager.claim_task(lease=60)
    manager.release_claim(claim)
    assert claimed(manager) == task.id
    with pytest.raises(TaskBusy, match=f"has lost task {task.id}"):
        manager.release_claim(claim)
    again = manager.start_task(task.id)
    with pytest.raises(IllegalStatus, match="finish_task"):
        manager.release_claim(replace(claim, fence=again.fence))


def test_nobody_else_starts_a_claimed_task(manager, queued, living_owner):
    """Another process is told who has it and until when; a dead claimer keeps nobody away."""
    task = queued()
    manager.claim_task(lease=60)
    with pytest.raises(TaskBusy, match=rf"has taken task {task.id} up; its lease runs until 20.* UTC"):
        manager.start_task(task.id, owner=living_owner)
    moved(manager, task.id, claimed_by=f"{this_process()}0")  # of this host and dead
    assert manager.start_task(task.id).claimed_by == ""


def test_a_task_waits_for_what_it_comes_after(manager, queued):
    """It is handed out as soon as the earlier one is completed."""
    first = queued(priority=1)
    second = queued(priority=9, after=[first.id])
    assert [claimed(manager), claimed(manager)] == [first.id, None]
    manager.start_task(first.id)
    manager.finish_task(first.id, "completed", "done")
    assert claimed(manager) == second.id


def test_a_paused_task_or_project_is_not_handed_out(manager, queued):
    """Until it is resumed; pausing twice says it once."""
    task, other = queued(), queued(2)
    for _ in range(2):
        assert manager.pause_task(task.id).paused
    assert manager.pause_project(2).status == "paused"
    assert claimed(manager) is None
    assert manager.pause_project(2, paused=False).status == "active"
    assert claimed(manager) == other.id
    assert not manager.pause_task(task.id, paused=False).paused
    assert claimed(manager) == task.id
    assert kinds(manager, task.id) == ["paused", "pause_ended", "claimed"]
    with pytest.raises(NotFound):
        manager.pause_task(99)
    with pytest.raises(NotFound):
        manager.pause_project(99)


def test_a_task_paused_under_a_claim_is_not_handed_out_again(manager, queued):
    """The pause holds when the run is interrupted."""
    task = queued()
    manager.claim_task(lease=60)
    started = manager.start_task(task.id)
    manager.pause_task(task.id)
    manager.finish_task(task.id, "interrupted", "stopped", fence=started.fence)
    assert claimed(manager) is None
    manager.pause_task(task.id, paused=False)
    assert claimed(manager) == task.id


def test_a_deadline_that_passed_takes_the_task_out_of_the_queue_and_says_so(manager, queued):
    """Nobody gets it, nobody starts it, and its record tells why."""
    now = datetime.now(UTC)
    late = queued(deadline=now - timedelta(seconds=1), priority=9)
    in_time = queued(deadline=(now + timedelta(hours=1)).isoformat())
    assert [claimed(manager), claimed(manager)] == [in_time.id, None]
    assert "its deadline passed at" in manager.get_task(late.id).status_reason
    assert kinds(manager, late.id) == ["deadline_missed"]
    with pytest.raises(IllegalStatus, match="is not begun: its deadline passed at .*; create it anew"):
        manager.start_task(late.id)


def test_a_task_is_not_handed_out_before_its_time(manager, queued):
    """``not_before`` holds it back."""
    queued(not_before=datetime.now(UTC) + timedelta(hours=1))
    ready = queued(not_before=datetime.now(UTC) - timedelta(hours=1))
    assert [claimed(manager), claimed(manager)] == [ready.id, None]


def test_a_failed_task_waits_again_as_often_as_its_retries_say(manager, queued):
    """Each time for longer; then it is failed for good, and an escalated one is left to a person."""
    task, pauses = queued(retries=2), []
    for tries in (1, 2, 3):
        assert claimed(manager) == task.id
        started = manager.start_task(task.id)
        ended = manager.finish_task(task.id, "failed", "crashed", fence=started.fence)
        assert ended.tries == tries
        if tries < 3:
            pauses.append((ended.not_before - ended.updated_at).total_seconds())
        assert claimed(manager) is None
        moved(manager, task.id, not_before=past())
    assert 15 <= pauses[0] <= 30 <= pauses[1] <= 60
    other = queued(retries=2)
    claimed(manager)
    manager.start_task(other.id)
    manager.finish_task(other.id, "escalated", "a person must look")
    assert claimed(manager) is None


def test_limits_count_the_claims_that_hold(manager, queued):
    """For each agent, each LLM, and in all; what ended or ran out is not counted."""
    first, second, third, *_ = [queued().id for _ in range(6)]
    assert claimed(manager, agent="a", llm="x", per_agent={"a": 1}) == first
    assert claimed(manager, agent="a", per_agent={"a": 1}) is None
    assert claimed(manager, agent="b", llm="x", per_agent={"a": 1}, per_llm={"x": 1}) is None
    assert claimed(manager, agent="b", llm="y", per_agent={"a": 1}, per_llm={"x": 1}) == second
    assert claimed(manager, total=2) is None
    assert claimed(manager, total=3) == third
    assert claimed(manager, total=3) is None
    moved(manager, third, lease_until=past())
    assert claimed(manager, total=3) == third
    manager.start_task(first)
    manager.finish_task(first, "completed", "done")
    assert claimed(manager, agent="a", per_agent={"a": 1}) is not None


def test_projects_take_turns(manager, queued):
    """A long queue of one project does not keep another one waiting."""
    many, few = [queued(1).id for _ in range(4)], [queued(2).id for _ in range(2)]
    got = [claimed(manager) for _ in range(6)]
    assert got == [many[0], few[0], many[1], few[1], many[2], many[3]]


def test_one_project_alone_can_be_asked_for(manager, queued):
    """The others are left to others."""
    queued(1, priority=9)
    mine = queued(2)
    assert [claimed(manager, project_id=2), claimed(manager, project_id=2)] == [mine.id, None]


def test_a_lease_of_nothing_is_refused(manager, queued):
    """It would be lost before it was held."""
    with pytest.raises(StateError, match="the lease is 0 seconds"):
        manager.claim_task(lease=0)


def test_a_lease_that_ran_out_is_taken_over_and_its_former_owner_refused(manager, queued, database_url):
    """A worker that was frozen for longer than its lease is told so when it wakes up, and writes nothing."""
    task = queued()
    command = [sys.executable, "-c", HOLDS, database_url, "60"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as worker:
        assert worker.stdout.readline() == "holds\n"
        worker.send_signal(signal.SIGSTOP)
        try:
            assert claimed(manager) is None
            moved(manager, task.id, lease_until=past())
            assert manager.get_task(task.id).status is TaskStatus.INTERRUPTED  # it reads so before anybody says so
            claim = manager.claim_task(lease=60)
        finally:
            worker.send_signal(signal.SIGCONT)
        assert (claim.task.status, claim.task.fence) == (TaskStatus.INTERRUPTED, 2)
        told = worker.communicate("\n")[0]
    assert told.startswith("TaskBusy process ")
    assert f"has lost task {task.id}: process" in told
    assert "This process stops and writes nothing more" in told
    assert manager.start_task(task.id).fence == 2
    assert kinds(manager, task.id) == ["claimed", "started", "owner_lost", "claimed", "started"]


def test_a_killed_workers_task_goes_on_behind_its_finished_attempts(manager, queued, database_url, make_attempt):
    """What was recorded stands, and the steps of the attempt under way are there for the next worker."""
    task = queued()
    program = HOLDS.replace("input()", "import os; os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", program, database_url, "0.3"], stdout=PIPE, check=False)
    until = manager.get_task(task.id).lease_until
    while (claim := manager.claim_task(lease=60)) is None:
        assert datetime.now(UTC) < until + timedelta(seconds=60)
    assert claim.task.id == task.id
    assert [step.name for step in manager.steps(task.id)] == ["run"]
    assert claim.task.status is TaskStatus.INTERRUPTED


def test_a_claim_that_is_late_but_not_lost_can_be_renewed(manager, queued):
    """As long as nobody else took it; then the message says who has it."""
    task = queued()
    claim = manager.claim_task(lease=60)
    moved(manager, task.id, lease_until=past())
    manager.renew_claim(claim)
    assert claimed(manager) is None
    moved(manager, task.id, lease_until=past())
    assert claimed(manager) == task.id
    with pytest.raises(TaskBusy, match=rf"has lost task {task.id}: .*\(start 2 of the task, ours was 1\)"):
        manager.renew_claim(claim)


def test_many_processes_get_every_task_once(manager, queued, database_url):
    """Four at once, with a limit and without: none is doubled, none is left, nobody fails."""
    count = 120
    with StateManager(database_url) as state:
        ids = {
            str(state.create_task(1 + number % 2, {"title": "t", "queued": True}).id) for number in range(count)
        }
    found = Counter(key for one in drained(database_url, 4) for key in one)
    assert set(found) == ids
    assert set(found.values()) == {1}


RACES = """
import sys, time
from collections import deque
from obra.state.state_manager import StateManager
url, agent, llm, picks = sys.argv[1:]
held, found = deque(), []
def give_back():
    claim, since = held.popleft()
    found.append((claim.task.id, since, time.monotonic_ns()))
    state.release_claim(claim)
with StateManager(url, busy_timeout=60) as state:
    print("ready", flush=True); input()
    while len(found) + len(held) < int(picks):
        claim = state.claim_task(
            lease=600, agent=agent, llm=llm, per_agent={"a": 3, "b": 2}, per_llm={"x": 2, "y": 3}, total=4
        )
        if claim:
            held.append((claim, time.monotonic_ns()))
        if held and (claim is None or len(held) == 3):
            give_back()
    while held:
        give_back()
for one in found:
    print(*one)
"""
RACERS = (("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"))
PICKS = 250


def most_at_once(spans):
    """Return how many of *spans* (begin, end) have a moment in common at the most."""
    running = most = 0
    for _, step in sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans]):
        running += step
        most = max(most, running)
    return most


def test_limits_hold_among_processes_that_race(manager, queued, database_url):
    """Four processes pick and give back a thousand times: no task is had twice, no limit is passed.

    What a process noted lies within the time of its claim, by a clock that all share, so that too many at once are
    too many. Each gives back only when it is refused or has three, and the first may never have three of its LLM.
    """
    for number in range(12):
        queued(1 + number % 2)
    commands = [[sys.executable, "-c", RACES, database_url, *racer, str(PICKS)] for racer in RACERS]
    children = [subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) for command in commands]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    told = [child.communicate()[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0] * len(children)
    spans = [
        (*racer, *map(int, line.split())) for racer, lines in zip(RACERS, told, strict=True) for line in lines
    ]
    assert len(spans) == PICKS * len(RACERS)
    for key, limits in ((0, {"a": 3, "b": 2}), (1, {"x": 2, "y": 3})):
        for name, limit in limits.items():
            assert most_at_once([one[3:] for one in spans if one[key] == name]) <= limit, name
    assert most_at_once([one[3:] for one in spans]) <= 4
    for task in {one[2] for one in spans}:
        assert most_at_once([one[3:] for one in spans if one[2] == task]) == 1, task
    kinds = Counter(event["kind"] for task in range(1, 13) for event in manager.events(task))
    assert (kinds["claimed"], kinds["claim_released"]) == (len(spans), len(spans))
