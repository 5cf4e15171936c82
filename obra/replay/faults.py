"""What users report of model APIs, done on purpose: refusals, stalls, cuts and floods, at a chosen prompt."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol, runtime_checkable

from obra.domain import Fault, ModelFault
from obra.errors import ConfigError
from obra.replay.dialect import Dialect

HUGE = 5_000_000
"""Characters of a huge text; the SDK's own reader gives up at a fifth of that."""
_REFUSALS = {
    ModelFault.RATE_LIMITED: (429, "rate_limit_error", "Number of requests has exceeded your rate limit"),
    ModelFault.OVERLOADED: (529, "overloaded_error", "Overloaded"),
}


@runtime_checkable
class CountsPrompts(Protocol):
    """A dialect that can tell which prompt a request belongs to."""

    def prompt_number(self, request: Mapping[str, Any]) -> int:
        """Return how many prompts the conversation holds; 0 for requests that are no part of one."""
        ...


class FaultPlan:
    """Which request suffers what; counts down."""

    def __init__(self, faults: Sequence[Fault], dialect: Dialect) -> None:
        """Take the faults of a model among *faults*.

        Raises:
            ConfigError: there are some, and *dialect* cannot tell which prompt a request belongs to.
        """
        self._dialect = dialect
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, list[int]]] = [
            (fault, [fault.times or 0]) for fault in faults if isinstance(fault.kind, ModelFault)
        ]
        if self._left and not isinstance(dialect, CountsPrompts):
            raise ConfigError(
                f"faults of the model cannot be played in the dialect {type(dialect).__name__}, which cannot "
                f"tell one prompt from another; use --obra-agent=replay"
            )

    def take(self, request: Mapping[str, Any]) -> ModelFault | None:
        """Return what *request* suffers, and count it; ``None`` for a request that is simply answered."""
        if not self._left or not isinstance(self._dialect, CountsPrompts):
            return None
        number = self._dialect.prompt_number(request)
        with self._lock:
            for fault, left in self._left:
                if fault.prompt == number and (fault.times is None or left[0] > 0):
                    left[0] -= 1
                    return ModelFault(fault.kind)
        return None


def misbehave(
    handler: BaseHTTPRequestHandler,
    kind: ModelFault,
    dialect: Dialect,
    message: Mapping[str, Any],
    *,
    is_streamed: bool,
) -> None:
    """Answer with *kind* where a good server would answer with *message*."""
    if kind in _REFUSALS:
        status, name, text = _REFUSALS[kind]
        _send(handler, status, json.dumps({"type": "error", "error": {"type": name, "message": text}}).encode())
        return
    if kind is ModelFault.HUGE_TEXT:
        message = _enlarged(message)
        body = dialect.event_stream(message) if is_streamed else json.dumps(message).encode()
        _send(handler, 200, body, "text/event-stream" if is_streamed else "application/json")
        return
    if not is_streamed:  # there is no stream to break: the whole answer never comes
        body = json.dumps(message).encode()
        _begin(handler, "application/json", len(body))
        handler.wfile.write(body[: len(body) // 2])
        _leave(handler, hang=kind is ModelFault.STALLED)
        return
    _begin(handler, "text/event-stream", None)
    events = dialect.event_stream(message).split(b"\n\n")
    handler.wfile.write(b"\n\n".join(events[:2]) + b"\n\n")
    if kind is ModelFault.ERROR_EVENT:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        handler.wfile.write(b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n")
    elif kind is ModelFault.HALF_LINE:
        handler.wfile.write(events[2][: len(events[2]) // 2])
    _leave(handler, hang=kind is ModelFault.STALLED)


def _enlarged(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return *message* with a huge text in front of its own; an answer that calls a tool stays as it is."""
    blocks = [dict(block) for block in message.get("content") or ()]
    for block in blocks:
        if block.get("type") == "text":
            block["text"] = "x" * HUGE + block["text"]
    return {**message, "content": blocks}


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _begin(handler: BaseHTTPRequestHandler, kind: str, length: int | None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.send_header("Connection", "close")
    handler.end_headers()


def _leave(handler: BaseHTTPRequestHandler, *, hang: bool) -> None:
    """Close the connection; with *hang* only when the client or the server has."""
    handler.wfile.flush()
    handler.close_connection = True
    while hang and handler.rfile.read(1):
        continue
