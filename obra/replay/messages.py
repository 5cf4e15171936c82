"""What the scripted model says, as messages of the Anthropic API; no HTTP and no file access here.

The answer to a request follows from the request alone (and from the files it asks about): the number of
prompts in the conversation tells the step of the script, and the id of the last tool call tells how far that
step has come. So a retried or repeated request gets the same answer, and a resumed session goes on where it was.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from obra.domain import ScriptStep

Block = Mapping[str, Any]
ReadText = Callable[[str], str | None]
"""Gives the text of the file at an absolute path, or ``None`` when there is no such file."""

NO_SCRIPT = "There is no script to act out, so nothing was changed."
"""The one answer when the script has no step at all, as the mock agent does it."""
NOTHING_TO_SAY = "Done."
"""Stands for an empty ``say``: the API knows no message without content."""
SIDE_ANSWER = "Noted."
"""Answer to requests that offer no tools (titles, summaries): they are no part of the conversation."""

_CALL_ID = re.compile(r"toolu_obra_(\d+)_(\d+)")
_REMINDER = re.compile(r"\s*<system-reminder>.*</system-reminder>\s*", re.DOTALL)
_OWN_WORDS = ("<task-notification>", "[Request interrupted by user", "<local-command-", "<command-name>")
_CHANGES_FOLDER = re.compile(r"(^|[\s;&|({])(cd|pushd)\b")


class ScriptMismatch(Exception):  # it names a finding that becomes an HTTP answer, not a failure here
    """The conversation asks for something that the script cannot give; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call of a step; with *look_at*, only made when that file exists."""

    tool: str
    input: Mapping[str, Any]
    look_at: str = ""


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
    messages = request.get("messages") or ()
    if not request.get("tools"):
        return {"type": "text", "text": SIDE_ANSWER}
    if not script:
        return {"type": "text", "text": NO_SCRIPT}
    number, done = position(messages)
    if not 1 <= number <= len(script):
        raise ScriptMismatch(
            f"the script has {len(script)} step(s), prompt {number} was sent; "
            f"add a step to the script or allow fewer iterations"
        )
    step = script[number - 1]
    for index, call in enumerate(calls_of(step, workspace)):
        if index <= done:
            continue
        given = _input_now(call, number, read)
        if given is not None:
            identity = f"toolu_obra_{number}_{index}"
            return {"type": "tool_use", "id": identity, "name": call.tool, "input": given}
    return {"type": "text", "text": step.say if step.say.strip() else NOTHING_TO_SAY}


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
                if match := _CALL_ID.fullmatch(str(block.get("id", ""))):
                    done = int(match[2])
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
        where = _absolute(workspace, path)
        calls.append(Call(tool="Read", input={"file_path": where}, look_at=where))
        calls.append(Call(tool="Write", input={"file_path": where, "content": text}))
    for path, (find, replace) in step.edit.items():
        where = _absolute(workspace, path)
        change = {"file_path": where, "old_string": find, "new_string": replace}
        calls.append(Call(tool="Read", input={"file_path": where}, look_at=where))
        calls.append(Call(tool="Edit", input=change, look_at=where))
    calls += [
        _bash(f"rm -r -- {shlex.quote(_absolute(workspace, path))}", "Remove a path") for path in step.delete
    ]
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
    return {"type": "error", "error": {"type": "invalid_request_error", "message": text}}


def _input_now(call: Call, number: int, read: ReadText) -> Mapping[str, Any] | None:
    """Return what *call* is to be given as the files are now, or ``None`` when it is not due."""
    if not call.look_at:
        return call.input
    text = read(call.look_at)
    if call.tool != "Edit":
        return None if text is None else call.input
    find, replace = call.input["old_string"], call.input["new_string"]
    if text is None or find not in text:
        seen = "there is no such file" if text is None else f"the file has {len(text)} characters without it"
        raise ScriptMismatch(
            f"step {number} of the script edits {call.look_at}, but the text to find, "
            f"{find[:80]!r}, is not there ({seen}); correct the script"
        )
    if text.count(find) == 1:
        return call.input
    # The CLI only takes a text that is unique; the script means the first one, as the mock agent does it.
    return {**call.input, "old_string": text, "new_string": text.replace(find, replace, 1)}


def _bash(command: str, description: str) -> Call:
    return Call(tool="Bash", input={"command": command, "description": description})


def _absolute(workspace: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(workspace, path))


def _blocks(message: Mapping[str, Any]) -> Sequence[Block]:
    content = message.get("content")
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    return [block for block in content or () if isinstance(block, Mapping)]
