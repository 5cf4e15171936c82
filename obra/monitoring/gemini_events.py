"""GeminiEvents: reads the lines of ``gemini --output-format stream-json`` into the one vocabulary of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from obra.events import AgentEvent, AgentEventKind
from obra.monitoring.event_lines import MessageReader, count_of, event_of, mapping, plain

_EDITS = frozenset({"write_file", "replace"})
_SUBJECT_KEYS = ("file_path", "command", "pattern", "url", "query", "dir_path")
_DENIALS = frozenset({"policy_violation", "execution_denied"})
_OUTSIDE = "Path not in workspace"
"""How it refuses a path that leads out of the workspace, which it calls a wrong parameter."""
_LIMITS = frozenset({"FatalTurnLimitedError"})


class GeminiEvents(MessageReader):
    """What Gemini CLI has said in this turn.

    It does not tell its model calls; ``turns`` is one more than the tool calls, which is what there are at the
    least as long as it makes one call at a time.
    """

    def begin(self) -> None:
        """Forget the turn before."""
        super().begin()
        self._tools: dict[str, str] = {}
        self._speaks = False

    def _read(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        kind = message.get("type")
        self._speaks = self._speaks and kind == "message"
        match kind:
            case "init":
                self.session = str(message.get("session_id", ""))
                self.turns = 1
                yield event_of(AgentEventKind.START, f"session {self.session} with {message.get('model')}")
            case "message":
                yield from self._message(message)
            case "tool_use":
                yield self._tool_call(message)
            case "tool_result":
                yield from self._tool_result(message)
            case "error":
                yield event_of(AgentEventKind.ERROR, f"{message.get('severity')}: {plain(message.get('message'))}")
            case "result":
                yield from self._result(message)
            case other:
                yield event_of(AgentEventKind.OTHER, str(other))

    def _message(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Words come in pieces; those since the last tool call are the reply."""
        if message.get("role") != "assistant":
            return
        text = plain(message.get("content"))
        self.text = self.text + text if self._speaks else text
        self._speaks = True
        yield event_of(AgentEventKind.TEXT, text)

    def _tool_call(self, message: Mapping[str, Any]) -> AgentEvent:
        self.turns = (self.turns or 1) + 1
        tool = str(message.get("tool_name", ""))
        self._tools[str(message.get("tool_id"))] = tool
        given = mapping(message.get("parameters"))
        subject = next((given[key] for key in _SUBJECT_KEYS if isinstance(given.get(key), str)), "")
        path = given["file_path"] if isinstance(given.get("file_path"), str) else ""
        kind = AgentEventKind.FILE_EDIT if tool in _EDITS else AgentEventKind.TOOL_CALL
        return event_of(kind, f"{tool} {subject}".strip(), tool=tool, path=path)

    def _tool_result(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        tool = self._tools.get(str(message.get("tool_id")), "")
        error = mapping(message.get("error"))
        if error.get("type") in _DENIALS or plain(error.get("message")).startswith(_OUTSIDE):
            self.denials = (*self.denials, tool)
            yield event_of(AgentEventKind.PERMISSION, f"denied: {tool} {plain(error.get('message'))}", tool=tool)
        shown = f"failed: {plain(error.get('message'))}" if error else plain(message.get("output"))
        yield event_of(AgentEventKind.TOOL_RESULT, f"{tool} {shown}".strip(), tool=tool)

    def _result(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        stats, error = mapping(message.get("stats")), mapping(message.get("error"))
        yield self._count(
            tokens_in=count_of(stats.get("input_tokens")), tokens_out=count_of(stats.get("output_tokens"))
        )
        self.is_complete = message.get("status") == "success"
        if str(error.get("type")) in _LIMITS:
            self.limit = "max_turns"
            yield event_of(AgentEventKind.LIMIT, plain(error.get("message")))
        elif not self.is_complete:
            self.failure = plain(error.get("message")) or "it does not say why"
            yield event_of(AgentEventKind.ERROR, self.failure)
        yield event_of(AgentEventKind.END, str(message.get("status")))
