"""ACPEvents: reads the messages of the Agent Client Protocol into the one vocabulary of agent events.

The protocol: https://agentclientprotocol.com/protocol/prompt-turn
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from obra.events import AgentEvent, AgentEventKind
from obra.monitoring.event_lines import MessageReader, amount_of, count_of, event_of, mapping, plain, sequence

_EDITS = frozenset({"edit", "delete", "move"})
_TOKENS_IN = ("inputTokens", "cachedReadTokens", "cachedWriteTokens")
_LIMITS = frozenset({"max_tokens", "max_turn_requests", "refusal"})
"""Reasons to stop that are no failure, and no normal end either."""


class ACPEvents(MessageReader):
    """What an agent has told its client in this turn: JSON-RPC messages, one in a line.

    The protocol does not tell model calls; ``turns`` is one more than the tool calls, which is what there are at
    the least as long as the agent makes one call at a time. The cost is told as a sum over the session.
    """

    def __init__(self) -> None:
        self._cost = 0.0
        super().__init__()

    def begin(self) -> None:
        """Forget the turn before, but not what the session has cost."""
        super().begin()
        self.turns = 1
        self._calls: dict[str, Mapping[str, Any]] = {}
        self._speaks = False
        self._cost_before = self._cost

    def _read(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        params = mapping(message.get("params"))
        match message.get("method"):
            case "session/update":
                update = mapping(params.get("update"))
                self._speaks = self._speaks and update.get("sessionUpdate") == "agent_message_chunk"
                yield from self._update(update)
            case "session/request_permission":
                call = self.known_call(mapping(params.get("toolCall")))
                tool = tool_of(call)
                yield event_of(
                    AgentEventKind.PERMISSION, f"asks for {tool}: {plain(call.get('title'))}", tool=tool
                )
            case None:
                yield from self._answer(message)
            case other:
                yield event_of(AgentEventKind.OTHER, str(other))

    def _update(self, update: Mapping[str, Any]) -> Iterator[AgentEvent]:
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                text = plain(mapping(update.get("content")).get("text"))
                self.text = self.text + text if self._speaks else text
                self._speaks = True
                if text:
                    yield event_of(AgentEventKind.TEXT, text)
            case "tool_call":
                yield from self._tool_call(update)
            case "tool_call_update" if update.get("status") in ("completed", "failed"):
                tool = tool_of(self.known_call(update))
                parts = [mapping(mapping(part).get("content")) for part in sequence(update.get("content"))]
                shown = " ".join(plain(part.get("text")) for part in parts)
                yield event_of(AgentEventKind.TOOL_RESULT, f"{tool} {update['status']} {shown}", tool=tool)
            case "usage_update":
                amount = amount_of(mapping(update.get("cost")).get("amount"))
                if amount is not None:
                    self._cost = amount
                    self.cost_usd = max(0.0, self._cost - self._cost_before)
                    yield event_of(AgentEventKind.USAGE, f"${self._cost:g} in this session so far")
            case other:
                yield event_of(AgentEventKind.OTHER, str(other))

    def _tool_call(self, update: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """A call may be told twice: when the model begins to write it, and when it is whole."""
        identity = str(update.get("toolCallId"))
        if identity not in self._calls:
            self.turns = (self.turns or 0) + 1
        self._calls[identity] = {**self._calls.get(identity, {}), **update}
        if update.get("rawInput") == {}:
            return
        tool = tool_of(update)
        path = next((str(mapping(one).get("path", "")) for one in sequence(update.get("locations"))), "")
        kind = AgentEventKind.FILE_EDIT if str(update.get("kind")) in _EDITS else AgentEventKind.TOOL_CALL
        yield event_of(kind, f"{tool}: {plain(update.get('title'))}", tool=tool, path=path)

    def known_call(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return *call* with what was told about it before; questions about a call do not repeat it all."""
        return {**self._calls.get(str(call.get("toolCallId")), {}), **call}

    def _answer(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """An answer to a request of ours; the one with a reason to stop ends the turn."""
        result = mapping(message.get("result"))
        if error := mapping(message.get("error")):
            data = plain(mapping(error.get("data")).get("details") or error.get("data"))
            self.failure = f"{plain(error.get('message'))} {data}".strip()
            yield event_of(AgentEventKind.ERROR, self.failure)
        elif reason := result.get("stopReason"):
            if usage := mapping(result.get("usage")):
                tokens_in = sum(count_of(usage.get(key)) for key in _TOKENS_IN)
                yield self._count(tokens_in=tokens_in, tokens_out=count_of(usage.get("outputTokens")))
            self.is_complete = True
            self.limit = str(reason) if str(reason) in _LIMITS else self.limit
            yield event_of(AgentEventKind.END, str(reason))


def tool_of(call: Mapping[str, Any]) -> str:
    """Return the name of the tool that is called, or at least its kind; only some agents tell names."""
    known = mapping(mapping(call.get("_meta")).get("claudeCode"))
    return str(known.get("toolName") or call.get("kind") or "other")
