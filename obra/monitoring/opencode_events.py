"""OpenCodeEvents: reads the lines of ``opencode run --format json`` into the one vocabulary of agent events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from obra.events import AgentEvent, AgentEventKind
from obra.monitoring.event_lines import MessageReader, amount_of, count_of, event_of, mapping, plain

_EDITS = frozenset({"write", "edit", "patch", "apply_patch"})
_SUBJECT_KEYS = ("filePath", "command", "pattern", "url", "path", "description")


class OpenCodeEvents(MessageReader):
    """What opencode has said in this turn; each step of it is one model call."""

    def _read(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        if isinstance(message.get("sessionID"), str):
            self.session = message["sessionID"]
        part = mapping(message.get("part"))
        match message.get("type"):
            case "step_start":
                if not self.turns:
                    yield event_of(AgentEventKind.START, f"session {self.session}")
                self.turns = (self.turns or 0) + 1
                self.is_complete = False
            case "text":
                self.text = plain(part.get("text"))
                yield event_of(AgentEventKind.TEXT, self.text)
            case "tool_use":
                yield from self._tool(part)
            case "step_finish":
                yield from self._step_end(part)
            case "error":
                self.failure = _reason(mapping(message.get("error")))
                yield event_of(AgentEventKind.ERROR, self.failure)
            case other:
                yield event_of(AgentEventKind.OTHER, f"{other} {plain(part.get('text'))}")

    def _tool(self, part: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """A tool is told when it is done: the call and its result come in one line."""
        tool = str(part.get("tool", ""))
        state = mapping(part.get("state"))
        given = mapping(state.get("input"))
        subject = next((given[key] for key in _SUBJECT_KEYS if isinstance(given.get(key), str)), "")
        path = given["filePath"] if isinstance(given.get("filePath"), str) else ""
        kind = AgentEventKind.FILE_EDIT if tool in _EDITS else AgentEventKind.TOOL_CALL
        yield event_of(kind, f"{tool} {subject}".strip(), tool=tool, path=path)
        error = plain(state.get("error"))
        if "permission" in error.lower():
            self.denials = (*self.denials, f"{tool} {subject}".strip())
            yield event_of(AgentEventKind.PERMISSION, f"denied: {tool} {subject}", tool=tool)
        shown = f"failed: {error}" if state.get("status") == "error" else plain(state.get("output"))
        yield event_of(AgentEventKind.TOOL_RESULT, f"{tool} {shown}", tool=tool)

    def _step_end(self, part: Mapping[str, Any]) -> Iterator[AgentEvent]:
        tokens = mapping(part.get("tokens"))
        cache = mapping(tokens.get("cache"))
        cost = amount_of(part.get("cost"))
        yield self._count(
            tokens_in=sum(count_of(one) for one in (tokens.get("input"), cache.get("read"), cache.get("write"))),
            tokens_out=count_of(tokens.get("output")) + count_of(tokens.get("reasoning")),
            cost_usd=cost or None,  # 0: it knows no price
        )
        reason = str(part.get("reason"))
        self.is_complete = reason == "stop"
        if reason == "length":
            self.limit = "max_tokens"
            yield event_of(AgentEventKind.LIMIT, "the model's answer was cut at its length")
        if reason != "tool-calls":
            yield event_of(AgentEventKind.END, reason)


def _reason(error: Mapping[str, Any]) -> str:
    data = mapping(error.get("data"))
    status = f" (status {data['statusCode']})" if data.get("statusCode") else ""
    return f"{plain(data.get('message') or error.get('name') or 'it does not say why')}{status}"
