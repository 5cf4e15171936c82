"""OpenAI's Responses API, as Codex speaks it with a model that it has no metadata for: one tool, a shell.

In that shell Codex takes ``apply_patch <<'…'`` for itself, and shows it as a change of files.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from obra.domain import ModelFault, ScriptStep
from obra.replay.acting import (
    SIDE_ANSWER,
    Call,
    Input,
    ReadText,
    absolute,
    always,
    call_index,
    changing,
    next_move,
)
from obra.replay.dialect import MODELS, Body

SHELL = "exec_command"
"""Codex's tool that runs a command line."""
_POLL = "write_stdin"
_COMMAND_MILLISECONDS = 30_000  # the most that Codex waits before it lets a command run on
_POLL_MILLISECONDS = 300_000  # the most that it waits when it is asked about such a command again
_STILL_RUNS = re.compile(r"running with session ID (\d+)")
_OWN_WORDS = (
    "<environment_context>",
    "<user_instructions>",
    "<user_shell_command>",
    "<turn_aborted>",
    "<subagent_notification>",
    "<skill>",
    "# AGENTS.md instructions",
)
"""How Codex's own messages in the name of the user begin."""
_END = "OBRA_END_OF_PATCH"


_OVERLOADED: Body = {
    "message": "The server is overloaded or not ready yet",
    "type": "server_error",
    "param": None,
    "code": "server_is_overloaded",
}


class OpenAIResponses:
    """``POST /v1/responses``; see :class:`obra.replay.dialect.Dialect`."""

    def asks_model(self, path: str) -> bool:
        """Tell whether a POST to *path* asks for a response."""
        return path.endswith("/responses")

    def wants_stream(self, path: str, request: Body) -> bool:  # noqa: ARG002  # part of the contract
        """Tell whether the request asks for events."""
        return bool(request.get("stream"))

    def side_answer(self, method: str, path: str, size: int) -> Body | None:  # noqa: ARG002  # part of the contract
        """Answer what Codex asks beside its conversation."""
        if method == "GET" and path.endswith("/models"):
            return MODELS
        return None

    def answer(self, script: Sequence[ScriptStep], request: Body, workspace: str, read: ReadText) -> Body:
        """Return the output item: a message or a function call."""
        tools = {tool.get("name") for tool in request.get("tools") or () if isinstance(tool, Mapping)}
        if SHELL not in tools:
            return _message(SIDE_ANSWER)
        items = [item for item in request.get("input") or () if isinstance(item, Mapping)]
        if waiting := _waiting(items):
            return waiting
        move = next_move(script, position(items), calls_of, workspace, read)
        return _call(move.tool, move.given, move.identity) if move.tool else _message(move.text)

    def message(self, answer: Body, *, model: str, number: int, tokens: tuple[int, int]) -> dict[str, Any]:
        """Return the whole response."""
        return {
            "id": f"resp_obra_{number}",
            "object": "response",
            "status": "completed",
            "model": model,
            "output": [{**answer, "id": f"item_obra_{number}", "status": "completed"}],
            "usage": {
                "input_tokens": tokens[0],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": tokens[1],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": sum(tokens),
            },
        }

    def event_stream(self, message: Body) -> bytes:
        """Return the response as events."""
        (item,) = message["output"]
        events: tuple[Mapping[str, Any], ...] = (
            {"type": "response.created", "response": {**message, "status": "in_progress", "output": []}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": message},
        )
        return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()

    def error(self, text: str) -> dict[str, Any]:
        """Return the body of an error."""
        return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": "script"}}

    def prompt_number(self, request: Body) -> int:
        """Return how many prompts the conversation holds; 0 for requests that are no part of one."""
        tools = {tool.get("name") for tool in request.get("tools") or () if isinstance(tool, Mapping)}
        items = [item for item in request.get("input") or () if isinstance(item, Mapping)]
        return position(items)[0] if SHELL in tools else 0

    def refusal(self, kind: ModelFault) -> tuple[int, Body]:
        """Return HTTP status and body of a refusal."""
        if kind is ModelFault.RATE_LIMITED:
            error = {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}
            return 429, {"error": {**error, "param": None}}
        return 503, {"error": _OVERLOADED}

    def error_event(self) -> bytes:
        """Return the event of an overloaded model."""
        event = {"type": "response.failed", "response": {"status": "failed", "output": [], "error": _OVERLOADED}}
        return b"event: response.failed\ndata: " + json.dumps(event).encode() + b"\n\n"

    def lengthened(self, message: Body, text: str) -> dict[str, Any]:
        """Return *message* with *text* in front of its own."""
        (item,) = message["output"]
        if item["type"] == "message":
            item = {**item, "content": [{**part, "text": text + part["text"]} for part in item["content"]]}
        return {**message, "output": [item]}


def position(items: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many prompts were sent so far, and the index of the last call made since the last one or -1."""
    prompts, done = 0, -1
    for item in items:
        if item.get("type") == "function_call":
            index = call_index(item.get("call_id"))
            done = done if index is None else index
        elif item.get("role") == "user":
            found = sum(1 for text in _texts(item) if text.strip() and not text.lstrip().startswith(_OWN_WORDS))
            prompts += found
            done = -1 if found else done
    return prompts, done


def calls_of(step: ScriptStep, workspace: str) -> tuple[Call, ...]:
    """Return the tool calls of *step* in the order write, edit, delete, run."""
    calls = []
    for path, text in step.write.items():
        where = absolute(workspace, path)
        calls.append(Call(tool=SHELL, given=always(_command(_written(where, text)))))
    for path, change in step.edit.items():
        where = absolute(workspace, path)

        def edited(old: str, new: str, where: str = where) -> Input:
            return _command(_edited(where, old, new))

        calls.append(Call(tool=SHELL, given=changing(where, change, edited)))
    lines = [f"rm -r -- {shlex.quote(absolute(workspace, path))}" for path in step.delete]
    calls += [Call(tool=SHELL, given=always(_command(line))) for line in (*lines, *step.run)]
    return tuple(calls)


def _command(line: str) -> Input:
    return {"cmd": line, "login": False, "yield_time_ms": _COMMAND_MILLISECONDS}


def _written(path: str, text: str) -> str:
    if not _fits_patch(path, text):
        return _printed(path, text)
    added = "".join(f"+{line}\n" for line in text.removesuffix("\n").split("\n"))
    return _patch(f"*** Add File: {path}\n{added}")


def _edited(path: str, old: str, new: str) -> str:
    """Return the command that makes *new* of *old*; the hunk shows the whole file, so that it fits once only."""
    if not (_fits_patch(path, old) and _fits_patch(path, new)):
        return _printed(path, new)
    before, after = old.removesuffix("\n").split("\n"), new.removesuffix("\n").split("\n")
    lines: list[str] = []
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            lines += [f" {line}\n" for line in before[old_from:old_to]]
        else:
            lines += [f"-{line}\n" for line in before[old_from:old_to]]
            lines += [f"+{line}\n" for line in after[new_from:new_to]]
    return _patch(f"*** Update File: {path}\n@@\n{''.join(lines)}")


def _fits_patch(path: str, text: str) -> bool:
    """Tell whether a patch can carry both: its lines all end with a newline, and a path is one plain line."""
    return text.endswith("\n") and "\r" not in text and path.isprintable() and path == path.strip()


def _patch(body: str) -> str:
    return f"apply_patch <<'{_END}'\n*** Begin Patch\n{body}*** End Patch\n{_END}\n"


def _printed(path: str, text: str) -> str:
    folder, _, _ = path.rpartition("/")
    return f"mkdir -p -- {shlex.quote(folder)} && printf %s {shlex.quote(text)} > {shlex.quote(path)}"


def _waiting(items: Sequence[Mapping[str, Any]]) -> Body | None:
    """Return the call that waits on for a command which still runs, if the last answer says so."""
    last = items[-1] if items else {}
    if last.get("type") != "function_call_output":
        return None
    index = str(last.get("call_id", "")).removeprefix("call_")
    shown = last.get("output")
    found = _STILL_RUNS.search((shown if isinstance(shown, str) else json.dumps(shown)).partition("Output:")[0])
    if not found:
        return None
    given = {"session_id": int(found[1]), "chars": "", "yield_time_ms": _POLL_MILLISECONDS}
    return _call(_POLL, given, index)


def _call(tool: str, given: Input, identity: str) -> Body:
    return {"type": "function_call", "call_id": f"call_{identity}", "name": tool, "arguments": json.dumps(given)}


def _message(text: str) -> Body:
    content = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "role": "assistant", "content": [content]}


def _texts(item: Mapping[str, Any]) -> list[str]:
    content = item.get("content")
    if isinstance(content, str):
        return [content]
    return [str(part.get("text", "")) for part in content or () if isinstance(part, Mapping)]
