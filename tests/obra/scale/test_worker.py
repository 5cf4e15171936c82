from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

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
