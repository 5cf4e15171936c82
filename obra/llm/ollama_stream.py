"""How an answer of Ollama's ``/api/chat`` is read: NDJSON lines in, one finished answer or a typed error out.

The stream is one JSON object a line; the last has ``"done": true``. A failure in the middle comes as a line
``{"error": ...}`` under HTTP 200, and a server that dies just stops (ollama/ollama docs/api/errors.mdx), so only
an answer that says it is finished counts as one. Nothing here knows about HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from obra.errors import LLMProtocolError
from obra.llm.answer import Answer
from obra.llm.stream_lines import broke_off, length, object_in, shown, stopped


def read_answer(lines: Iterable[bytes]) -> Answer:
    """Collect the pieces of an answer up to the line that says it is done.

    Raises:
        LLMProtocolError: a line is no JSON object, reports an error, or the last one is missing.
    """
    pieces: list[str] = []
    thoughts: list[str] = []
    for line in lines:
        if not line.strip():
            continue
        data = object_in(line)
        if "error" in data:
            raise broke_off(pieces, data["error"])
        message = data.get("message", {})
        pieces.append(_text(message, "content", line))
        thoughts.append(_text(message, "thinking", line))
        if data.get("done") is True:
            count = data.get("prompt_eval_count")
            return Answer(
                text="".join(pieces),
                done_reason=str(data.get("done_reason") or ""),
                prompt_tokens=count if isinstance(count, int) and count > 0 else None,
                thought=length(thoughts),
            )
    raise stopped(pieces)


def _text(message: object, key: str, line: bytes) -> str:
    content: Any = message.get(key, "") if isinstance(message, Mapping) else None
    if not isinstance(content, str):
        raise LLMProtocolError(f"the LLM server sent a line without text in message.{key}: {shown(line)}")
    return content
