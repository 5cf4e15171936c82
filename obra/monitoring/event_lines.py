"""Reading the JSON lines that agents print: what all of their dialects share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from obra.domain import LARGEST_AMOUNT
from obra.events import AgentEvent, AgentEventKind

SHOWN = 300
"""Characters of a text that an event carries; events are for people, the reply has the whole text."""


def event_of(kind: AgentEventKind, text: str, *, tool: str = "", path: str = "") -> AgentEvent:
    """Return an event whose *text* is one line of at most :data:`SHOWN` characters."""
    line = " ".join(text[: 4 * SHOWN].split())
    line = line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
    return AgentEvent(kind=kind, text=line, tool=tool[:SHOWN], path=path)


def plain(value: Any) -> str:
    """Return what a person would read of *value*: a text, the texts of blocks, or JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(str(item.get("text", "")) if isinstance(item, dict) else str(item) for item in value)
    return "" if value is None else json.dumps(value)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return *value* if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """Return *value* if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def count_of(value: Any) -> int:
    """Return *value* if it is a whole number, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def amount_of(value: Any) -> float | None:
    """Return *value* if it is an amount, a finite number from 0 up, else nothing: Python's JSON knows NaN."""
    is_amount = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST_AMOUNT
    return float(value) if is_amount else None


class TurnReader(ABC):
    """What a program has said in this turn; the dialect is in the subclass. It only reads: no file, no clock.

    Attributes:
        session: id of the session, once it is known; it outlives the turn.
        text: the last words of the agent in this turn.
        turns: model calls in this turn; ``None`` while the output tells nothing about them.
        tokens_in: tokens read by the model in this turn, cached ones included; ``None`` if unknown.
        tokens_out: tokens written by it; ``None`` if unknown.
        cost_usd: dollars spent in this turn; ``None`` if unknown.
        is_complete: the program said that the turn ended well.
        limit: name of the limit that the program says has ended the turn; empty for none.
        failure: what the program says went wrong with the whole turn; empty for nothing.
        denials: tool calls that were not permitted.
        last: the last event, for error messages.
        lines: how many lines were fed in this turn.
    """

    def __init__(self) -> None:
        self.session = ""
        self.last: AgentEvent | None = None
        self.begin()

    def begin(self) -> None:
        """Forget the turn before: another prompt is about to be sent."""
        self.text = ""
        self.turns: int | None = None
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None
        self.cost_usd: float | None = None
        self.is_complete = False
        self.limit = ""
        self.failure = ""
        self.denials: tuple[str, ...] = ()
        self.lines = 0

    def feed(self, line: bytes | str) -> tuple[AgentEvent, ...]:
        """Read one line and return what it tells; whatever the line is, nothing is raised."""
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
        self.lines += 1
        if not text.strip():
            return ()
        events = tuple(self._read_line(text))
        self.last = events[-1] if events else self.last
        return events

    def last_seen(self) -> str:
        """Say what came last, for error messages."""
        return f"last seen: {self.last.kind} {self.last.text!r}" if self.last else "it printed nothing"

    @abstractmethod
    def _read_line(self, text: str) -> Iterator[AgentEvent]:
        """Yield what a line that is not empty tells; never raise."""

    def _count(self, *, tokens_in: int = 0, tokens_out: int = 0, cost_usd: float | None = None) -> AgentEvent:
        """Add what a part of the turn used up."""
        self.tokens_in = (self.tokens_in or 0) + tokens_in
        self.tokens_out = (self.tokens_out or 0) + tokens_out
        if cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + cost_usd
        cost = "" if self.cost_usd is None else f", ${self.cost_usd:g} so far"
        return event_of(AgentEventKind.USAGE, f"{tokens_in} tokens in, {tokens_out} out{cost}")


class MessageReader(TurnReader):
    """A program that prints one JSON object in each line; other lines are passed over, but told."""

    def _read_line(self, text: str) -> Iterator[AgentEvent]:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            yield from self._read(message)
        else:
            yield event_of(AgentEventKind.OTHER, f"not a message: {text}")

    @abstractmethod
    def _read(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Yield what a message tells; never raise."""


class PlainText(TurnReader):
    """A program whose output is simply its reply."""

    def begin(self) -> None:
        """Forget the turn before."""
        super().begin()
        self._said: list[str] = []

    def feed(self, line: bytes | str) -> tuple[AgentEvent, ...]:
        """Take one more line of the reply."""
        self._said.append(line.decode("utf-8", "replace") if isinstance(line, bytes) else line)
        return super().feed(line)

    def finish(self) -> None:
        """Make the reply of all that was printed, without the white space around it."""
        self.text = "\n".join(self._said).strip()

    def _read_line(self, text: str) -> Iterator[AgentEvent]:
        yield event_of(AgentEventKind.TEXT, text)
