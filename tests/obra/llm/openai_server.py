"""OpenAIServer: a loopback server that speaks ``/v1`` as llama.cpp does, faults included.

True to ggml-org/llama.cpp (tools/server/README.md) as its build 10434 was seen to answer: ``/v1/models`` with
``meta.n_ctx``, a streaming ``/v1/chat/completions`` as server-sent events, whose first delta has content null,
whose usage comes after the finish_reason with empty choices, and which ends with ``[DONE]``.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Answer:
    """What the next question gets. Delays are seconds, before the headers and before each piece."""

    pieces: Sequence[str] = ("Hello", "!")
    thoughts: Sequence[str] = ()
    finish_reason: str | None = "stop"
    prompt_tokens: int | None = -1
    """-1: four bytes a token and twelve for the template; None: left out."""
    status: int = 200
    error: Any = None
    """With status 200 an event in the stream after the pieces, otherwise the body's error."""
    raw: bytes | None = None
    """Sent as the whole body, as it stands."""
    resets: bool = False
    first_delay: float = 0.0
    delay: float = 0.0


class OpenAIServer:
    """A server on a free port; a context manager."""

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] = [
            {
                "id": "tiny",
                "aliases": ["tiny", "small"],
                "owned_by": "llamacpp",
                "meta": {"n_ctx": 16384, "size": 5},
            }
        ]
        self.key: str | None = None
        self.replaced: dict[str, tuple[int, bytes]] = {}
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.answers: deque[Answer] = deque()
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"server_": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """What goes into ``api_url``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def will(self, **answer: Any) -> None:
        """Queue an :class:`Answer`; when none is queued a question gets ``Hello!``."""
        self.answers.append(Answer(**answer))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_: OpenAIServer

    def handle(self) -> None:
        """Serve one connection; a client that hangs up is every server's daily bread."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        if self._is_turned_away():
            return None
        if self.path == "/v1/models":
            return self._json(200, {"object": "list", "data": self.server_.models})
        return self._json(404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._is_turned_away():
            return None
        self.server_.bodies.append(body)
        answer = self.server_.answers.popleft() if self.server_.answers else Answer()
        if answer.status != 200:
            return self._json(answer.status, {"error": answer.error})
        if self.server_.closing.wait(answer.first_delay):
            return None
        return self._stream(body, answer)

    def _is_turned_away(self) -> bool:
        server = self.server_
        server.paths.append(self.path)
        if self.path in server.replaced:
            self._send(*server.replaced[self.path])
        elif server.key and self.headers["Authorization"] != f"Bearer {server.key}":
            said = f"Invalid API Key {self.headers['Authorization']}"
            self._json(401, {"error": {"message": said, "type": "authentication_error", "code": 401}})
        else:
            return False
        return True

    def _stream(self, body: dict[str, Any], answer: Answer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if answer.raw is not None:
            self._chunk(answer.raw)
            return self._chunk(b"")
        self._delta({"role": "assistant", "content": None})
        for thought in answer.thoughts:
            self._delta({"reasoning_content": thought})
        for piece in answer.pieces[: body["max_tokens"]]:
            self._delta({"content": piece})
            if self.server_.closing.wait(answer.delay):
                return None
        if answer.resets:
            self.wfile.write(b"ff\r\nd")
            self.close_connection = True
            return None
        if answer.error is not None:
            self._event({"error": answer.error})
        elif answer.finish_reason:
            is_cut = len(answer.pieces) > body["max_tokens"]
            self._delta({}, "length" if is_cut else answer.finish_reason)
            tokens = answer.prompt_tokens
            if tokens == -1:
                tokens = 12 + sum(len(one["content"].encode()) for one in body["messages"]) // 4
            if tokens is not None and body["stream_options"]["include_usage"]:
                self._event({"choices": [], "usage": {"prompt_tokens": tokens}})
        self._chunk(b"data: [DONE]\n\n")
        return self._chunk(b"")

    def _delta(self, delta: dict[str, Any], reason: str | None = None) -> None:
        self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def _event(self, data: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, status: int, data: dict[str, Any]) -> None:
        self._send(status, json.dumps(data).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
