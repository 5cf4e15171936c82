from __future__ import annotations

import signal
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from obra.errors import LeaseLost
from obra.scale.case_end import Ending
from obra.scale.port import Claim, Order
from obra.scale.worker import Worker, _Job


@pytest.fixture
def worker_of():
    """Make a worker that reaches no queue; afterwards signals are as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR2)}

    def make(tell, register=None, run_case=dict) -> tuple[Worker, Claim]:
        worker = Worker(
            None,
            register,
            None,
            run_case=run_case,
            store_row=lambda *_: "",
            tell=tell,
            lease=10,
            beat=1,
            takeovers=1,
        )
        order = Order(case="a", scenario="a", path="a", source="", file="a", agent="mock")
        return worker, Claim(id="one", number=1, worker=worker.id, order=order)

    yield make
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_second_signal_while_the_first_is_told_is_not_lost(worker_of) -> None:
    """Who reads that the case is being finished, and asks once more, interrupts the very call that says so."""
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        if len(told) == 1:
            signal.raise_signal(signal.SIGINT)

    worker, worker._claim = worker_of(tell)
    signal.signal(signal.SIGINT, lambda *_: worker.stop())
    worker.stop()
    assert worker._broken_off == "it was told to stop at once"
    assert len(told) == 1


def test_a_signal_just_before_the_main_thread_takes_a_case_is_told_with_that_case(worker_of) -> None:
    """The case is ours in the register already: others see it running, and whoever pressed Ctrl-C waits for it."""
    told: list[str] = []
    ran: list[str] = []

    def run_case(claim: Claim) -> dict[str, str]:
        ran.append(told[-1])
        return {"result": "passed", "reason": ""}

    worker, claim = worker_of(told.append, SimpleNamespace(finish=lambda *_, **__: None), run_case)
    worker.stop()
    assert told == []
    worker._jobs.put(_Job(claim))
    worker._work_off()
    finishing = "finishing one, then ending; once more breaks it off, and others go on with it"
    assert (ran, told) == ([finishing], [finishing, "one a: passed"])


def test_a_late_answer_about_a_finished_case_does_not_end_the_next_one(worker_of) -> None:
    """The database was away when the watch asked; what it says of the case before is no word about this one."""
    is_asked, is_next = threading.Event(), threading.Event()

    def require_held(claim: Claim) -> None:
        is_asked.set()
        is_next.wait()
        raise LeaseLost(f"{claim.id} is over")

    def run_case(claim: Claim) -> dict[str, str]:
        is_next.set()
        watch.join()
        return {"result": "passed", "reason": ""}

    register = SimpleNamespace(require_held=require_held, finish=lambda *_, **__: None)
    worker, worker._claim = worker_of([].append, register, run_case)
    watch = threading.Thread(target=worker._look_after_case)
    watch.start()
    is_asked.wait()
    job = _Job(replace(worker._claim, id="two"))
    worker._jobs.put(job)
    worker._work_off()
    assert job.end.ending is Ending.DONE
