"""How an answer of Ollama's ``/api/chat`` is read: NDJSON lines in, one finished text or a typed error out.

The stream is one JSON object a line; the last has ``"done": true``. A failure in the middle comes as a line
``{"error": ...}`` under HTTP 200, and a server that dies just stops (ollama/ollama docs/api/errors.mdx), so only
an answer that says it is finished counts as one. Nothing here knows about HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from obra.errors import LLMProtocolError

BYTES_PER_TOKEN = 3
"""Pessimistic: English prose has about 4.5 bytes a token, code about 3.3, Chinese about 3."""

MAX_LINE_BYTES = 4 * 1024 * 1024
"""One line carries one piece of an answer, a few dozen bytes; more than this is no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. ``prompt_tokens`` is what the server says it read, ``None`` when it does not say."""

    text: str
    done_reason: str = ""
    prompt_tokens: int | None = None


def estimated_tokens(prompt: str) -> int:
    """Return a pessimistic number of tokens for *prompt*: its UTF-8 bytes divided by three, rounded up.

    For ASCII this is characters divided by three; other scripts, which need more tokens a character, count more.
    """
    return -(-len(prompt.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def looks_cut(prompt_tokens: int, estimate: int, context_tokens: int) -> bool:
    """Tell whether the server read far less than was sent.

    An over-long prompt is cut to half the window plus two, and the number reported is the one *after* the cut
    (ollama/ollama#3839 and #17427). The window may be smaller than the one asked for, mostly a power of two, so
    half of any such window is a tell-tale. Otherwise more than 12 bytes a token are implausible.
    """
    half = prompt_tokens - 2
    tell_tales = [context_tokens // 2, *(1 << power for power in range(9, 20))]
    is_half_a_window = any(abs(half - tell_tale) <= 2 for tell_tale in tell_tales)  # noqa: PLR2004  # rounding
    return estimate > 4 * prompt_tokens or (is_half_a_window and 2 * estimate >= 3 * prompt_tokens)


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Cut *chunks* into lines at ``\n`` alone: JSON text may hold the other line ends that Unicode knows.

    Raises:
        LLMProtocolError: a line is longer than :data:`MAX_LINE_BYTES`.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE_BYTES:
            raise LLMProtocolError(
                f"the LLM server sent a line of more than {MAX_LINE_BYTES} bytes; "
                f"check that llm.api_url is the address of an Ollama server"
            )
    yield rest


def read_answer(lines: Iterable[bytes]) -> Answer:
    """Collect the pieces of an answer up to the line that says it is done.

    Raises:
        LLMProtocolError: a line is no JSON object, reports an error, or the last one is missing.
    """
    pieces: list[str] = []
    for line in lines:
        if not line.strip():
            continue
        data = _object(line)
        if "error" in data:
            raise LLMProtocolError(
                f"the LLM server broke off after {_length(pieces)} characters of its answer: "
                f"{str(data['error'])[:500]!r}; see the server's log"
            )
        pieces.append(_content(data, line))
        if data.get("done") is True:
            count = data.get("prompt_eval_count")
            return Answer(
                text="".join(pieces),
                done_reason=str(data.get("done_reason") or ""),
                prompt_tokens=count if isinstance(count, int) and count > 0 else None,
            )
    raise LLMProtocolError(
        f"the LLM server's answer stopped after {_length(pieces)} characters without saying that it is done; "
        f"the server may have been stopped or have run out of memory: see its log"
    )


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise LLMProtocolError(f"the LLM server sent a line that is not JSON: {_shown(line)}") from error
    if not isinstance(data, dict):
        raise LLMProtocolError(f"the LLM server sent a line that is not a JSON object: {_shown(line)}")
    return data


def _content(data: Mapping[str, Any], line: bytes) -> str:
    message = data.get("message", {})
    content = message.get("content", "") if isinstance(message, dict) else None
    if not isinstance(content, str):
        raise LLMProtocolError(f"the LLM server sent a line without text in message.content: {_shown(line)}")
    return content


def _length(pieces: Iterable[str]) -> int:
    return sum(map(len, pieces))


def _shown(line: bytes) -> str:
    return repr(line[:200].decode("utf-8", "backslashreplace"))
