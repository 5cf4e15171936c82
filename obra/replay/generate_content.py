"""Google's generateContent, as Gemini CLI speaks it: its tools are write_file, replace and run_shell_command."""

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
)
from obra.replay.dialect import DEFAULT_MODEL, Body

_STREAMED = ":streamGenerateContent"
_WHOLE = ":generateContent"
_COUNTED = ":countTokens"
_OWN_WORDS = ("<session_context>", "<hook_context>", "<state_snapshot>", "System: ")
"""How Gemini CLI's own messages in the name of the user begin."""


_OVERLOADED: Body = {
    "code": 503,
    "message": "The model is overloaded. Please try again later.",
    "status": "UNAVAILABLE",
}


class GenerateContent:
    """``POST /v1beta/models/…:generateContent``, streamed or not; see :class:`obra.replay.dialect.Dialect`."""

    def asks_model(self, path: str) -> bool:
        """Tell whether a POST to *path* asks for content."""
        return path.endswith((_STREAMED, _WHOLE))

    def wants_stream(self, path: str, request: Body) -> bool:  # noqa: ARG002  # the path says it
        """Tell whether the request asks for events."""
        return path.endswith(_STREAMED)

    def side_answer(self, method: str, path: str, size: int) -> Body | None:
        """Answer how many tokens a request has, and which models there are."""
        if method == "POST":
            return {"totalTokens": size // 4} if path.endswith(_COUNTED) else None  # the usual 4 bytes to a token
        return {"models": [{"name": f"models/{DEFAULT_MODEL}"}]} if path.endswith("/models") else None

    def answer(self, script: Sequence[ScriptStep], request: Body, workspace: str, read: ReadText) -> Body:
        """Return one part of content: words or a function call; questions beside the conversation get JSON."""
        settings = request.get("generationConfig") or {}
        schema = settings.get("responseJsonSchema") or settings.get("responseSchema")
        if schema is not None:
            return {"text": json.dumps(_smallest(schema))}
        if not request.get("tools"):
            return {"text": SIDE_ANSWER}
        contents = [content for content in request.get("contents") or () if isinstance(content, Mapping)]
        move = next_move(script, position(contents), calls_of, workspace, read)
        if not move.tool:
            return {"text": move.text}
        return {"functionCall": {"id": f"call_{move.identity}", "name": move.tool, "args": dict(move.given)}}

    def message(self, answer: Body, *, model: str, number: int, tokens: tuple[int, int]) -> dict[str, Any]:
        """Return the whole response."""
        return {
            "candidates": [
                {"content": {"role": "model", "parts": [dict(answer)]}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {
                "promptTokenCount": tokens[0],
                "candidatesTokenCount": tokens[1],
                "totalTokenCount": sum(tokens),
            },
            "modelVersion": model,
            "responseId": f"obra-{number}",
        }

    def event_stream(self, message: Body) -> bytes:
        """Return the response as events: words come in two, a call in one."""
        (candidate,) = message["candidates"]
        text = candidate["content"]["parts"][0].get("text", "")
        begun = {**message, "candidates": [{"content": _words(text[:1]), "index": 0}]}
        del begun["usageMetadata"]
        rest = {**message, "candidates": [{**candidate, "content": _words(text[1:])}]}
        events = (begun, rest) if len(text) > 1 else (message,)
        return "".join(f"data: {json.dumps(event)}\r\n\r\n" for event in events).encode()

    def error(self, text: str) -> dict[str, Any]:
        """Return the body of an error."""
        return {"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}

    def prompt_number(self, request: Body) -> int:
        """Return how many prompts the conversation holds; 0 for requests that are no part of one."""
        contents = [content for content in request.get("contents") or () if isinstance(content, Mapping)]
        return position(contents)[0] if request.get("tools") else 0

    def refusal(self, kind: ModelFault) -> tuple[int, Body]:
        """Return HTTP status and body of a refusal."""
        if kind is ModelFault.RATE_LIMITED:
            text = "Resource has been exhausted (e.g. check quota)."
            return 429, {"error": {"code": 429, "message": text, "status": "RESOURCE_EXHAUSTED"}}
        return 503, {"error": _OVERLOADED}

    def error_event(self) -> bytes:
        """Return the event of an overloaded model."""
        return b"data: " + json.dumps({"error": _OVERLOADED}).encode() + b"\r\n\r\n"

    def lengthened(self, message: Body, text: str) -> dict[str, Any]:
        """Return *message* with *text* in front of its own."""
        (candidate,) = message["candidates"]
        parts = [
            {**part, "text": text + part["text"]} if "text" in part else part
            for part in candidate["content"]["parts"]
        ]
        return {**message, "candidates": [{**candidate, "content": {**candidate["content"], "parts": parts}}]}


def position(contents: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many prompts were sent so far, and the index of the last call made since the last one or -1."""
    prompts, done = 0, -1
    for content in contents:
        parts = [part for part in content.get("parts") or () if isinstance(part, Mapping)]
        if content.get("role") == "model":
            for part in parts:
                index = call_index((part.get("functionCall") or {}).get("id"))
                done = done if index is None else index
        elif not any("functionResponse" in part for part in parts):
            found = sum(1 for part in parts if _is_prompt(part.get("text")))
            prompts += found
            done = -1 if found else done
    return prompts, done


def calls_of(step: ScriptStep, workspace: str) -> tuple[Call, ...]:
    """Return the tool calls of *step* in the order write, edit, delete, run."""
    calls: list[Call] = []
    for path, text in step.write.items():
        where = absolute(workspace, path)
        calls.append(Call(tool="write_file", given=always({"file_path": where, "content": text})))
    for path, change in step.edit.items():
        where = absolute(workspace, path)
        calls.append(Call(tool="replace", given=changing_unique(where, change, partial(_edit, where))))
    lines = [f"rm -r -- {shlex.quote(absolute(workspace, path))}" for path in step.delete]
    calls += [_shell(line) for line in (*lines, *step.run)]
    return tuple(calls)


def _edit(path: str, old: str, new: str) -> Input:
    return {
        "file_path": path,
        "instruction": "Make the change of the script.",
        "old_string": old,
        "new_string": new,
    }


def _shell(line: str) -> Call:
    given = {"command": line, "description": "Run a command of the script"}
    return Call(tool="run_shell_command", given=always(given))


def _words(text: str) -> Body:
    return {"role": "model", "parts": [{"text": text}]}


def _is_prompt(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip()) and not text.lstrip().startswith(_OWN_WORDS)


def _smallest(schema: Any) -> Any:
    """Return a small value that fits *schema*, as far as its types and enumerations say."""
    schema = schema if isinstance(schema, Mapping) else {}
    if choices := schema.get("enum"):
        return choices[0]
    match str(schema.get("type", "string")).lower():
        case "object":
            properties = schema.get("properties") or {}
            return {name: _smallest(properties.get(name)) for name in schema.get("required") or properties}
        case "array":
            return []
        case "number" | "integer":
            return 0
        case "boolean":
            return False
    return ""
