"""How an answer of ``/v1/chat/completions`` is read: server-sent events in, one finished answer or an error out.

Each event is a line ``data: {...}``, the last is ``data: [DONE]``; lines that begin with ``:`` keep the connection
open. A failure in the middle is an event with ``error`` (llama.cpp and vLLM; older llama.cpp wrote a line
``error: {...}``) under HTTP 200. The answer is complete with a ``finish_reason``, and its token counts, asked for
with ``stream_options``, come after that. Nothing here knows about HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from obra.errors import LLMProtocolError
from obra.llm.answer import Answer
from obra.llm.stream_lines import broke_off, length, object_in, shown, stopped

_THOUGHTS = ("reasoning_content", "reasoning")
"""Where thinking models think: llama.cpp and DeepSeek, and vLLM since 0.12."""


def read_answer(lines: Iterable[bytes]) -> Answer:
    """Collect the pieces of an answer up to the end of its stream.

    Raises:
        LLMProtocolError: an event is none, reports an error, or the answer does not say why it ended.
    """
    pieces: list[str] = []
    thought, reason = 0, ""
    count: int | None = None
    for line, event in _events(lines):
        if "error" in event:
            raise broke_off(pieces, event["error"])
        choice = _choice(event, line)
        delta = choice.get("delta") or {}
        pieces.append(_text(delta, "content", line))
        thought += length(_text(delta, key, line) for key in _THOUGHTS)
        reason = str(choice.get("finish_reason") or reason)
        count = _prompt_tokens(event, count)
    if not reason:
        raise stopped(pieces)
    return Answer(text="".join(pieces), done_reason=reason, prompt_tokens=count, thought=thought)


def _events(lines: Iterable[bytes]) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
    for line in lines:
        field, colon, value = line.strip().partition(b":")
        if field == b"error":
            yield line, {"error": value.decode("utf-8", "backslashreplace").strip()}
        elif field == b"data" and value.strip() == b"[DONE]":
            return
        elif field == b"data":
            yield line, object_in(value)
        elif line.strip() and not (colon and field in {b"", b"event", b"id", b"retry"}):
            raise LLMProtocolError(
                f"the LLM server sent {shown(line)}, which is no event of a stream; check llm.api_url and llm.type"
            )


def _choice(event: Mapping[str, Any], line: bytes) -> Mapping[str, Any]:
    choices = event.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise LLMProtocolError(f"the LLM server sent an event without choices: {shown(line)}")
    return choices[0] if choices else {}


def _text(delta: object, key: str, line: bytes) -> str:
    content: Any = (delta.get(key) or "") if isinstance(delta, Mapping) else None
    if not isinstance(content, str):
        raise LLMProtocolError(f"the LLM server sent an event without text in delta.{key}: {shown(line)}")
    return content


def _prompt_tokens(event: Mapping[str, Any], before: int | None) -> int | None:
    usage = event.get("usage")
    count = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return count if isinstance(count, int) and count > 0 else before
