"""The scheduler over time: nobody starves, nothing runs twice, no limit is passed, and refusals are explained."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obra.domain import Task, TaskStatus
from obra.scheduler import (
    AGEING,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Capacity,
    Moment,
    Running,
    TaskScheduler,
    is_to_be_retried,
    pause_before,
    place,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
SCHEDULER = TaskScheduler()
AGENTS = ("a", "b")


def at(seconds):
    """Return a moment after the start."""
    return START + timedelta(seconds=seconds)


def task(number, *after, project=1, since=0.0, **more):
    """Return a waiting task of a project."""
    return Task(id=number, project_id=project, title=str(number), after=after, queued_at=at(since), **more)


@st.composite
def queues(draw, most=12):
    """Tasks of some projects that wait only for tasks made before them, all with a time of arrival."""
    tasks = []
    for number in range(1, draw(st.integers(1, most)) + 1):
        project = draw(st.integers(1, 3))
        earlier = [one.id for one in tasks]
        after = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        tasks.append(
            task(
                number,
                *after,
                project=project,
                since=draw(st.floats(0, 5 * AGEING)),
                priority=draw(st.integers(0, 9)),
                deadline=draw(st.none() | st.just(at(10**7))),
            )
        )
    return tasks


def reference(able, moment):
    """Return the task that the rule chooses, in the plainest way: what its project brings, then what it brings."""

    def key(one):
        mine = [other for other in able if other.project_id == one.project_id]
        served = moment.served.get(one.project_id)
        began = min(other.queued_at for other in mine)
        waited = (moment.now - (began if served is None else max(began, served))).total_seconds()
        first = min(mine, key=within)
        busy = len([other for other in moment.running if other.project_id == one.project_id])
        level = max(other.priority for other in mine) + max(0, int(waited // AGEING))
        return (-level, deadline(first), busy, served or datetime.min.replace(tzinfo=UTC), first.id, within(one))

    def within(one):
        return (place(one), deadline(one), one.id)

    def deadline(one):
        return one.deadline or datetime.max.replace(tzinfo=UTC)

    return min(able, key=key, default=None)


@settings(max_examples=50, deadline=None)
@given(queues(), st.floats(5 * AGEING, 30 * AGEING), st.data())
def test_the_choice_is_that_of_the_plain_rule(tasks, later, data):
    """With any projects served and busy, and some of the tasks done."""
    done = {one.id for one in tasks if data.draw(st.booleans())}
    tasks = [replace(one, status=TaskStatus.COMPLETED) if one.id in done else one for one in tasks]
    moment = Moment(
        now=at(later),
        served={number: at(data.draw(st.floats(0, later))) for number in data.draw(st.sets(st.integers(1, 3)))},
        running=[Running(project_id=number) for number in data.draw(st.lists(st.integers(1, 3), max_size=3))],
    )
    able = [one for one in tasks if one.id not in done and done.issuperset(one.after)]
    assert SCHEDULER.next_task(tasks, moment) == reference(able, moment)


@settings(max_examples=50, deadline=None)
@given(queues(), st.integers(1, 5), st.data())
def test_workers_get_each_task_once_and_never_more_than_the_limits_allow(tasks, workers, data):
    """Simulated workers with one of two agents each take and finish tasks in any order until all is done."""
    capacity = Capacity(
        total=data.draw(st.none() | st.integers(1, 4)),
        agents=data.draw(st.dictionaries(st.sampled_from(AGENTS), st.integers(1, 2))),
        llms=data.draw(st.dictionaries(st.just("x"), st.integers(1, 3))),
    )
    states = {one.id: one for one in tasks}
    agents = [AGENTS[number % 2] for number in range(workers)]
    running, served, picked = {}, {}, Counter()
    clock = 6 * AGEING
    while any(one.status is not TaskStatus.COMPLETED for one in states.values()):
        clock += 1
        worker = data.draw(st.integers(0, workers - 1)) if len(running) < workers else min(running)
        if worker in running:
            finished = running.pop(worker).task_id
            states[finished] = replace(states[finished], status=TaskStatus.COMPLETED)
            continue
        moment = Moment(
            now=at(clock),
            running=list(running.values()),
            served=served,
            capacity=capacity,
            agent=agents[worker],
            llm="x",
        )
        chosen = SCHEDULER.next_task(list(states.values()), moment)
        if chosen is None:
            assert running, "nobody works, something is left, and nothing is handed out"
            done = running.pop(min(running)).task_id
            states[done] = replace(states[done], status=TaskStatus.COMPLETED)
            continue
        assert all(states[needed].status is TaskStatus.COMPLETED for needed in chosen.after)
        picked[chosen.id] += 1
        states[chosen.id] = replace(chosen, status=TaskStatus.RUNNING)
        served[chosen.project_id] = at(clock)
        running[worker] = Running(task_id=chosen.id, project_id=chosen.project_id, agent=agents[worker], llm="x")
        busy = Counter(one.agent for one in running.values())
        assert len(running) <= (capacity.total or workers)
        assert all(busy[name] <= most for name, most in capacity.agents.items())
        assert len(running) <= capacity.llms.get("x", workers)
    assert picked == Counter(dict.fromkeys(states, 1))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(6, 9), st.booleans())
def test_nothing_starves_under_a_stream_of_more_urgent_tasks(low, high, same_project):
    """A task is picked after as many ageing periods as its priority is lower, and one pick for each rival then."""
    tick = AGEING / 4
    patient = task(1, project=1, priority=low)
    waiting, served = [patient], {}
    bound = (high - low + 2) * 4 + 4
    for number in range(2, bound + 2):
        clock = (number - 1) * tick
        waiting.append(task(number, project=1 if same_project else 2, since=clock, priority=high))
        chosen = SCHEDULER.pick(waiting, Moment(now=at(clock), served=served))
        served[chosen.project_id] = at(clock)
        waiting.remove(chosen)
        if chosen is patient:
            return
    raise AssertionError(f"not picked within {bound} picks")


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(1, 5))
def test_a_long_queue_does_not_keep_other_projects_waiting(projects, each):
    """Projects of one priority take turns, however much older the tasks of one of them are."""
    old = [task(number, project=1, since=0) for number in range(1, 200)]
    young = [
        task(1000 * project + number, project=project, since=50 * AGEING)
        for project in range(2, projects + 1)
        for number in range(each)
    ]
    waiting, served = [*old, *young], {1: at(50 * AGEING)}
    got = []
    for count in range(1, projects * each + 1):
        now = at(50 * AGEING + count)
        chosen = SCHEDULER.pick(waiting, Moment(now=now, served=served))
        served[chosen.project_id] = now
        waiting.remove(chosen)
        got.append(chosen.project_id)
    assert Counter(got) == Counter(dict.fromkeys(range(1, projects + 1), each))


def test_the_nearest_deadline_breaks_ties_and_an_urgent_task_carries_its_project():
    """Among equals the one that must be done first; a low and old head does not hide an urgent task behind it."""
    hour, day = at(3600), at(86400)
    tasks = [task(1), task(2, deadline=day), task(3, deadline=hour), task(4, project=2)]
    assert SCHEDULER.next_task(tasks, Moment(now=at(0))).id == 3
    late = 20 * AGEING
    behind = [task(1, priority=0), task(2, priority=9, since=late), task(3, project=2, since=late)]
    assert SCHEDULER.pick(behind, Moment(now=at(late), served={1: at(late)})).id == 1


def test_fewer_running_tasks_come_first():
    """A project that keeps fewer workers busy is served before one that keeps more."""
    tasks = [task(1, project=1), task(2, project=2)]
    assert SCHEDULER.pick(tasks, Moment(running=[Running(project_id=1)])).id == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"status": TaskStatus.RUNNING}, "it is running"),
        ({"status": TaskStatus.FAILED}, "it is failed"),
        ({"status": TaskStatus.FAILED, "retries": 1, "tries": 2}, "it is failed"),
        ({"status": TaskStatus.FAILED, "retries": 1, "tries": 1}, ""),
        ({"paused": True}, "it is paused"),
        ({"project_id": 7}, "project 7 is paused"),
        ({"after": (3, 4)}, "it waits for task 4"),
        ({"deadline": at(0)}, "its deadline passed at 2026-01-01 00:00:00 UTC"),
        ({"deadline": at(2)}, ""),
        ({"not_before": at(2)}, "not before 2026-01-01 00:00:02 UTC"),
        ({"not_before": at(1)}, ""),
    ],
)
def test_what_cannot_run_says_why(changes, words):
    """In a few words, or in none."""
    moment = Moment(now=at(1), paused=[7])
    assert SCHEDULER.why_not(replace(task(1), **changes), {3}, moment) == words
    later = replace(task(1), deadline=at(-9), not_before=at(9))
    assert SCHEDULER.why_not(later, {3}, Moment()) == ""


def test_what_is_full_is_named():
    """Each limit that is reached, by its name; nothing is limited without one."""
    running = [Running(agent="a", llm="x"), Running(agent="b", llm="x")]
    capacity = Capacity(total=2, agents={"a": 1, "b": 2}, llms={"x": 2})
    assert capacity
    assert capacity.what_is_full(running, "a", "x") == (
        "2 tasks may run at once, 1 tasks of the agent a may run at once, 2 tasks of the LLM x may run at once"
    )
    assert Capacity(agents={"a": 1}).what_is_full(running, "b") == ""
    assert not Capacity()
    moment = Moment(running=running, capacity=capacity, agent="b")
    assert SCHEDULER.next_task([task(1)], moment) is None


@given(st.integers(1, 10**9), st.integers(1, 60))
def test_pauses_double_up_to_a_cap_and_are_the_same_each_time(task_id, tries):
    """Half is fixed and half is jitter made from the id."""
    found = pause_before(tries, task_id)
    whole = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries - 1, 20))
    assert whole / 2 <= found <= whole
    assert found == pause_before(tries, task_id)


def test_tasks_that_failed_together_do_not_come_back_together():
    """The jitter differs from task to task."""
    assert len({round(pause_before(1, number), 3) for number in range(100)}) > 90


def test_only_a_failed_task_is_retried():
    """Whatever its numbers are otherwise."""
    assert not is_to_be_retried(task(1, retries=3, tries=1))


def test_a_task_without_a_time_counts_as_the_oldest():
    """It can only come from outside a database."""
    assert place(Task(title="t")) == -5
    assert place(replace(Task(title="t"), created_at=at(0))) == int(at(0).timestamp() // AGEING) - 5


@settings(max_examples=30, deadline=None)
@given(queues(most=30))
def test_the_order_of_random_graphs_is_that_of_the_plain_rule(tasks):
    """At each place stands the most urgent of all tasks whose needs stand before it."""
    plain = []
    while len(plain) < len(tasks):
        ready = [one for one in tasks if one not in plain and {p.id for p in plain}.issuperset(one.after)]
        plain.append(min(ready, key=lambda one: (-one.priority, one.id)))
    assert list(SCHEDULER.order(tasks)) == plain
