"""OutputMonitor: reads Claude Code's stream-json lines into the one vocabulary of agent events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from obra.events import AgentEvent, AgentEventKind
from obra.monitoring.event_lines import event_of, mapping, plain, sequence

_EDITS = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
_PATH_KEYS = ("file_path", "notebook_path", "path")
_SUBJECT_KEYS = (*_PATH_KEYS, "command", "pattern", "query", "url", "description", "prompt")


class OutputMonitor:
    """What a run of Claude Code has said so far. It only reads: no file, no clock, no process.

    Attributes:
        session: id of the session, once it is known.
        model: the model that the session began with, once it is known.
        results: the ``result`` messages since :meth:`begin`; background work may bring more than one.
        tasks: descriptions of the background tasks that are in flight.
        last: the last event, for error messages.
        lines: how many lines were fed.
    """

    def __init__(self) -> None:
        self.session = ""
        self.model = ""
        self.results: tuple[Mapping[str, Any], ...] = ()
        self.tasks: tuple[str, ...] = ()
        self.last: AgentEvent | None = None
        self.lines = 0
        self._tools: dict[str, str] = {}
        self._requests: list[Mapping[str, Any]] = []
        self._runs = False
        self._answered = False
        self._woken = False
        self._queued = 0

    @property
    def result(self) -> Mapping[str, Any] | None:
        """The last ``result`` message since :meth:`begin`; the earlier ones are overtaken by it."""
        return self.results[-1] if self.results else None

    @property
    def has_answered(self) -> bool:
        """True when there is a result for the prompt and the agent is not working on a later one right now."""
        return self._answered and not self._runs

    @property
    def is_settled(self) -> bool:
        """True when there is a result and nothing is in flight that would bring another one."""
        return self.has_answered and not (self.tasks or self._woken or self._queued)

    def take_requests(self) -> tuple[Mapping[str, Any], ...]:
        """Return the ``control_request`` messages that came since the last call; each waits for an answer."""
        found, self._requests = tuple(self._requests), []
        return found

    def begin(self) -> None:
        """Forget the results so far: a new prompt is about to be sent."""
        self.results = ()
        self._answered = False
        self._runs = True
        self._woken = False
        self._queued = 0
        self._tools.clear()

    def feed(self, line: bytes | str) -> tuple[AgentEvent, ...]:
        """Read one line and return what it tells; whatever the line is, nothing is raised."""
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
        self.lines += 1
        if not text.strip():
            return ()
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            return self._keep((event_of(AgentEventKind.OTHER, f"not a message: {text}"),))
        if isinstance(message.get("session_id"), str):
            self.session = message["session_id"]
        return self._keep(tuple(self._read(message)))

    def _keep(self, events: tuple[AgentEvent, ...]) -> tuple[AgentEvent, ...]:
        self.last = events[-1] if events else self.last
        return events

    def _read(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        match message.get("type"):
            case "system":
                yield self._system(message)
            case "assistant":
                yield from self._assistant(message)
            case "user":
                yield from self._tool_results(message)
            case "result":
                yield from self._result(message)
            case "rate_limit_event":
                yield event_of(AgentEventKind.LIMIT, f"rate limit: {plain(message.get('rate_limit_info'))}")
            case "control_request":
                self._requests.append(message)
                request = mapping(message.get("request"))
                text = f"asks for {request.get('subtype')} {request.get('tool_name', '')}"
                yield event_of(AgentEventKind.PERMISSION, text.strip(), tool=str(request.get("tool_name", "")))
            case "control_response":
                response = mapping(message.get("response"))
                if response.get("subtype") == "error":  # what was granted is no news
                    text = f"a control request failed: {plain(response.get('error'))}"
                    yield event_of(AgentEventKind.ERROR, text)
            case other:
                yield event_of(AgentEventKind.OTHER, str(other))

    def _system(self, message: Mapping[str, Any]) -> AgentEvent:
        subtype = str(message.get("subtype"))
        match subtype:
            case "init":
                self._runs, self._woken = True, False
                self.model = str(message.get("model", ""))
                return event_of(AgentEventKind.START, f"session {self.session} with {self.model}")
            case "api_retry":
                shown = f"attempt {message.get('attempt')} of {message.get('max_retries')}"
                why = f"{message.get('error')} (status {message.get('error_status')})"
                return event_of(AgentEventKind.ERROR, f"model API: {why}, tries again, {shown}")
            case "permission_denied":
                tool = str(message.get("tool_name", ""))
                return event_of(AgentEventKind.PERMISSION, f"denied: {tool}", tool=tool)
            case "background_tasks_changed":
                tasks = [mapping(task) for task in sequence(message.get("tasks"))]
                self.tasks = tuple(str(task.get("description") or task.get("task_id")) for task in tasks)
                return event_of(AgentEventKind.OTHER, f"background tasks in flight: {len(self.tasks)}")
            case "task_notification":
                # The agent is told with its next tool result; when none follows, it is woken for another turn.
                self._woken = True
                return event_of(AgentEventKind.OTHER, f"background task: {plain(message.get('summary'))}")
        return event_of(AgentEventKind.OTHER, subtype)

    def _assistant(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        for block in _content(message):
            kind = block.get("type")
            if kind == "text":
                yield event_of(AgentEventKind.TEXT, plain(block.get("text")))
            elif kind == "tool_use":
                yield self._tool_call(block)
            else:
                yield event_of(AgentEventKind.OTHER, str(kind))

    def _tool_call(self, block: Mapping[str, Any]) -> AgentEvent:
        tool = str(block.get("name", ""))
        given = mapping(block.get("input"))
        self._tools[str(block.get("id"))] = tool
        path = next((given[key] for key in _PATH_KEYS if isinstance(given.get(key), str)), "")
        subject = next((given[key] for key in _SUBJECT_KEYS if isinstance(given.get(key), str)), "")
        kind = AgentEventKind.FILE_EDIT if tool in _EDITS else AgentEventKind.TOOL_CALL
        return event_of(kind, f"{tool} {subject}".strip(), tool=tool, path=path)

    def _tool_results(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        self._woken = False
        for block in _content(message):
            if block.get("type") != "tool_result":
                yield event_of(AgentEventKind.OTHER, plain(block.get("text") or block.get("type")))
                continue
            tool = self._tools.get(str(block.get("tool_use_id")), "")
            outcome = "failed: " if block.get("is_error") else ""
            text = f"{tool} {outcome}{plain(block.get('content'))}".strip()
            yield event_of(AgentEventKind.TOOL_RESULT, text, tool=tool)

    def _result(self, message: Mapping[str, Any]) -> Iterator[AgentEvent]:
        self.results += (message,)
        self._runs = False
        # The result of a turn that a background task began answers no prompt, even if it comes after one.
        self._answered |= mapping(message.get("origin")).get("kind") != "task-notification"
        queued = message.get("queued_turn_count")
        self._queued = queued if isinstance(queued, int) else 0
        self._tools.clear()
        usage = mapping(message.get("usage"))
        cost = message.get("total_cost_usd")
        shown = f"{usage.get('input_tokens')} tokens in, {usage.get('output_tokens')} out, ${cost} so far"
        yield event_of(AgentEventKind.USAGE, shown)
        subtype = str(message.get("subtype"))
        if subtype.startswith("error_max_"):
            yield event_of(AgentEventKind.LIMIT, f"{subtype}: {plain(message.get('errors'))}")
        elif message.get("is_error"):
            yield event_of(AgentEventKind.ERROR, plain(message.get("result") or message.get("errors") or subtype))
        yield event_of(AgentEventKind.END, subtype)


def _content(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = mapping(message.get("message")).get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in sequence(content) if isinstance(block, Mapping)]
