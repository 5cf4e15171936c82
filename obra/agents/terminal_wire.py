"""TerminalWire: an interactive program as if it spoke the lines that it prints headless.

One thread reads the terminal and the records, draws the screen and types. What is asked of it is a
:class:`obra.agents.wire.Wire`: the conversation, its time limits, its permissions and its failures are those of
pipes. When to type is read from the screen, once it has been still for a while; what was said, and that a turn is
over, from the records.
"""

from __future__ import annotations

import json
import os
import queue
import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from obra.agents.terminal_dialog import Ask, Ticks, answer_dialog, matches, trust_dialog
from obra.agents.terminal_keys import CONTROL_C, ENTER, ESCAPE, is_same, pastes, prompt_text
from obra.agents.terminal_records import TerminalRecords
from obra.agents.terminal_screen import TerminalScreen
from obra.agents.terminal_story import TerminalStory
from obra.errors import AgentCrashed
from obra.monitoring.event_lines import mapping

_TICK = 0.02
_STILL = 0.2
"""Seconds without a change on the screen after which what it shows is believed."""
_STATUS_SECONDS = 15.0  # the status line, with the cost, follows a turn's end after 0.3 s, on a busy machine 1 s
_NO_STATUS_SECONDS = 1.0  # the same for a program that has not told of any cost yet
_RECORDS_SECONDS = 15.0  # the transcript follows the end of a turn after 0.1 s, on a busy machine 1 s
_UNKNOWN_SECONDS = 4.0  # a dialog that nothing announced and that stays so long is one that we do not know
ENTER_SECONDS, _ENTER_TIMES = 1.5, 8  # after so long the prompt is sent off anew, and so often
_CLOSING_SECONDS = 0.25
_CHUNK = 64 * 1024


class TerminalWire:
    """The conversation with a program behind the terminal *master*, which it closes.

    Attributes:
        is_broken: True when the program can take no further prompt, though it may be alive.
    """

    def __init__(
        self,
        master: int,
        screen: TerminalScreen,
        records: TerminalRecords,
        *,
        budget_usd: float | None,
        enter_seconds: float = ENTER_SECONDS,
    ) -> None:
        from pexpect.fdpexpect import fdspawn

        self.is_broken = False
        os.set_blocking(master, False)
        self._master = master
        self._terminal = fdspawn(master, timeout=None)
        self._screen = screen
        self._records = records
        self._story = TerminalStory()
        self._budget_usd = budget_usd
        self._enter_seconds = enter_seconds
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._inbox: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._outbox = bytearray()
        self._prompts: queue.Queue[str] = queue.Queue()
        self._answers: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._asked = 0
        self._closing = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="obra-terminal", daemon=True)
        self._thread.start()

    def next_line(self, seconds: float) -> bytes | None:
        """Return the next message; see :class:`obra.agents.wire.Wire`."""
        line = self._lines.get(timeout=seconds) if seconds > 0 else self._lines.get_nowait()
        if line is None:
            self._lines.put(None)
        return line

    def send(self, data: bytes) -> None:
        """Take messages as the headless program does; never waits."""
        for line in data.splitlines():
            self._inbox.put(json.loads(line))

    def close_input(self) -> None:
        """Leave the program, as a person would."""
        self._closing.set()

    def errors(self) -> str:
        """Return the last lines of the screen: a terminal has no other place for errors."""
        return self._screen.last_lines()

    def close(self) -> None:
        """End the thread and close the terminal; safe to call twice."""
        self._stopping.set()
        self._thread.join()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _run(self) -> None:
        import pexpect

        life, closing = self._life(), self._close_when_asked()
        try:
            while not self._stopping.is_set():
                self._exchange()
                self._take_messages()
                self._take_records()
                next(closing)
                try:
                    next(life)
                except AgentCrashed as stuck:
                    self._give_up(str(stuck))
                    life = self._leave()
        except pexpect.EOF:
            self._take_records()
        finally:
            self._lines.put(None)

    def _exchange(self) -> None:
        """Read what the program wrote, and write as much as it takes, within one tick."""
        writing = [self._master] if self._outbox else []
        readable, writable, _ = select.select([self._master], writing, [], _TICK)
        if writable:
            try:
                del self._outbox[: os.write(self._master, self._outbox[:1024])]
            except BlockingIOError:
                pass  # there was less room than it seemed
            except OSError:
                self._outbox.clear()  # it has ended: reading tells
        if readable:
            data: Any = self._terminal.read_nonblocking(_CHUNK, 0)  # bytes, since no encoding was named
            self._screen.feed(data)

    def _take_messages(self) -> None:
        while not self._inbox.empty():
            message = self._inbox.get()
            if message.get("type") == "user":
                self._prompts.put(str(mapping(message.get("message")).get("content")))
            elif message.get("type") == "control_response":
                self._answers.put(mapping(mapping(message.get("response")).get("response")))
            elif mapping(message.get("request")).get("subtype") == "interrupt":
                self._type(ESCAPE)

    def _take_records(self) -> None:
        story = self._story
        for name, told in self._records.take_hooks():
            begun = bool(story.transcript)
            for message in story.take_hook(name, told):
                self._say(message)
            if story.transcript and not begun:
                self._records.follow(story.transcript)
        for line in self._records.take_transcript():
            for message in story.take_line(line):
                self._say(message)

    def _life(self) -> Ticks:
        """Do what is to be done, one step for each tick, for as long as the program lives."""
        yield from self._get_ready()
        while True:
            if not self._prompts.empty():
                yield from self._ask(self._prompts.get())
                yield from self._follow()
            elif self._story.is_woken:
                yield from self._follow()
            yield

    def _leave(self) -> Ticks:
        while True:
            yield

    def _get_ready(self) -> Ticks:
        screen, story = self._screen, self._story
        while not (story.session and screen.is_idle and screen.is_stable(_STILL)):
            dialog = screen.dialog()
            if dialog is not None and trust_dialog(dialog) and screen.is_stable(_STILL):
                yield from answer_dialog(screen, self._type, dialog, Ask(allowed=True))
            self._look_for_strangers()
            yield
        self._say(story.init())

    def _ask(self, prompt: str) -> Ticks:
        """Type the prompt, and send it off until the program says that it has heard it."""
        text = prompt_text(prompt)
        self._records.begin_turn()
        self._story.begin()
        self._type(pastes(text))
        typed = time.monotonic()
        while self._outbox or self._screen.changed < typed or not self._screen.is_stable(0.1):
            yield
            if time.monotonic() > typed + self._enter_seconds and not self._outbox and self._screen.is_stable(0.1):
                break
        for _ in range(_ENTER_TIMES):
            if self._screen.takes_input:
                self._type(ENTER)
            yield from self._wait(lambda: self._story.heard is not None, self._enter_seconds)
            if self._story.heard is not None:
                break
            self._look_for_strangers()
        if self._story.heard is None:
            raise AgentCrashed("Claude Code did not take the prompt that was typed into it")
        if not is_same(text, self._story.heard):
            self._type(ESCAPE)
            raise AgentCrashed(
                f"Claude Code understood another prompt than the one that was typed: {self._story.heard[:300]!r}"
            )

    def _follow(self) -> Ticks:
        """Wait for the end of the turn, answer the dialogs on the way, and tell the result."""
        story, screen = self._story, self._screen
        while not story.has_ended:  # a background task may wake it again before all is still
            while not story.has_ended:
                yield from self._look_after_it()
            yield from self._wait(lambda: story.is_complete or not story.has_ended, _RECORDS_SECONDS)
            patience = _NO_STATUS_SECONDS if story.cost_usd is None else _STATUS_SECONDS
            yield from self._wait(lambda: story.status_is_new or not story.has_ended, patience)
            yield from self._wait(lambda: screen.is_idle and screen.is_stable(_STILL), _UNKNOWN_SECONDS)
        if not screen.is_idle:  # the turn is over, but something stands where the next prompt would be typed
            self.is_broken = True
        self._is_over_budget()
        for message in story.ending():
            self._say(message)

    def _look_after_it(self) -> Ticks:
        if self._story.requests:
            yield from self._ask_for_permission()
        self._look_for_strangers()
        if self._is_over_budget():
            self._type(ESCAPE)
            self.is_broken = True  # what was broken off may stand in the box again
        yield

    def _ask_for_permission(self) -> Ticks:
        """Wait for the dialog that a hook has announced, have it decided, and type the answer."""
        story, screen = self._story, self._screen
        dialog = screen.dialog()
        if dialog is None or not screen.is_stable(_STILL):
            return
        request = next((one for one in story.requests if matches(dialog, one)), None)
        if request is None and len(story.requests) == 1:
            request = story.requests[0]
        if request is None:
            raise AgentCrashed(f"Claude Code shows a dialog for none of the tools that it asks for: {dialog.text}")
        story.requests.remove(request)
        self._asked += 1
        given = mapping(request.get("tool_input"))
        wanted = {"subtype": "can_use_tool", "tool_name": request.get("tool_name"), "input": dict(given)}
        self._say({"type": "control_request", "request_id": f"obra-{self._asked}", "request": wanted})
        while self._answers.empty() and not story.has_ended:
            yield
        if not story.has_ended:
            answer = self._answers.get()
            ask = Ask(allowed=answer.get("behavior") == "allow", reason=str(answer.get("message") or ""))
            yield from answer_dialog(screen, self._type, dialog, ask)

    def _look_for_strangers(self) -> None:
        """Say so when a dialog stays on the screen that nothing has announced."""
        dialog = self._screen.dialog()
        if dialog is not None and not self._story.requests and self._screen.is_stable(_UNKNOWN_SECONDS):
            raise AgentCrashed("Claude Code shows a dialog that Obra does not know")

    def _is_over_budget(self) -> bool:
        """Tell whether the turn has cost too much, as it was told last; if so, that is its end."""
        if self._budget_usd is None or self._story.spent_usd <= self._budget_usd:
            return False
        error = f"the turn has cost more than it was allowed, ${self._budget_usd:g}"
        self._story.broken_off("error_max_budget_usd", "budget_exhausted", error)
        return True

    def _give_up(self, reason: str) -> None:
        """End the turn with an error that shows the screen, and leave the program, whatever it would do next."""
        self.is_broken = True
        self._closing.set()
        self._story.broken_off(
            "error_during_execution", "stuck", f"{reason}. The screen:\n{self._screen.last_lines()}"
        )
        for message in self._story.ending():
            self._say(message)

    def _close_when_asked(self) -> Ticks:
        pressed = 0.0
        while True:
            if self._closing.is_set() and time.monotonic() - pressed > _CLOSING_SECONDS:
                pressed = time.monotonic()
                self._type(CONTROL_C)
            yield

    def _wait(self, is_there: Callable[[], bool], seconds: float) -> Ticks:
        end = time.monotonic() + seconds
        while not is_there() and time.monotonic() < end:
            yield

    def _type(self, keys: bytes) -> None:
        self._outbox += keys

    def _say(self, message: Mapping[str, Any]) -> None:
        self._lines.put(json.dumps(message).encode())
