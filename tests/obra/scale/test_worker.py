from __future__ import annotations

import signal

from obra.scale.port import Claim, Order
from obra.scale.worker import Worker


def test_a_second_signal_while_the_first_is_told_is_not_lost() -> None:
    """Who reads that the case is being finished, and asks once more, interrupts the very call that says so."""
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        if len(told) == 1:
            signal.raise_signal(signal.SIGINT)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR2)}
    try:
        worker = Worker(
            None, None, None, run_case=dict, store_row=str, tell=tell, lease=10, beat=1, takeovers=1
        )  # nothing of the queue is reached
        order = Order(case="a", scenario="a", path="a", source="", file="a", agent="mock")
        worker._claim = Claim(id="one", number=1, worker=worker.id, order=order)
        signal.signal(signal.SIGINT, lambda *_: worker.stop())
        worker.stop()
        assert worker._broken_off == "it was told to stop at once"
        assert len(told) == 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
