"""CodexEvents: reads the lines of ``codex exec --json`` into the one vocabulary of agent events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from obra.events import AgentEvent, AgentEventKind
from obra.monitoring.event_lines import MessageReader, count_of, event_of, mapping, plain, sequence

_TOOLS = {
    "command_execution": "command",
    "mcp_tool_call": "tool",
    "collab_tool_call": "tool",
    "web_search": "query",
}
"""Items that are tool calls, and the key that says about what."""


class CodexEvents(MessageReader):
    """What Codex has said in this turn.

    It does not tell its model calls; ``turns`` is one more than the tool calls, which is what there are at the
    least as long as it makes one call at a time. The usage at the end of a turn is that of the whole thread.
    """

    def __init__(self) -> None:
        self._total = (0, 0)
        super().__init__()

    def begin(self) -> None:
        """Forget the turn before, but not what the thread has used up."""
        super().begin()
        self._retry = ""

    def _read(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        kind = message.get("type")
        match kind:
            case "thread.started":
                self.session = str(message.get("thread_id", ""))
                yield event_of(AgentEventKind.START, f"thread {self.session}")
            case "turn.started":
                self.turns = 1
            case "item.started" | "item.completed" | "item.updated":
                yield from self._item(str(kind), mapping(message.get("item")))
            case "turn.completed":
                yield from self._end(mapping(message.get("usage")))
            case "turn.failed":
                self.failure = plain(mapping(message.get("error")).get("message")) or "it does not say why"
                yield event_of(AgentEventKind.END, f"failed: {self.failure}")
            case "error":
                yield event_of(AgentEventKind.ERROR, plain(message.get("message")))
            case other:
                yield event_of(AgentEventKind.OTHER, str(other))

    def _item(self, moment: str, item: Mapping[str, Any]) -> Iterator[AgentEvent]:
        kind = str(item.get("type"))
        is_start, is_end = moment == "item.started", moment == "item.completed"
        if kind in (*_TOOLS, "file_change") and is_start:
            self.turns = (self.turns or 1) + 1
        if kind == "file_change" and is_start:
            for change in map(mapping, sequence(item.get("changes"))):
                path = str(change.get("path", ""))
                text = f"{change.get('kind')} {path}"
                yield event_of(AgentEventKind.FILE_EDIT, text, tool="apply_patch", path=path)
        elif kind == "file_change" and is_end:
            yield event_of(AgentEventKind.TOOL_RESULT, f"{kind} {item.get('status')}", tool="apply_patch")
        elif kind in _TOOLS and is_start:
            yield event_of(AgentEventKind.TOOL_CALL, plain(item.get(_TOOLS[kind])), tool=kind)
        elif kind in _TOOLS and is_end:
            yield self._tool_result(kind, item)
        elif is_end and kind == "agent_message":
            self.text = plain(item.get("text"))
            yield event_of(AgentEventKind.TEXT, self.text)
        elif is_end and kind == "error":
            yield event_of(AgentEventKind.ERROR, plain(item.get("message")))
        elif is_end:
            yield event_of(AgentEventKind.OTHER, f"{kind} {plain(item.get('text'))}")

    def _tool_result(self, kind: str, item: Mapping[str, Any]) -> AgentEvent:
        status = str(item.get("status"))
        if status == "declined":
            call = f"{kind} {plain(item.get(_TOOLS[kind]))}"
            self.denials = (*self.denials, call)
            return event_of(AgentEventKind.PERMISSION, f"denied: {call}", tool=kind)
        code = item.get("exit_code")
        shown = status if code is None else f"exit {code}:"
        return event_of(AgentEventKind.TOOL_RESULT, f"{shown} {plain(item.get('aggregated_output'))}", tool=kind)

    def _end(self, usage: Mapping[str, Any]) -> Iterator[AgentEvent]:
        total = (count_of(usage.get("input_tokens")), count_of(usage.get("output_tokens")))
        before = self._total if all(new >= old for new, old in zip(total, self._total, strict=True)) else (0, 0)
        self._total = total
        yield self._count(tokens_in=total[0] - before[0], tokens_out=total[1] - before[1])
        self.is_complete = True
        yield event_of(AgentEventKind.END, "completed")
