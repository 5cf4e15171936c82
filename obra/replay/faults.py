"""What users report of model APIs, done on purpose: refusals, stalls, cuts and floods, at a chosen prompt."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

from obra.domain import Fault, ModelFault
from obra.replay.dialect import Dialect

HUGE = 5_000_000
"""Characters of a huge text; the SDK's own reader gives up at a fifth of that."""
_REFUSALS = (ModelFault.RATE_LIMITED, ModelFault.OVERLOADED)
_BETWEEN_EVENTS = re.compile(rb"(?<=\n\n)|(?<=\n\r\n)")
_BEGINNING = 3
"""Which part of a stream's events is sent before it breaks off: a third, and one at the least."""


class FaultPlan:
    """Which request suffers what; counts down."""

    def __init__(self, faults: Sequence[Fault], dialect: Dialect) -> None:
        """Take the faults of a model among *faults*."""
        self._dialect = dialect
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, list[int]]] = [
            (fault, [fault.times or 0]) for fault in faults if isinstance(fault.kind, ModelFault)
        ]

    def take(self, request: Mapping[str, Any], *, before: int = 0) -> ModelFault | None:
        """Return what *request* suffers, and count it; ``None`` for a request that is simply answered.

        *before* is how many prompts of its conversation count for nothing here.
        """
        if not self._left:
            return None
        number = self._dialect.prompt_number(request) - before
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
        status, refusal = dialect.refusal(kind)
        _send(handler, status, json.dumps(refusal).encode())
        return
    if kind is ModelFault.HUGE_TEXT:
        message = dialect.lengthened(message, "x" * HUGE)
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
    events = [event for event in _BETWEEN_EVENTS.split(dialect.event_stream(message)) if event]
    sent = max(1, len(events) // _BEGINNING) if len(events) > 1 else 0
    handler.wfile.write(b"".join(events[:sent]))
    if kind is ModelFault.ERROR_EVENT:
        handler.wfile.write(dialect.error_event())
    elif kind is ModelFault.HALF_LINE:
        handler.wfile.write(events[sent][: len(events[sent]) // 2])
    _leave(handler, hang=kind is ModelFault.STALLED)


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
