"""TerminalStory: what the records of an interactive Claude Code tell, as the messages that it prints headless.

So one monitor, one set of time limits and one table of failures serve both. It only reads values: no file, no
clock, no screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from obra.agents.terminal_records import LIMIT, STATUS
from obra.monitoring.event_lines import amount_of, mapping, plain, sequence

Message = dict[str, Any]

_REFUSED = "authentication_failed"
_WOKEN = "<task-notification>"
_INTERRUPTED = "[Request interrupted by user"
_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class TerminalStory:
    """One program's story, turn by turn.

    Attributes:
        session: id of the session, once it has begun.
        transcript: path of its transcript, once it has begun.
        heard: the prompt as the program understood it; ``None`` until it did.
        requests: the questions for permission that no dialog was matched with yet.
        cost_usd: dollars of the program so far; ``None`` when it did not tell.
        spent_usd: the same since its first word about it.
        status_is_new: True when the cost was told after the turn's end.
        is_woken: True while a turn runs that a background task began.
    """

    def __init__(self) -> None:
        self.session = ""
        self.transcript = ""
        self.cost_usd: float | None = None
        self.spent_usd = 0.0
        self.is_woken = False
        self._first_cost_usd: float | None = None
        self._model = ""
        self.begin()

    def begin(self) -> None:
        """Forget the turn before: a prompt is about to be sent."""
        self.heard: str | None = None
        self.requests: list[Mapping[str, Any]] = []
        self._begin_part()

    def _begin_part(self) -> None:
        self.status_is_new = False
        self._is_told = False
        self._end: Message | None = None
        self._said = ""
        self._last_words: str | None = None
        self._is_caught_up = False
        self._usage: dict[str, Mapping[str, Any]] = {}
        self._tools: dict[str, Mapping[str, Any]] = {}
        self._denials: list[Message] = []
        self._tasks: list[Message] = []
        self._error: Mapping[str, Any] = {}

    @property
    def has_ended(self) -> bool:
        """True when the program said that the turn is over."""
        return self._end is not None

    @property
    def is_complete(self) -> bool:
        """True when, beyond that, the transcript has arrived at the end."""
        return self.has_ended and self._is_caught_up

    def init(self) -> Message:
        """Return the message that begins a session."""
        return {"type": "system", "subtype": "init", "session_id": self.session, "model": self._model or "unknown"}

    def ending(self) -> Iterator[Message]:
        """Yield the messages that end the turn, after :attr:`has_ended`."""
        yield {"type": "system", "subtype": "background_tasks_changed", "tasks": self._tasks}
        usage: dict[str, Any] = {
            name: sum(value for used in self._usage.values() if isinstance(value := used.get(name), int))
            for name in _COUNTS
        }
        result: Message = {
            "type": "result",
            "is_error": False,
            "num_turns": len(self._usage),
            "session_id": self.session,
            "permission_denials": self._denials,
            **(self._end or {}),
        }
        if self._is_caught_up:  # without the transcript's end the sum is unknown
            result["usage"] = usage
        if self.status_is_new and self.cost_usd is not None:
            result["total_cost_usd"] = self.cost_usd
        if "api_error_status" in result:
            result["api_error_status"] = self._error.get("apiErrorStatus") or result["api_error_status"]
        if self.is_woken:
            result["origin"] = {"kind": "task-notification"}
            self.is_woken = False
        self._is_told = True
        yield result

    def broken_off(self, subtype: str, reason: str, error: str) -> None:
        """End the turn for a reason that the program does not know."""
        self._end = {"subtype": subtype, "is_error": True, "terminal_reason": reason, "errors": [error]}

    def take_hook(self, name: str, told: Mapping[str, Any]) -> Iterator[Message]:
        """Read the record of a hook and yield the messages that it stands for."""
        match name:
            case "SessionStart":
                self.session = str(told.get("session_id", ""))
                self.transcript = str(told.get("transcript_path", ""))
                self._model = str(told.get("model", ""))
            case "UserPromptSubmit" if str(told.get("prompt")).startswith(_WOKEN):
                yield from self._wake()
            case "UserPromptSubmit":
                self.heard = str(told.get("prompt", ""))
            case "PermissionRequest":
                self.requests.append(told)
            case "Stop":
                self._stop(told)
            case "StopFailure":
                self._fail(told)
            case _ if name == LIMIT:
                error = f"Reached maximum number of turns ({told.get('limit')})"
                self._end = {"subtype": "error_max_turns", "is_error": True, "errors": [error]}
            case _ if name == STATUS:
                self._model = str(mapping(told.get("model")).get("id") or self._model)
                self._tell_cost(mapping(told.get("cost")).get("total_cost_usd"))

    def take_line(self, line: Mapping[str, Any]) -> Iterator[Message]:
        """Read a line of the transcript and yield the messages that it stands for."""
        if line.get("isSidechain") or line.get("isMeta"):
            return
        kind = line.get("type")
        if kind == "assistant":
            yield from self._assistant(line)
        elif kind == "user":
            yield from self._user(line)
        elif kind == "system" and line.get("subtype") == "turn_duration":
            self._is_caught_up = True
        elif kind == "system" and line.get("subtype") == "api_error":
            yield {"type": "system", "subtype": "api_retry", "error": plain(line.get("error"))}

    def _assistant(self, line: Mapping[str, Any]) -> Iterator[Message]:
        message = mapping(line.get("message"))
        texts = [str(block.get("text", "")) for block in _blocks(message) if block.get("type") == "text"]
        if line.get("isApiErrorMessage"):
            self._error = line
            self._is_caught_up = True
            return
        self._usage[str(message.get("id"))] = mapping(message.get("usage"))
        self._tools.update({str(block.get("id")): block for block in _blocks(message) if "input" in block})
        if texts:
            self._said = texts[-1]
            self._notice_end()
        yield {"type": "assistant", "session_id": self.session, "message": dict(message)}

    def _user(self, line: Mapping[str, Any]) -> Iterator[Message]:
        message = mapping(line.get("message"))
        blocks = _blocks(message)
        if any(str(block.get("text", "")).startswith(_INTERRUPTED) for block in blocks):
            self._is_caught_up = True
            if self._end is None:
                self.broken_off("error_during_execution", "aborted", "the turn was interrupted")
        results = [block for block in blocks if block.get("type") == "tool_result"]
        if results and line.get("toolDenialKind"):
            self._denials += [self._denial(block) for block in results]
        if results:
            yield {"type": "user", "session_id": self.session, "message": {"role": "user", "content": results}}

    def _wake(self) -> Iterator[Message]:
        """A background task has ended, and the model is told: it works again, in this turn or after it."""
        if self._is_told:
            self._begin_part()
            self.is_woken = True
        self._end = self._last_words = None
        self._is_caught_up = self.status_is_new = False
        yield self.init()

    def _denial(self, result: Mapping[str, Any]) -> Message:
        identity = str(result.get("tool_use_id"))
        tool = self._tools.get(identity, {})
        return {"tool_use_id": identity, "tool_name": tool.get("name"), "tool_input": tool.get("input")}

    def _stop(self, told: Mapping[str, Any]) -> None:
        self._last_words = plain(told.get("last_assistant_message"))
        self._tasks = [dict(mapping(task)) for task in sequence(told.get("background_tasks"))]
        self._end = {"subtype": "success", "terminal_reason": "completed", "result": self._last_words}
        self._notice_end()

    def _notice_end(self) -> None:
        if self._last_words is not None and self._last_words.strip() == self._said.strip():
            self._is_caught_up = True

    def _fail(self, told: Mapping[str, Any]) -> None:
        kind = plain(told.get("error"))
        self._end = {
            "subtype": "success",
            "is_error": True,
            "terminal_reason": "api_error",
            "api_error_status": 401 if kind == _REFUSED else None,
            "result": plain(told.get("last_assistant_message")) or kind,
        }

    def _tell_cost(self, total: Any) -> None:
        told = amount_of(total)
        if told is None:
            return
        if self._first_cost_usd is None:
            self._first_cost_usd = told
        self.cost_usd = told
        self.spent_usd = self.cost_usd - self._first_cost_usd
        self.status_is_new = self.has_ended


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in sequence(content) if isinstance(block, Mapping)]
