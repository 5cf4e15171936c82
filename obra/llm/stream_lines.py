"""How the bytes of a stream become lines, and a line becomes a JSON object, with typed errors for the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from obra.errors import LLMProtocolError

MAX_LINE_BYTES = 4 * 1024 * 1024
"""One line carries one piece of an answer, a few dozen bytes; more than this is no answer."""


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
                f"check that llm.api_url is the address of an LLM server, and llm.type its kind"
            )
    yield rest


def object_in(line: bytes) -> Mapping[str, Any]:
    """Return the JSON object that *line* is.

    Raises:
        LLMProtocolError: it is none.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LLMProtocolError(f"the LLM server sent a line that is not JSON: {shown(line)}") from error
    if not isinstance(data, dict):
        raise LLMProtocolError(f"the LLM server sent a line that is not a JSON object: {shown(line)}")
    return data


def words_of(error: object) -> str:
    """Return what a server's ``error`` says, a text or an object with a ``message``; quoted and cut to 500."""
    said = error.get("message", error) if isinstance(error, Mapping) else error
    return repr(str(said)[:500])


def broke_off(pieces: Iterable[str], error: object) -> LLMProtocolError:
    """Return the error for a server that reports a failure in the middle of its answer."""
    return LLMProtocolError(
        f"the LLM server broke off after {length(pieces)} characters of its answer: {words_of(error)}; "
        f"see the server's log"
    )


def stopped(pieces: Iterable[str]) -> LLMProtocolError:
    """Return the error for a stream that ends before the answer does."""
    return LLMProtocolError(
        f"the LLM server's answer stopped after {length(pieces)} characters without saying that it is done; "
        f"the server may have been stopped or have run out of memory: see its log"
    )


def length(pieces: Iterable[str]) -> int:
    """Return the number of characters in all of *pieces*."""
    return sum(map(len, pieces))


def shown(line: bytes) -> str:
    """Return the beginning of *line* for a message."""
    return repr(line[:200].decode("utf-8", "backslashreplace"))
