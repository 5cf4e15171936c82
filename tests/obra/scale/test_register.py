"""The register and the roll: whoever comes late changes nothing."""

from __future__ import annotations

import pytest

from obra.errors import LeaseLost, NotFound
from obra.scale.address import QueueAddress
from obra.scale.port import Order
from obra.scale.register import Register
from obra.scale.roll import Roll


def an_order(**changes) -> Order:
    """An order with something in every field."""
    values = {
        "case": "a[1]",
        "scenario": "a",
        "path": "a.obra.yaml",
        "source": "sources/1.tar",
        "file": "a.obra.yaml",
    }
    return Order(**{**values, "agent": "mock", "settings": {"llm.model": ("m", "option")}, **changes})


def _roll_of(register: Register) -> str:
    return "worker" if register.database._is_file else "obra_queue.worker"


@pytest.fixture(params=["sqlite", "postgresql"])
def register(request, tmp_path):
    """A register with one submission of two cases, and two workers on the roll."""
    if request.param == "sqlite":
        address = QueueAddress(url=f"sqlite:///{tmp_path}/queue.db", file=tmp_path / "queue.db")
    else:
        address = QueueAddress(url=request.getfixturevalue("postgres").new_database(), file=None)
    made = Register(address)
    made.submit("s", "mock", {"s-1": an_order(), "s-2": an_order(case="a[2]")})
    roll = Roll(made.database)
    roll.join("w1", lease=30)
    roll.join("w2", lease=30)
    yield made
    made.close()


def test_a_claim_carries_the_order_and_only_the_newest_counts(register):
    """The old worker's task, end and hold are refused with a message that names case, worker and claim."""
    old = register.claim("s", "w1")
    assert (old.id, old.lost) == ("s-1", ())
    assert (old.order.case, old.order.settings, old.task) == ("a[1]", {"llm.model": ["m", "option"]}, None)
    register.remember_task(old, 7)
    register.let_go(old)
    new = register.claim("s", "w2")
    assert (new.id, new.number, new.task) == ("s-1", 2, 7)
    for late in (
        lambda: register.remember_task(old, 8),
        lambda: register.finish(old, "passed"),
        lambda: register.require_held(old),
    ):
        with pytest.raises(LeaseLost, match=r"s-1 \(a\[1\]\).*w1 brings for its claim 1 is late and was refused"):
            late()
    register.finish(new, "passed", row="row")
    (first, second) = register.cases("s")
    assert (first.state, first.task, first.claims, first.row, first.is_over) == ("passed", 7, 2, "row", True)
    assert (second.state, register.is_idle(), register.waiting()) == ("waiting", False, {"s"})
    assert register.claim("s", "w2").id == "s-2"
    assert (register.claim("s", "w1"), register.claim("t", "w1"), register.waiting()) == (None, None, frozenset())
    with pytest.raises(LeaseLost):
        register.finish(new, "passed")


def test_a_cancelled_case_belongs_to_nobody(register):
    """It cannot be claimed, and who works on it may not end it; what is over stays as it is."""
    claim = register.claim("s", "w1")
    assert register.cancel("s") == ("s-1", "s-2")
    assert register.cancel("s") == ()
    assert register.claim("s", "w2") is None
    with pytest.raises(LeaseLost, match="was cancelled, or another worker has it"):
        register.finish(claim, "passed")
    assert register.is_idle()
    assert register.submissions()[0].states == {"cancelled": 2}
    with pytest.raises(NotFound, match="no submission and no case is called 'x'"):
        register.cancel("x")


def test_submissions_are_counted_and_forgotten(register):
    """With how many cases stand where, by age, and with the archives that they need."""
    (one,) = register.submissions()
    assert (one.id, one.states, one.is_over) == ("s", {"waiting": 2}, False)
    assert register.submissions(older_than=3600) == ()
    assert register.sources() == {"sources/1.tar"}
    register.forget(["s"])
    assert (register.submissions(), register.sources()) == ((), frozenset())


def test_the_dead_are_taken_by_one_and_may_do_nothing(register):
    """A worker without a beat is given up; it is refused from then on, and its case waits again."""
    roll = Roll(register.database)
    assert roll.take_dead("w2") == ()
    claim = register.claim("s", "w1")
    roll.leave("w1", has_left_work=True)
    assert roll.take_dead("w2") == ("w1",)
    roll.join("w3", lease=30)
    assert roll.take_dead("w3") == ()  # w2 has it, and lives
    assert roll.take_dead("w2") == ("w1",)  # and may go on after a stumble
    assert not roll.beat("w1", "")
    with pytest.raises(LeaseLost, match="given up by the others"):
        register.claim("s", "w1")
    assert (roll.remove("w1"), roll.remove("w1")) == (1, 0)
    with pytest.raises(LeaseLost):
        register.require_held(claim)
    assert register.cases("s-1")[0].state == "waiting"
    again = register.claim("s", "w2")
    assert (again.id, again.number, again.lost) == ("s-1", 2, ("w1",))
    assert {one.id for one in roll.workers()} == {"w2", "w3"}


def test_one_who_was_frozen_in_the_middle_of_its_beat_holds_nobody_up(request, register):
    """Its row is locked, and the others are taken meanwhile; PostgreSQL takes the lock from it in the end."""
    roll = Roll(register.database)
    roll.leave("w1", has_left_work=True)
    roll.add_dead("w3")
    if "sqlite" in request.node.name:
        assert sorted(roll.take_dead("w2")) == ["w1", "w3"]
        return
    with register.database._engine.connect() as frozen:
        frozen.exec_driver_sql("SELECT 1 FROM obra_queue.worker WHERE id = 'w1' FOR UPDATE")
        assert roll.take_dead("w2") == ("w3",)
        assert frozen.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "5s"
    assert sorted(roll.take_dead("w2")) == ["w1", "w3"]


def test_who_has_work_and_stands_nowhere_is_a_stray(register):
    """One that holds a case, and one of which only the queue knows; those on the roll are none."""
    roll = Roll(register.database)
    register.claim("s", "w1")
    assert roll.strays(frozenset({"w2"})) == frozenset()
    register.database.transact(lambda connection: connection.exec_driver_sql(f"DELETE FROM {_roll_of(register)}"))
    assert roll.strays(frozenset({"w2"})) == {"w1", "w2"}


def test_a_case_whose_gift_was_not_heard_of_waits_again(register):
    """A claim that is made twice since its answer was lost leaves nothing behind that nobody works on."""
    first = register.claim("s", "w1")
    register._is_unsure = True  # as after an answer that did not come
    second = register.claim("s", "w1")
    assert (first.id, second.id, second.number) == ("s-1", "s-1", 2)
    assert [one.state for one in register.cases("s")] == ["running", "waiting"]


def test_a_survivor_that_dies_is_itself_survived(register):
    """Whom a dead worker had taken is taken by the next one."""
    roll = Roll(register.database)
    roll.leave("w1", has_left_work=True)
    roll.take_dead("w2")
    roll.leave("w2", has_left_work=True)
    roll.join("w3", lease=30)
    assert sorted(roll.take_dead("w3")) == ["w1", "w2"]
    roll.add_dead("w4")
    roll.add_dead("w4")
    assert "w4" in roll.take_dead("w3")
    assert [(one.id, one.is_alive) for one in roll.workers() if one.is_alive] == [("w3", True)]
