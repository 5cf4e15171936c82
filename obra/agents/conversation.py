"""One turn of a stream-json conversation, under three time limits; the same for a local and a remote process."""

from __future__ import annotations

import queue
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from obra.agents.claude_code import prompt_line
from obra.agents.claude_code_control import (
    initialize_line,
    interrupt_line,
    permission_line,
    permission_request,
    refusal_line,
)
from obra.agents.wire import Wire
from obra.domain import PermissionAnswer, Record, TurnLimits
from obra.errors import AgentTimeout
from obra.events import AgentEvent, AgentEventKind, AgentEventSink
from obra.monitoring.output_monitor import OutputMonitor
from obra.plugins import PermissionDecider
from obra.workspace.ctrl_c import HEARD_WITHIN

BACKGROUND_TASKS = "background_tasks"
"""Reply.limit of a turn that was answered, while background tasks outlived its time."""
_WAKING_SECONDS = 5.0
"""How long a finished background task may take to wake the agent (0.06 s were seen)."""
_INTERRUPT_SECONDS = 2.0
NOBODY_TO_ASK = PermissionAnswer(
    allowed=False,
    reason="This is not permitted, and there is nobody who could be asked. Do the task without it.",
)
"""The answer to a tool call that policy does not allow, when the loop gives none."""
_TIME_IS_UP = PermissionAnswer(allowed=False, reason="The time for this turn is up.")


_SHOWN = 300  # characters of an event's text, as the monitor's


class StreamEnded(Exception):  # no failure by itself: the adapter knows why, and says it
    """The program's output ended before the turn was complete.

    Attributes:
        unheard: True when it had answered earlier prompts and said nothing at all to this one: it was about to end
            when the prompt came.
    """

    def __init__(self, *, unheard: bool = False) -> None:
        super().__init__()
        self.unheard = unheard


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnClock(Record):
    """Seconds: to the first line of a new process, of silence, and for the whole turn."""

    ready: float
    idle: float
    total: float

    @classmethod
    def of(cls, *, ready: float, idle: float, total: float, limits: TurnLimits) -> TurnClock:
        """Return the configured times, each shortened where *limits* asks for less."""
        return cls(
            ready=ready,
            idle=min(idle, limits.idle) if limits.idle else idle,
            total=min(total, limits.seconds) if limits.seconds else total,
        )


class Conversation:
    """Sends prompts over a wire and reads until each is answered."""

    def __init__(self, wire: Wire, monitor: OutputMonitor, decide: PermissionDecider | None = None) -> None:
        """Take the wire and its monitor; *decide* answers the agent when it asks for permission."""
        self._wire = wire
        self._monitor = monitor
        self._decide = decide or (lambda _: NOBODY_TO_ASK)
        self._waited = 0.0
        self._answered: Collection[str] = ()

    def turn(self, prompt: str, clock: TurnClock, on_event: AgentEventSink | None) -> str:
        """Send *prompt* and read until nothing is in flight; the results then stand in the monitor.

        Returns:
            ``""``, or :data:`BACKGROUND_TASKS` when time ran out after an answer, while background tasks went on.

        Raises:
            AgentTimeout: a time limit passed before there was any answer. The turn has been told to break off.
            StreamEnded: the output ended first.
        """
        monitor = self._monitor
        fresh = monitor.lines == 0
        try:
            self._drain(on_event)
        except StreamEnded:
            raise StreamEnded(unheard=not fresh) from None
        monitor.begin()
        if fresh:
            self._wire.send(initialize_line())
        self._wire.send(prompt_line(prompt))
        return self._until_settled(clock, on_event, fresh=fresh)

    def skip(self, size: int, seconds: float) -> None:
        """Read the first *size* bytes of the output, of turns that are over; what they ask was answered.

        Raises:
            StreamEnded: they do not come within *seconds* each.
        """
        seen = 0
        while seen < size:
            try:
                line = self._wire.next_line(seconds)
            except queue.Empty:
                line = None
            if line is None:
                raise StreamEnded
            seen += len(line) + 1
            self._monitor.feed(line)
        self._monitor.take_requests()

    def go_on(self, answered: Collection[str], clock: TurnClock, on_event: AgentEventSink | None) -> str:
        """Read a turn whose prompt another process has sent, from its beginning to its end, as :meth:`turn` does.

        *answered* are the ids of the requests that the other process has answered.
        """
        self._answered = answered
        self._monitor.begin()
        return self._until_settled(clock, on_event, fresh=False)

    def _until_settled(self, clock: TurnClock, on_event: AgentEventSink | None, *, fresh: bool) -> str:
        monitor = self._monitor
        before = monitor.lines
        begun = heard = time.monotonic()
        while not monitor.is_settled:
            now = time.monotonic() - self._waited
            name, left = self._most_urgent(clock, begun, heard, now, fresh=fresh and monitor.lines == 0)
            try:
                has_read = left > 0 and self._read_one(min(left, HEARD_WITHIN), on_event)
            except StreamEnded:
                raise StreamEnded(unheard=not fresh and monitor.lines == before) from None
            if has_read:
                heard = time.monotonic() - self._waited
            elif time.monotonic() - self._waited - now >= left:
                return self._time_is_up(name, clock, time.monotonic() - begun, on_event)
        return ""

    def _most_urgent(
        self, clock: TurnClock, begun: float, heard: float, now: float, *, fresh: bool
    ) -> tuple[str, float]:
        """Return which limit passes first, and in how many seconds."""
        limits = {"total": begun + clock.total - now, "idle": heard + clock.idle - now}
        if fresh:
            limits["ready"] = begun + clock.ready - now
        if self._monitor.has_answered and not self._monitor.tasks:
            limits["waking"] = heard + _WAKING_SECONDS - now
        name = min(limits, key=lambda item: limits[item])
        return name, limits[name]

    def _time_is_up(self, name: str, clock: TurnClock, seconds: float, on_event: AgentEventSink | None) -> str:
        monitor = self._monitor
        if monitor.has_answered:
            return BACKGROUND_TASKS if monitor.tasks else ""
        said = f"last seen: {monitor.last.kind} {monitor.last.text!r}" if monitor.last else "it printed nothing"
        self._decide = lambda _: _TIME_IS_UP
        self._wire.send(interrupt_line())
        if monitor.lines:
            self._wait_for_answer(on_event)
        reason = {
            "ready": f"did not print a line within {clock.ready:g} s of its start; raise timeout_ready",
            "idle": f"was silent for {clock.idle:g} s; raise timeout_response when its tools take that long",
            "total": f"was not done after {clock.total:g} s; raise the time limit of the turn",
        }[name]
        errors = f"; its last words: {self._wire.errors()[-500:]}" if self._wire.errors() else ""
        raise AgentTimeout(f"Claude Code {reason} ({seconds:.1f} s into the turn; {said}{errors})")

    def _wait_for_answer(self, on_event: AgentEventSink | None) -> None:
        """Give a turn that was interrupted the time to say its last words."""
        end = time.monotonic() + _INTERRUPT_SECONDS
        try:
            while not self._monitor.has_answered and (left := end - time.monotonic()) > 0:
                self._read_one(left, on_event)
        except StreamEnded:
            return

    def _drain(self, on_event: AgentEventSink | None) -> None:
        """Read what came since the last turn, so that it is not taken for an answer to the next prompt."""
        while self._read_one(0.0, on_event):
            continue

    def _read_one(self, seconds: float, on_event: AgentEventSink | None) -> bool:
        """Feed the next line to the monitor; return False when none came in time."""
        try:
            line = self._wire.next_line(seconds)
        except queue.Empty:
            return False
        if line is None:
            raise StreamEnded
        for event in self._monitor.feed(line):
            if on_event is not None:
                on_event(event)
        for message in self._monitor.take_requests():
            self._answer(message, on_event)
        return True

    def _answer(self, message: Mapping[str, Any], on_event: AgentEventSink | None) -> None:
        """Let what the agent asks be decided, and tell it; the time that takes counts against no limit."""
        if message.get("request_id") in self._answered:
            return
        request = permission_request(message)
        if request is None:
            self._wire.send(refusal_line(message))
            return
        asked = time.monotonic()
        answer = self._decide(request)
        self._waited += time.monotonic() - asked
        self._wire.send(permission_line(message, request, answer))
        if on_event is not None:
            verb = "allowed" if answer.allowed else "denied"
            text = " ".join(f"{verb}: {request.tool} {request.subject} ({answer.reason})".split())
            on_event(AgentEvent(kind=AgentEventKind.PERMISSION, text=text[:_SHOWN], tool=request.tool))
