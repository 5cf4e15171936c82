"""Steering: what people ask of a task while it runs, from whatever terminal, and how the loop obeys.

All of it travels through the state database (:meth:`obra.state.state_manager.StateManager.ask`). The loop looks
between two steps. A thread of its own looks twice a second, so that a stop is obeyed in the middle of a step as
well: in the main thread, the loop is broken off as by Ctrl-C, and with it the agent's turn, a check or a review; a
loop in another thread stops behind the step under way. A pause never breaks off a turn.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from obra.domain import Action, Control, ControlAct, Decision
from obra.errors import StateError
from obra.events import Observer, Steered
from obra.logbook import logger
from obra.task_run import TaskRun

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

_LOOK_SECONDS = 0.5
"""Between two looks while a step takes long; well under the two seconds in which a run obeys."""
_PAUSED_LOOK_SECONDS = 0.1
_REFUSED = "refused: "
_IDLE_LOOKS = 20
"""Looks without any run behind which the thread ends; to start it for each run costs as much as a short step."""


class Stopped(KeyboardInterrupt):
    """Breaks off the loop when a person asked for that; what holds for Ctrl-C holds for it."""


class Steering:
    """What is asked of one run. It listens while it is entered; use it in the thread that runs the loop."""

    def __init__(
        self, run: TaskRun, state: StateManager, tell: Observer, *, meanwhile: Callable[[], None] | None = None
    ) -> None:
        """Take the run to steer, where requests stand, who hears of them, and what else each look is good for.

        What was asked of earlier runs is over, but for messages that no prompt has shown yet.
        """
        self._run, self._state, self._tell, self._meanwhile = run, state, tell, meanwhile
        known = state.controls(run.task.id)
        self._seen = known[-1].id if known else 0
        self._messages = [one for one in known if one.act is ControlAct.SAY and not one.effect]
        self._shown: list[Control] = []
        self._pause: Control | None = None
        self._stop: Control | None = None
        self._override = next((one for one in reversed(known) if self._still_decides(one)), None)
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._is_armed = False
        self._before: Callable[[int, FrameType | None], Any] | int | None = None
        self._has_failed = False
        self._is_fresh = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGUSR1, self._break_off)
            self._is_armed = True
        self._loop_thread = threading.get_ident()
        _lookout.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()
        _lookout.remove(self)
        with self._lock:  # a look that is under way comes to its end
            self._over.set()
        if self._before is not None:
            signal.signal(signal.SIGUSR1, self._before)

    # --- what the loop asks

    @property
    def why(self) -> str:
        """Who stopped the run, and why, for the task's record."""
        by = self._stop.by if self._stop else "a person"
        return f"stopped by {by}" + (f": {self._stop.text}" if self._stop and self._stop.text else "")

    def finish(self) -> None:
        """The work is done: a stop that comes now comes too late to break anything off."""
        self._is_armed = False

    @property
    def seen(self) -> int:
        """Id of the newest request that is heard."""
        return self._seen

    def hear(self, controls: Iterable[Control]) -> None:
        """Take what was asked up to this moment, behind :attr:`seen`: the next step needs no look of its own."""
        with self._lock:
            for control in controls:
                if control.id > self._seen:
                    self._seen = control.id
                    self._hear(control)
        self._is_fresh = True

    def look(self) -> None:
        """Hear what was asked until now."""
        with self._lock:
            if not self._over.is_set():
                self.hear(self._state.controls(self._run.task.id, after=self._seen))
                self._is_fresh = False

    def messages(self) -> tuple[str, ...]:
        """Return what people had said by the last look; it counts as shown as soon as the next step begins."""
        with self._lock:
            self._shown += self._messages
            told = tuple(f"{one.text.strip()}" for one in self._messages)
            self._messages = []
        return told

    def between_steps(self, *, after_decision: Decision | None = None) -> None:
        """Do what was asked: wait while the run is paused, however long; that time counts against no limit.

        Raises:
            Stopped: a person asked for it.
        """
        if not self._is_fresh:
            self.look()
        self._is_fresh = False
        while self._shown:
            self._done(self._shown.pop(0), f"shown in the prompt of attempt {self._run.number}")
        self._obey_stop()
        if self._pause is not None:
            self._wait(self._pause, after_decision)

    def settled(self, decision: Decision) -> Decision:
        """Return *decision*, which Obra has just made, or what a person decided about this attempt instead.

        Raises:
            Stopped: a person asked for it.
        """
        self._is_fresh = False
        self.between_steps(after_decision=decision)
        asked, self._override = self._override, None
        if asked is None:
            return decision
        if asked.attempt_number != self._run.number:
            self._done(
                asked, f"{_REFUSED}it was about attempt {asked.attempt_number}, which is not the one decided then"
            )
            return decision
        if asked.action in (Action.RETRY, Action.CLARIFY) and self._run.left <= 0:
            self._run.iterations += 1  # whoever decides so wants another attempt
        made = overridden(decision, asked)
        if not asked.effect:  # else a process that died before it recorded this attempt has said so
            self._done(asked, f"decided attempt {self._run.number}: {made.action} instead of {decision.action}")
        return made

    # --- how it listens

    def look_meanwhile(self) -> None:
        """Look while a step takes long, and break it off when that was asked; what fails is logged once."""
        if self._meanwhile is not None:
            self._meanwhile()
        try:
            self.look()
        except StateError as error:
            if not self._has_failed:
                logger.warning("task %d cannot be steered for now: %s", self._run.task.id, error)
            self._has_failed = True
            return
        self._has_failed = False
        with self._lock:
            if self._stop is not None and self._is_armed and not self._over.is_set():
                signal.pthread_kill(self._loop_thread, signal.SIGUSR1)

    def _break_off(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_armed and self._stop is not None:
            self._is_armed = False  # once is enough: what follows must come to its end
            raise Stopped

    def _hear(self, control: Control) -> None:
        match control.act:
            case ControlAct.PAUSE if self._pause is None:
                self._pause = control
            case ControlAct.PAUSE:
                self._state.obey(control, f"{_REFUSED}a pause was asked for already")
            case ControlAct.RESUME:
                if self._pause is None:
                    self._state.obey(control, f"{_REFUSED}the run was not paused")
                else:
                    self._pause = None
                    self._state.obey(control, "goes on")
            case ControlAct.STOP:
                self._stop = control
            case ControlAct.SAY:
                self._messages.append(control)
            case ControlAct.OVERRIDE:
                if self._override is not None:
                    self._state.obey(self._override, f"{_REFUSED}a later one took its place")
                self._override = control
        self._tell(Steered(task_id=control.task_id, number=self._run.number, control=control))

    def _still_decides(self, asked: Control) -> bool:
        """Tell whether an earlier run left an override of the attempt at which this one goes on.

        It was obeyed in vain where the process died before that attempt was recorded.
        """
        is_open = asked.act is ControlAct.OVERRIDE and not asked.effect.startswith(_REFUSED)
        return is_open and asked.attempt_number == self._run.number

    def _obey_stop(self) -> None:
        if self._stop is not None:
            self._is_armed = False
            raise Stopped

    def _wait(self, asked: Control, decision: Decision | None) -> None:
        where = f"attempt {self._run.number}"
        if decision is not None:
            where += f", about to {decision.action}: {decision.reason}"
        self._done(asked, f"waits in {where}")
        began = time.monotonic()
        while self._pause is not None:
            self._over.wait(_PAUSED_LOOK_SECONDS)
            self.look()
            self._obey_stop()
        self._run.started += time.monotonic() - began

    def _done(self, control: Control, effect: str) -> None:
        done = self._state.obey(control, effect)
        self._tell(Steered(task_id=control.task_id, number=self._run.number, control=done))


class _Lookout:
    """The one thread of this process that looks while steps take long, for every run that listens."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin anew: a forked child has no thread, and none of its parent's runs."""
        self._lock = threading.Lock()
        self._listening: list[Steering] = []
        self._is_watching = False

    def add(self, steering: Steering) -> None:
        """Look for *steering*, too; the thread is started with the first run of this process."""
        with self._lock:
            self._listening.append(steering)
            if not self._is_watching:
                self._is_watching = True
                threading.Thread(target=self._watch, name="obra-steering", daemon=True).start()

    def remove(self, steering: Steering) -> None:
        """Look for it no more."""
        with self._lock:
            self._listening.remove(steering)

    def _watch(self) -> None:
        idle = 0
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                listening = tuple(self._listening)
                idle = 0 if listening else idle + 1
                if idle > _IDLE_LOOKS:
                    self._is_watching = False
                    return
            for steering in listening:
                steering.look_meanwhile()


_lookout = _Lookout()


def overridden(decision: Decision, asked: Control) -> Decision:
    """Return what a person decided instead of *decision*, which stays in the inputs with who, when and why."""
    action = asked.action or decision.action  # the state room refuses an override without one
    again = action in (Action.RETRY, Action.CLARIFY)
    feedback = "\n".join(filter(None, (decision.feedback, f"A person decided: {asked.text}"))) if again else ""
    told = {
        "by": asked.by,
        "reason": asked.text,
        "action": action.value,
        "instead_of": decision.action.value,
        "instead_of_reason": decision.reason,
        "at": asked.at.isoformat() if asked.at else "",
    }
    return replace(
        decision,
        action=action,
        reason=f"{asked.by} decided, not Obra: {asked.text}",
        feedback=feedback,
        breakpoint=decision.breakpoint if action is Action.ESCALATE else None,
        inputs={**decision.inputs, "override": told},
    )
