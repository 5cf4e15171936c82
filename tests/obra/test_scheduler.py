import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import Task, TaskStatus
from obra.errors import StateError
from obra.scheduler import TaskScheduler, circle

STATUSES = st.sampled_from(list(TaskStatus))


def task(number, *after, priority=5, status=TaskStatus.PENDING):
    """A task with an id, what it waits for, and a status."""
    return Task(id=number, title=f"task {number}", after=after, priority=priority, status=status)


@st.composite
def dags(draw):
    """Tasks that wait only for tasks made before them, under shuffled ids."""
    ids = draw(st.permutations(range(1, draw(st.integers(0, 8)) + 1)))
    tasks = []
    for place, number in enumerate(ids):
        after = draw(st.lists(st.sampled_from(ids[:place]), unique=True)) if place else []
        tasks.append(task(number, *after, priority=draw(st.integers(0, 3)), status=draw(STATUSES)))
    return tasks


def test_nothing_to_do():
    """Without tasks there is no next one."""
    assert TaskScheduler().next_task([]) is None


def test_higher_priority_goes_first():
    """Priority counts before age."""
    assert TaskScheduler().next_task([task(1), task(2, priority=9)]).id == 2


def test_the_older_of_equals_goes_first():
    """Among equals the lowest id is next, wherever it stands in the list."""
    assert TaskScheduler().next_task([task(3), task(1), task(2)]).id == 1


def test_waits_for_what_must_come_before():
    """A task of high priority still waits for one that is not completed."""
    waiting = task(1, 2, priority=9)
    assert TaskScheduler().next_task([waiting, task(2)]).id == 2
    assert TaskScheduler().next_task([waiting, task(2, status=TaskStatus.COMPLETED)]).id == 1
    assert TaskScheduler().next_task([waiting, task(2, status=TaskStatus.ESCALATED)]) is None


def test_completed_work_holds_nobody_up():
    """An urgent task behind a completed one of low priority goes before an older one."""
    tasks = [task(1, priority=0), task(2, priority=0, status=TaskStatus.COMPLETED), task(3, 2, priority=3)]
    assert TaskScheduler().next_task(tasks).id == 3


def test_an_interrupted_task_is_taken_up_again():
    """Interrupted work counts as work to do; running and ended work does not."""
    assert TaskScheduler().next_task([task(1, status=TaskStatus.INTERRUPTED)]).id == 1
    for status in set(TaskStatus) - {TaskStatus.PENDING, TaskStatus.INTERRUPTED}:
        assert TaskScheduler().next_task([task(1, status=status)]) is None


def test_a_circle_is_shown():
    """Tasks that wait for each other are an error that draws the circle, without the task that leads into it."""
    tasks = [task(1, 2), task(2, 3), task(3, 4), task(4, 2), task(5)]
    with pytest.raises(StateError, match=r"2 -> 3 -> 4 -> 2;"):
        TaskScheduler().next_task(tasks)


def test_a_task_that_waits_for_itself_is_a_circle():
    """The smallest circle is found too."""
    with pytest.raises(StateError, match="1 -> 1"):
        TaskScheduler().order([task(1, 1)])


def test_an_unknown_dependency_is_named():
    """A dependency that does not exist is an error that names both ends and what exists."""
    with pytest.raises(StateError, match=r"task 1 \('task 1'\) waits for task 7.*may name: 1, 2"):
        TaskScheduler().order([task(1, 7), task(2)])


@given(dags())
def test_order_respects_every_dependency(tasks):
    """Each task stands once in the order, behind everything it waits for."""
    order = [found.id for found in TaskScheduler().order(tasks)]
    assert sorted(order) == sorted(found.id for found in tasks)
    for found in tasks:
        assert all(order.index(needed) < order.index(found.id) for needed in found.after)


@given(dags())
def test_next_is_the_best_that_can_run(tasks):
    """The next task can run, and no other that can run has a higher priority, or the same and a lower id."""
    done = {found.id for found in tasks if found.status is TaskStatus.COMPLETED}
    able = [
        found
        for found in tasks
        if found.status in {TaskStatus.PENDING, TaskStatus.INTERRUPTED} and done.issuperset(found.after)
    ]
    following = TaskScheduler().next_task(tasks)
    if not able:
        assert following is None
    else:
        assert following.id == min(able, key=lambda found: (-found.priority, found.id)).id


def test_nothing_that_waits_in_a_row_is_a_circle():
    """Without a circle there is no path; what only leads into one is not part of it."""
    assert circle({"a": ["b"], "b": ["c"], "c": []}) == []
    assert circle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
