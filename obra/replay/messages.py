"""What the scripted model says, as messages of the Anthropic API; no HTTP and no file access here.

What comes next is found in :mod:`obra.replay.acting`; here the position is read from a request, and the answer
written as a message.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from obra.domain import ModelFault, ScriptStep
from obra.replay.acting import (
    SIDE_ANSWER,
    Call,
    ReadText,
    absolute,
    always,
    call_index,
    changing_unique,
    next_move,
    when_there,
)
from obra.replay.dialect import DEFAULT_MODEL

Block = Mapping[str, Any]

_REMINDER = re.compile(r"\s*<system-reminder>.*</system-reminder>\s*", re.DOTALL)
_OWN_WORDS = ("<task-notification>", "[Request interrupted by user", "<local-command-", "<command-name>")
_CHANGES_FOLDER = re.compile(r"(^|[\s;&|({])(cd|pushd)\b")


class AnthropicMessages:
    """The Anthropic API, ``POST /v1/messages``; see :class:`obra.replay.dialect.Dialect`."""

    def asks_model(self, path: str) -> bool:
        """Tell whether a POST to *path* asks for a message; counting its tokens does not."""
        return path.startswith("/v1/messages") and not path.endswith("/count_tokens")

    def wants_stream(self, path: str, request: Block) -> bool:  # noqa: ARG002  # part of the contract
        """Tell whether the request asks for events."""
        return bool(request.get("stream"))

    def side_answer(self, method: str, path: str, size: int) -> Block | None:
        """Answer what the CLI asks beside its conversation."""
        if method == "POST":
            return {"input_tokens": size // 4} if path.startswith("/v1/messages") else None  # 4 bytes to a token
        if path == "/v1/models":
            model = {"type": "model", "id": DEFAULT_MODEL, "display_name": DEFAULT_MODEL}
            return {"data": [model], "has_more": False}
        return {} if path in ("/", "/api/hello") else None

    def prompt_number(self, request: Block) -> int:
        """Return how many prompts the conversation holds; 0 for requests that are no part of one."""
        return position(request.get("messages") or ())[0] if request.get("tools") else 0

    def answer(self, script: Sequence[ScriptStep], request: Block, workspace: str, read: ReadText) -> Block:
        """Return the content block; see :func:`answer`."""
        return answer(script, request, workspace, read)

    def message(self, answer: Block, *, model: str, number: int, tokens: tuple[int, int]) -> dict[str, Any]:
        """Return the whole message."""
        return message_of(answer, model=model, identity=f"msg_obra_{number}", tokens=tokens)

    def event_stream(self, message: Block) -> bytes:
        """Return the message as events."""
        return event_stream(message)

    def error(self, text: str) -> dict[str, Any]:
        """Return the body of an error."""
        return error_of(text)

    def refusal(self, kind: ModelFault) -> tuple[int, Block]:
        """Return HTTP status and body of a refusal."""
        if kind is ModelFault.RATE_LIMITED:
            return 429, _failure("rate_limit_error", "Number of requests has exceeded your rate limit")
        return 529, _OVERLOADED

    def error_event(self) -> bytes:
        """Return the event of an overloaded model."""
        return b"event: error\ndata: " + json.dumps(_OVERLOADED).encode() + b"\n\n"

    def lengthened(self, message: Block, text: str) -> dict[str, Any]:
        """Return *message* with *text* in front of its own."""
        blocks = [
            {**block, "text": text + block["text"]} if block["type"] == "text" else block
            for block in message["content"]
        ]
        return {**message, "content": blocks}


def answer(script: Sequence[ScriptStep], request: Mapping[str, Any], workspace: str, read: ReadText) -> Block:
    """Return the content block that the model answers *request* with.

    Args:
        script: what the agent is to do, one step for each prompt.
        request: body of ``POST /v1/messages``.
        workspace: absolute path that the paths of the script count from.
        read: gives the files that the script is about to change.

    Raises:
        ScriptMismatch: the script has no such step, or the text that an edit is to find is not there.
    """
    if not request.get("tools"):
        return {"type": "text", "text": SIDE_ANSWER}
    move = next_move(script, position(request.get("messages") or ()), calls_of, workspace, read)
    if not move.tool:
        return {"type": "text", "text": move.text}
    return {"type": "tool_use", "id": f"toolu_{move.identity}", "name": move.tool, "input": move.given}


def position(messages: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many prompts were sent so far, and the index of the last call made since the last one or -1."""
    prompts = 0
    done = -1
    for message in messages:
        if message.get("role") == "user":
            found = sum(1 for _ in prompts_in(message))
            prompts += found
            done = -1 if found else done
        elif message.get("role") == "assistant":
            for block in _blocks(message):
                index = call_index(block.get("id"))
                done = done if index is None else index
    return prompts, done


def prompts_in(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the prompts in a user message; what the CLI adds by itself is left out.

    A message may hold two, when the first was never answered and the session was resumed with another.
    """
    for block in _blocks(message):
        text = block.get("text")
        if block.get("type") != "text" or not isinstance(text, str) or not text.strip():
            continue
        if not _REMINDER.fullmatch(text) and not text.lstrip().startswith(_OWN_WORDS):
            yield text


def calls_of(step: ScriptStep, workspace: str) -> tuple[Call, ...]:
    """Return the tool calls of *step* in the order write, edit, delete, run.

    The CLI refuses to change a file that it has not read, so each change of an existing file begins with Read.
    """
    calls: list[Call] = []
    for path, text in step.write.items():
        where = absolute(workspace, path)
        calls.append(Call(tool="Read", given=when_there(where, {"file_path": where})))
        calls.append(Call(tool="Write", given=always({"file_path": where, "content": text})))
    for path, change in step.edit.items():
        where = absolute(workspace, path)
        calls.append(Call(tool="Read", given=when_there(where, {"file_path": where})))
        calls.append(Call(tool="Edit", given=changing_unique(where, change, partial(_edit, where))))
    calls += [_bash(f"rm -r -- {shlex.quote(absolute(workspace, path))}", "Remove a path") for path in step.delete]
    for line in step.run:
        # The CLI's shell stays in the folder that a command went to; the next command of a script must not.
        command = f"(\n{line}\n)" if _CHANGES_FOLDER.search(line) else line
        calls.append(_bash(command, "Run a command of the script"))
    return tuple(calls)


def message_of(block: Block, *, model: str, identity: str, tokens: tuple[int, int]) -> dict[str, Any]:
    """Return the whole message with the one *block*, as a request without ``stream`` is answered."""
    return {
        "id": identity,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [dict(block)],
        "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens[0],
            "output_tokens": tokens[1],
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def event_stream(message: Mapping[str, Any]) -> bytes:
    """Return *message* as the server-sent events of a streamed answer."""
    block = dict(message["content"][0])
    if block["type"] == "text":
        delta = {"type": "text_delta", "text": block["text"]}
        block["text"] = ""
    else:
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        block["input"] = {}
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 0}}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("message_start", {"message": begun}),
        ("content_block_start", {"index": 0, "content_block": block}),
        ("content_block_delta", {"index": 0, "delta": delta}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": end, "usage": {"output_tokens": usage["output_tokens"]}}),
        ("message_stop", {}),
    )
    lines = (f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events)
    return "".join(lines).encode()


def error_of(text: str) -> dict[str, Any]:
    """Return the body of an HTTP 400 answer; the CLI shows *text* and does not try again."""
    return _failure("invalid_request_error", text)


def _failure(kind: str, text: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": text}}


_OVERLOADED = _failure("overloaded_error", "Overloaded")


def _edit(path: str, old: str, new: str) -> Mapping[str, Any]:
    return {"file_path": path, "old_string": old, "new_string": new}


def _bash(command: str, description: str) -> Call:
    return Call(tool="Bash", given=always({"command": command, "description": description}))


def _blocks(message: Mapping[str, Any]) -> Sequence[Block]:
    content = message.get("content")
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    return [block for block in content or () if isinstance(block, Mapping)]
