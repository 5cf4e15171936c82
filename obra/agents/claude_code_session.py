"""ClaudeCodeSession: the turns of one task, over as many programs as that takes, wherever they run."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from obra.agents.claude_code import ClaudeCodeSettings, Launch, failure_of, reply_of
from obra.agents.claude_code_control import interrupt_line
from obra.agents.conversation import Conversation, StreamEnded, TurnClock
from obra.agents.wire import Wire
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed
from obra.events import AgentEventSink
from obra.monitoring.event_lines import amount_of
from obra.monitoring.output_monitor import OutputMonitor
from obra.plugins import PermissionDecider

_EXIT_SECONDS = 10.0  # how long an exit code may take to be known after the output has ended


class Program(Protocol):
    """A started Claude Code."""

    @property
    def wire(self) -> Wire:
        """The conversation with it."""
        ...

    def is_alive(self) -> bool:
        """Tell whether it can take another prompt."""
        ...

    def exit_code(self, seconds: float) -> int | None:
        """Wait at most *seconds* for its end; ``None`` when it has not ended."""
        ...

    def end(self, *, hopeless: bool) -> None:
        """End it softly, with *hopeless* quickly, and then all that it started; its input has ended."""
        ...


Start = Callable[[Launch, str], Program]
"""Starts a program that obeys the launch; it resumes the session with that id, or begins it where it is new."""


class _Unheard(Exception):  # no failure: another program is started
    """The program was ending when the prompt came."""


class ClaudeCodeSession:
    """Sends prompts; starts a program when there is none, or none that obeys the limits of the turn.

    Attributes:
        id: id of the session; chosen here, so that it is known before the first prompt.
        program: the program that runs, if one does.
        on_permission: decides over the tool calls that policy does not allow; without it they are denied.
    """

    def __init__(self, settings: ClaudeCodeSettings, start: Start, *, section: str = "agent.local") -> None:
        """Prepare; nothing runs before the first prompt. *section* is where *settings* stand, for messages."""
        self.renew()
        self.program: Program | None = None
        self.on_permission: PermissionDecider | None = None
        self._settings = settings
        self._section = section
        self._start = start
        self._monitor = OutputMonitor()
        self._launch: Launch | None = None
        self._spent_usd = 0.0  # by this program
        self._total_usd = 0.0  # as the last result told it
        self._is_turning = False
        self._is_closed = False

    def send(self, prompt: str, limits: TurnLimits, on_event: AgentEventSink | None) -> Reply:
        """Run one turn.

        Raises:
            AgentTimeout: the start, a silence or the turn took too long; the program is gone.
            AgentUnavailable: it cannot be started, or cannot use its model API.
            AgentCrashed: it ended, or failed, before the turn was complete.
        """
        self._is_turning = True
        try:
            return self._send(prompt, limits, on_event)
        except _Unheard:  # it ended of itself just now: as if it had a moment earlier
            return self._send(prompt, limits, on_event)
        finally:
            self._is_turning = False

    def go_on(
        self,
        program: Program,
        *,
        skip: int,
        answered: Collection[str],
        limits: TurnLimits,
        on_event: AgentEventSink | None,
    ) -> Reply:
        """Run a turn to its end that another process began with *program*.

        Args:
            program: it; its wire gives all that it ever printed.
            skip: bytes of that which belong to turns before.
            answered: ids of its requests that were answered.
            limits: what is left for the turn.
            on_event: told what the turn does, from its beginning.

        Raises:
            AgentError: as in :meth:`send`.
        """
        self.program, self._monitor, self._launch = program, OutputMonitor(), None

        def talk(conversation: Conversation, clock: TurnClock) -> str:
            conversation.skip(skip, clock.ready)
            self._note_total(self._monitor.results)
            return conversation.go_on(answered, clock, on_event)

        self._is_turning = True
        try:
            return self._turn(program, limits, talk)
        finally:
            self._is_turning = False

    def renew(self) -> None:
        """Begin another conversation with the next prompt."""
        self.id = str(uuid.uuid4())

    def close(self) -> None:
        """End the program, in a turn of another thread too, which then fails; no further one is started."""
        self._is_closed = True
        self.end(in_turn=self._is_turning)

    def _send(self, prompt: str, limits: TurnLimits, on_event: AgentEventSink | None) -> Reply:
        return self._turn(
            self._running(limits), limits, lambda conversation, clock: conversation.turn(prompt, clock, on_event)
        )

    def _turn(self, program: Program, limits: TurnLimits, talk: Callable[[Conversation, TurnClock], str]) -> Reply:
        settings, started = self._settings, time.monotonic()
        clock = TurnClock.of(
            ready=settings.timeout_ready,
            idle=settings.timeout_response,
            total=settings.timeout,
            limits=limits,
        )
        limit = None
        try:
            limit = talk(Conversation(program.wire, self._monitor, self.on_permission), clock)
        except StreamEnded as ended:
            if ended.unheard:
                raise _Unheard from None
            raise self._crashed(program) from None
        finally:
            self.id = self._monitor.session or self.id
            if limit is None or limit:  # broken off, by whatever; or background tasks still run
                self.end(in_turn=limit is None)
        return self._finish(time.monotonic() - started, limit)

    def end(self, *, in_turn: bool = False) -> None:
        """End the program as softly as it lets us, and everything that it left behind."""
        program, self.program = self.program, None
        if program is None:
            return
        if in_turn:
            program.wire.send(interrupt_line())
        program.wire.close_input()
        # Hopeless: not even the interrupt helped, or it would wait for its background tasks.
        program.end(hopeless=bool(self._monitor.tasks) or (in_turn and not self._monitor.has_answered))

    def _running(self, limits: TurnLimits) -> Program:
        serves = self._launch is not None and self._launch.serves(self._settings, limits, self._spent_usd)
        if self.program is not None and serves and self.program.is_alive():
            return self.program
        self.end()
        self._monitor = OutputMonitor()
        self._spent_usd = 0.0
        self._launch = Launch.of(self._settings, limits)
        program = self.program = self._start(self._launch, self.id)
        if self._is_closed:  # while it was started
            self.end()
            raise AgentCrashed("the agent was cleaned up before its turn began")
        return program

    def _finish(self, seconds: float, limit: str) -> Reply:
        """Turn the results of a complete turn into the reply or the error that they stand for."""
        results = self._monitor.results
        reply = reply_of(results, seconds=seconds, total_before_usd=self._total_usd)
        self._spent_usd += reply.cost_usd or 0.0
        self._note_total(results)
        failure = failure_of(results, section=self._section)
        if failure is None:
            return dataclasses.replace(reply, limit=limit) if limit else reply
        if not self._monitor.model:  # it never began: there is no such session to resume
            self.renew()
            self.end()
        raise failure

    def _note_total(self, results: Sequence[Mapping[str, Any]]) -> None:
        total = amount_of(results[-1].get("total_cost_usd")) if results else None
        self._total_usd = self._total_usd if total is None else total

    def _crashed(self, program: Program) -> AgentCrashed:
        code = program.exit_code(_EXIT_SECONDS)
        how = "closed its output" if code is None else f"ended with exit code {code}"
        last = self._monitor.last
        seen = f"last seen: {last.kind} {last.text!r}" if last else "it printed nothing"
        errors = program.wire.errors()[-1000:]
        return AgentCrashed(
            f"Claude Code {how} before the turn was complete ({seen}). "
            + (f"Its last words: {errors}" if errors else "Its standard error was empty.")
        )
