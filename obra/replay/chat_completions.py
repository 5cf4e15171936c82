"""OpenAI's chat completions, as opencode speaks them: its tools are bash, read, write and edit."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
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
    changing_unique,
    next_move,
    when_there,
)
from obra.replay.dialect import MODELS, Body

_OVERLOADED: Body = {
    "message": "The server is overloaded or not ready yet",
    "type": "server_error",
    "param": None,
    "code": "server_is_overloaded",
}


class ChatCompletions:
    """``POST /v1/chat/completions``; see :class:`obra.replay.dialect.Dialect`."""

    def asks_model(self, path: str) -> bool:
        """Tell whether a POST to *path* asks for a completion."""
        return path.endswith("/chat/completions")

    def wants_stream(self, path: str, request: Body) -> bool:  # noqa: ARG002  # part of the contract
        """Tell whether the request asks for events."""
        return bool(request.get("stream"))

    def side_answer(self, method: str, path: str, size: int) -> Body | None:  # noqa: ARG002  # part of the contract
        """Answer with the list of models."""
        if method == "GET" and path.endswith("/models"):
            return MODELS
        return None

    def answer(self, script: Sequence[ScriptStep], request: Body, workspace: str, read: ReadText) -> Body:
        """Return the assistant's message; a request without tools asks for a title."""
        if not request.get("tools"):
            return {"role": "assistant", "content": SIDE_ANSWER}
        messages = [message for message in request.get("messages") or () if isinstance(message, Mapping)]
        move = next_move(script, position(messages), calls_of, workspace, read)
        if not move.tool:
            return {"role": "assistant", "content": move.text}
        function = {"name": move.tool, "arguments": json.dumps(move.given)}
        call = {"id": f"call_{move.identity}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    def message(self, answer: Body, *, model: str, number: int, tokens: tuple[int, int]) -> dict[str, Any]:
        """Return the whole completion."""
        reason = "tool_calls" if answer.get("tool_calls") else "stop"
        return {
            "id": f"chatcmpl-obra-{number}",
            "object": "chat.completion",
            "created": number,
            "model": model,
            "choices": [{"index": 0, "message": dict(answer), "finish_reason": reason}],
            "usage": {
                "prompt_tokens": tokens[0],
                "completion_tokens": tokens[1],
                "total_tokens": sum(tokens),
            },
        }

    def event_stream(self, message: Body) -> bytes:
        """Return the completion as chunks: who speaks, all of the message, why it ended, the usage."""
        (choice,) = message["choices"]
        delta = dict(choice["message"])
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(calls)]
        head = {**message, "object": "chat.completion.chunk", "usage": None}
        chunks = (
            {**head, "choices": [{"index": 0, "delta": {"role": delta.pop("role")}, "finish_reason": None}]},
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
            {**head, "choices": [], "usage": message["usage"]},
        )
        return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"

    def error(self, text: str) -> dict[str, Any]:
        """Return the body of an error."""
        return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": "script"}}

    def prompt_number(self, request: Body) -> int:
        """Return how many prompts the conversation holds; 0 for requests that are no part of one."""
        messages = [message for message in request.get("messages") or () if isinstance(message, Mapping)]
        return position(messages)[0] if request.get("tools") else 0

    def refusal(self, kind: ModelFault) -> tuple[int, Body]:
        """Return HTTP status and body of a refusal."""
        if kind is ModelFault.RATE_LIMITED:
            error = {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}
            return 429, {"error": {**error, "param": None}}
        return 503, {"error": _OVERLOADED}

    def error_event(self) -> bytes:
        """Return the chunk of an overloaded model."""
        return b"data: " + json.dumps({"error": _OVERLOADED}).encode() + b"\n\n"

    def lengthened(self, message: Body, text: str) -> dict[str, Any]:
        """Return *message* with *text* in front of its own."""
        (choice,) = message["choices"]
        said = dict(choice["message"])
        if said.get("content"):
            said["content"] = text + said["content"]
        return {**message, "choices": [{**choice, "message": said}]}


def position(messages: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many prompts were sent so far, and the index of the last call made since the last one or -1."""
    prompts, done = 0, -1
    for message in messages:
        if message.get("role") == "user" and _text(message).strip():
            prompts, done = prompts + 1, -1
        for call in message.get("tool_calls") or ():
            index = call_index(call.get("id"))
            done = done if index is None else index
    return prompts, done


def calls_of(step: ScriptStep, workspace: str) -> tuple[Call, ...]:
    """Return the tool calls of *step* in the order write, edit, delete, run.

    opencode refuses to change a file that it has not read, so each change of an existing file begins with read.
    """
    calls: list[Call] = []
    for path, text in step.write.items():
        where = absolute(workspace, path)
        calls.append(Call(tool="read", given=when_there(where, {"filePath": where})))
        calls.append(Call(tool="write", given=always({"filePath": where, "content": text})))
    for path, change in step.edit.items():
        where = absolute(workspace, path)
        calls.append(Call(tool="read", given=when_there(where, {"filePath": where})))
        calls.append(Call(tool="edit", given=changing_unique(where, change, partial(_edit, where))))
    lines = [f"rm -r -- {shlex.quote(absolute(workspace, path))}" for path in step.delete]
    calls += [_bash(line) for line in (*lines, *step.run)]
    return tuple(calls)


def _edit(path: str, old: str, new: str) -> Input:
    return {"filePath": path, "oldString": old, "newString": new}


def _bash(line: str) -> Call:
    return Call(tool="bash", given=always({"command": line, "description": "Run a command of the script"}))


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content or () if isinstance(part, Mapping))
