"""Worker: one process that takes cases, one at a time, and runs each in its main thread.

In the main thread, since that is where Python can be interrupted: a case that is cancelled, or lost to another
worker, ends as by Ctrl-C, its agent with it. A second thread beats, watches over the case, and sees to the work of
dead workers. The queue's own threads only wait for the main one.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from obra.domain import Record
from obra.errors import LeaseLost, RemoteRunFailed, ScaleError
from obra.scale.case_end import CaseEnd, Ending, ending_of, worn_out
from obra.scale.interruption import Interruption
from obra.scale.port import Claim, DurableQueue
from obra.scale.register import Register
from obra.scale.roll import Roll, new_worker_id

STOP_SECONDS = 20.0
"""Seconds that a stopped case may take to end its agent; then this process ends, and its guard ends the agent."""
_LOOK = 0.1
"""Seconds between two looks of the main thread at whether it is to end."""
T = TypeVar("T")

_SILENCE = 1 / 2
"""The part of its lease that a worker may be silent for; see :class:`Worker`."""
_BEATS = 8
"""At least so many beats fit into a lease, so that one that is late does no harm."""
_PAUSE = 0.5
"""Seconds between two tries to write the end of a case while the database is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd(Record):
    """How a worker ended: how many cases it brought to an end, and, when it was given up or broken off, why."""

    done: int
    broken_off: str = ""


@dataclass(slots=True)
class _Job:
    """A claim, and the queue's thread that waits for its end."""

    claim: Claim
    is_over: threading.Event = field(default_factory=threading.Event)
    end: CaseEnd = field(default_factory=lambda: CaseEnd(Ending.LOST))


class Worker:
    """One worker; made and run once, in the main thread.

    A case goes on elsewhere within its dead worker's lease, where another worker is free: that worker is given up
    when it was silent for half of the lease, the others look at least eight times in a lease, so that by five
    eighths its case waits for them, and the rest is for taking it (``scale.polling``) and for bringing its files.
    ``python tests/bench/workers.py --kills 20`` measures it.

    Args:
        cases: the queue.
        register: what the cases are, and what became of them.
        roll: who lives.
        run_case: runs a claim and returns its row.
        store_row: stores a row and returns its reference.
        tell: told in sentences what happens.
        lease: seconds within which its case goes on elsewhere when this worker dies.
        beat: seconds between two signs of life; shorter where the lease asks for it.
        takeovers: how often a case goes on after a worker was lost with it.
    """

    def __init__(
        self,
        cases: DurableQueue,
        register: Register,
        roll: Roll,
        *,
        run_case: Callable[[Claim], dict[str, Any]],
        store_row: Callable[[Claim, dict[str, Any]], str],
        tell: Callable[[str], None],
        lease: float,
        beat: float,
        takeovers: int,
    ) -> None:
        self.id = new_worker_id()
        self._queue, self._register, self._roll = cases, register, roll
        self._run_case, self._store_row, self._tell = run_case, store_row, tell
        self._lease, self._silence, self._beat = lease, lease * _SILENCE, min(beat, lease / _BEATS)
        self._takeovers = takeovers
        self._jobs: queue.Queue[_Job] = queue.Queue()
        self._interruption = Interruption()
        self._draining = self._has_told = False
        self._gone = threading.Event()
        self._broken_off = ""
        self._claim: Claim | None = None
        self._done = 0

    def stop(self) -> None:
        """Take no more cases and finish the one under way; called again, break that off and leave it to others."""
        # before anything is told: whoever reads that, and asks once more, interrupts this very call
        was_told, self._draining = self._draining, True
        if was_told:
            self._break_off("it was told to stop at once")
        else:
            self._tell_what_is_finished()

    def _tell_what_is_finished(self) -> None:
        """Tell it once: a case may be ours in the register a moment before the main thread hears of it."""
        if self._claim is not None and not self._has_told:
            self._has_told = True
            self._tell(
                f"finishing {self._claim.id}, then ending; once more breaks it off, and others go on with it"
            )

    def run(self, *, until_idle: bool = False) -> WorkerEnd:
        """Work until :meth:`stop`, or, with *until_idle*, until no case waits or runs anywhere.

        Whoever gets an end with ``broken_off`` must end the process at once: threads of the queue wait for ever.
        """
        self._queue.workers_at_work()  # opens the queue first: that may take longer than a short lease
        self._roll.join(self.id, lease=self._silence)
        watch = threading.Thread(target=self._watch, name="obra-worker-watch", daemon=True)
        watch.start()
        try:
            self._serve(until_idle=until_idle)
        except BaseException as error:
            self._break_off(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._gone.set()
            watch.join(self._lease)
            self._leave()
        return WorkerEnd(done=self._done, broken_off=self._broken_off)

    def _leave(self) -> None:
        try:
            self._roll.leave(self.id, has_left_work=bool(self._broken_off))
        except ScaleError as error:
            self._tell(f"worker {self.id} cannot leave the roll; the others give it up in time: {error}")

    def _serve(self, *, until_idle: bool) -> None:
        self._queue.serve(self.id, self._handle)
        while not (self._draining or self._broken_off or (until_idle and self._is_idle())):
            self._work_off()
        stopping = threading.Thread(target=self._queue.stop, name="obra-worker-stop", daemon=True)
        stopping.start()
        while stopping.is_alive() and not self._broken_off:
            self._work_off()

    # --- in the main thread

    def _work_off(self) -> None:
        try:
            job = self._jobs.get(timeout=_LOOK)
        except queue.Empty:
            return
        self._claim = job.claim
        if self._draining:
            self._tell_what_is_finished()
        try:
            job.end = self._work_on(job.claim)
        finally:
            self._claim = None
            job.is_over.set()

    def _work_on(self, claim: Claim) -> CaseEnd:
        try:
            with self._interruption.possible(claim):
                row = self._run_case(claim)
                end = CaseEnd(
                    Ending.DONE, result=row["result"], reason=row["reason"], row=self._store_row(claim, row)
                )
        except KeyboardInterrupt as error:
            end = CaseEnd(Ending.LOST, reason=self._interruption.reason)
            if not end.reason:  # nobody here asked for it: the case must come to an end all the same
                end = ending_of(
                    RemoteRunFailed(f"the case was broken off on its worker: {error}"), claim, self._store_row
                )
        except Exception as error:  # noqa: BLE001  # whatever broke is told as the end of this case, not of the worker
            end = ending_of(error, claim, self._store_row)
        return self._written(claim, end)

    def _written(self, claim: Claim, end: CaseEnd) -> CaseEnd:
        """Write down how a case ended, however long the database is away, unless it is not ours any more."""
        while not self._broken_off:
            try:
                if end.ending is Ending.DONE:
                    self._register.finish(claim, end.result, reason=end.reason, row=end.row)
                    self._done += 1
                    self._tell(f"{claim.id} {claim.order.case}: {end.result}")
                else:
                    self._register.require_held(claim)
            except LeaseLost as error:
                self._tell(str(error))
                return CaseEnd(Ending.LOST, reason=str(error))
            except ScaleError as error:
                self._tell(f"{claim.id}: its end cannot be written yet: {error}")
                time.sleep(_PAUSE)
                continue
            return end
        return CaseEnd(Ending.LOST, reason=self._broken_off)

    def _is_idle(self) -> bool:
        return self._jobs.empty() and self._claim is None and self._register.is_idle()

    # --- in a thread of the queue

    def _handle(self, submission: str) -> str:
        """Work a shift: have the main thread run one case after the other, until none waits or this worker stops.

        It returns nothing while a case is undecided: the queue would take that for the end of the shift. Before
        the first case and behind the last one it calls another worker when cases are left.
        """
        has_called = False
        while not self._draining:
            claim = self._surely(lambda: self._register.claim(submission, self.id))
            if claim is None:
                return "nothing waits"
            if not has_called:
                self._call_another(submission)
                has_called = True
            self._see_to(claim)
        self._call_another(submission)
        return "stopped"

    def _see_to(self, claim: Claim) -> None:
        job = _Job(claim)
        if len(claim.lost) > self._takeovers:
            job.end = self._written(claim, ending_of(worn_out(claim), claim, self._store_row))
        else:
            self._jobs.put(job)
            job.is_over.wait()
        if self._broken_off:
            threading.Event().wait()
        if job.end.ending is Ending.AGAIN:
            self._tell(f"{claim.id} is begun again: {job.end.reason}")
            time.sleep(_PAUSE)
            self._surely(lambda: self._register.let_go(claim))

    def _call_another(self, submission: str) -> None:
        if self._surely(lambda: submission in self._register.waiting()):
            try:
                self._queue.call(submission)
            except Exception as error:  # noqa: BLE001  # of whatever driver: the watch calls for what waits, too
                self._tell(f"no other worker was called to {submission}: {error}")

    def _surely(self, ask: Callable[[], T]) -> T:
        """Return what the register says, however long the database is away."""
        while True:
            try:
                return ask()
            except LeaseLost:
                threading.Event().wait()  # given up: the process is about to end, and others have its work
            except ScaleError as error:
                self._tell(f"the next case cannot be taken yet: {error}")
                time.sleep(_PAUSE)

    # --- in the thread that watches

    def _watch(self) -> None:
        heard, swept = time.monotonic(), 0.0
        while not self._gone.wait(self._beat):
            try:
                if not self._roll.beat(self.id, self._claim.id if self._claim else ""):
                    self._break_off(f"it was silent for longer than its lease of {self._lease:g} s allows")
                    continue
                heard = time.monotonic()
                self._look_after_case()
                if heard - swept > self._silence:
                    swept = heard
                    self._sweep()
                self._see_to_the_dead()
            except Exception as error:  # noqa: BLE001  # of whatever driver: a watch that ends would let the case run on
                if time.monotonic() - heard > self._silence:
                    self._break_off(f"the database was not reached for {self._silence:g} s: {error}")

    def _look_after_case(self) -> None:
        claim = self._claim
        if claim is None:
            return
        try:
            self._register.require_held(claim)
        except LeaseLost as error:  # perhaps since it came to its end: the answer may come when the next one runs
            self._interruption.stop(str(error), claim)
        if self._interruption.waiting > STOP_SECONDS:
            self._tell(f"{claim.id} does not end within {STOP_SECONDS:g} s; this worker ends with it")
            os._exit(1)

    def _see_to_the_dead(self) -> None:
        for dead in self._roll.take_dead(self.id):
            count = self._roll.remove(dead)
            self._queue.hand_over(dead)  # behind that: whoever gets the shift must find its case
            if count:
                self._tell(
                    f"worker {dead} was silent for longer than its lease allows: {count} case(s) are put back"
                )

    def _sweep(self) -> None:
        """See to work of workers that were removed and then woke, and to cases that nobody is called to.

        Whoever had to call may have died before.
        """
        for stray in self._roll.strays(self._queue.workers_at_work()):
            self._roll.add_dead(stray)
        for submission in self._register.waiting() - self._queue.called():
            self._queue.call(submission)

    def _break_off(self, reason: str) -> None:
        if not self._broken_off:
            self._broken_off = reason
            self._interruption.stop(reason)
        if self._interruption.waiting > STOP_SECONDS:
            os._exit(1)
