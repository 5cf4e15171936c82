"""OllamaServer: a loopback server that speaks Ollama's native API as Ollama does, faults included.

True to ollama/ollama: ``/api/version``, ``/api/tags``, ``/api/ps``, ``/api/show``, a streaming
``/api/chat`` and ``/api/pull``, and ``/api/generate`` without a prompt (api/types.go, server/routes.go).
It counts four bytes as a token, honours ``num_ctx``, ``truncate`` and ``num_predict``, sends
headers only with the first piece, and knows only the models it was given. What it answers can be told beforehand.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

BYTES_PER_TOKEN = 4
TEMPLATE_TOKENS = 12
STAMP = "2026-01-01T00:00:00.000000000Z"


@dataclass
class Answer:
    """What the next chat request gets. Delays are seconds, before the headers and before each further piece."""

    pieces: Sequence[str] = ("Hello", "!")
    thoughts: Sequence[str] = ()
    """What a thinking model says before its answer, in lines of their own."""
    done_reason: str = "stop"
    prompt_tokens: int | None = -1
    """-1: counted; None: left out; otherwise this number."""
    status: int = 200
    error: str = ""
    """With status 200 a line in the stream after the pieces, otherwise the body."""
    raw: bytes | None = None
    """Sent as the whole body, as it stands."""
    is_done: bool = True
    resets: bool = False
    """Break the connection in the middle of a chunk after the pieces."""
    first_delay: float = 0.0
    delay: float = 0.0


@dataclass
class Request:
    """What arrived."""

    path: str
    body: dict[str, Any] = field(default_factory=dict)
    authorization: str | None = None


class OllamaServer:
    """A server on a free port; a context manager. ``models`` maps full names to digests."""

    def __init__(self, models: dict[str, str] | None = None) -> None:
        self.models = {"llama3.2:latest": "a" * 64, "tiny:1b": "b" * 64} if models is None else models
        self.loaded: dict[str, int] = {}
        """Full name to window, as ``/api/ps`` tells; a chat adds to it."""
        self.window_limit = 1 << 20
        """The largest window any model has."""
        self.keeps_truncate = True
        """False: an old server that does not know ``truncate`` and cuts without a word."""
        self.replaced: dict[str, tuple[int, bytes]] = {}
        """Path to (status, body), for what is no Ollama."""
        self.requests: list[Request] = []
        self.answers: deque[Answer] = deque()
        self.pulls: deque[Sequence[dict[str, Any]]] = deque()
        """The lines that the next downloads get instead of a good one."""
        self.limit = 1000
        """Chats at once; one more is refused and counted in ``overrun``."""
        self.overrun = self.working = self.most = 0
        self.counting = threading.Lock()
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"ollama": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """What goes into ``api_url``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def chats(self) -> list[dict[str, Any]]:
        """The bodies of the chat requests, in order."""
        return [request.body for request in self.requests if request.path == "/api/chat"]

    def will(self, **answer: Any) -> None:
        """Queue an :class:`Answer`; when none is queued a chat gets ``Hello!``."""
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
    ollama: OllamaServer

    def handle(self) -> None:
        """Serve one connection; a client that hangs up is every server's daily bread."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        server = self.ollama
        server.requests.append(Request(self.path, authorization=self.headers["Authorization"]))
        if self.path in server.replaced:
            self._send(*server.replaced[self.path])
        elif self.path == "/api/version":
            self._json(200, {"version": "0.31.0"})
        elif self.path == "/api/tags":
            self._json(200, {"models": [_listed(name, digest) for name, digest in server.models.items()]})
        elif self.path == "/api/ps":
            self._json(
                200,
                {
                    "models": [
                        {**_listed(name, server.models[name]), "context_length": window, "size_vram": 1}
                        for name, window in server.loaded.items()
                    ]
                },
            )
        else:
            self._send(404, b"404 page not found")

    def do_POST(self) -> None:  # noqa: PLR0911  # one return for each path
        server = self.ollama
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.requests.append(Request(self.path, body, self.headers["Authorization"]))
        if self.path in server.replaced:
            return self._send(*server.replaced[self.path])
        name = body["model"] if ":" in body["model"] else f"{body['model']}:latest"
        if self.path == "/api/pull":
            return self._pull(name)
        if self.path not in {"/api/chat", "/api/generate", "/api/show"}:
            return self._send(404, b"404 page not found")
        if name not in server.models:
            return self._json(404, {"error": f"model '{body['model']}' not found"})
        if self.path == "/api/show":
            return self._json(200, {"model_info": {"llama.context_length": server.window_limit, "llama.x": 1}})
        if self.path == "/api/generate":
            server.loaded[name] = min(body["options"]["num_ctx"], server.window_limit)
            last = {"model": name, "created_at": STAMP, "response": "", "done": True, "done_reason": "load"}
            return self._json(200, last)
        with server.counting:
            server.working += 1
            server.most = max(server.most, server.working)
            is_too_much = server.working > server.limit
            server.overrun += is_too_much
        try:
            if is_too_much:
                return self._json(
                    503, {"error": "server busy, please try again.  maximum pending requests exceeded"}
                )
            return self._chat(name, body, server.answers.popleft() if server.answers else Answer())
        finally:
            with server.counting:
                server.working -= 1

    def _pull(self, name: str) -> None:
        layer = {"status": "pulling aaaa", "digest": "sha256:aaaa", "total": 100}
        good = ({"status": "pulling manifest"}, layer, {**layer, "completed": 40}, {**layer, "completed": 100})
        lines = self.ollama.pulls.popleft() if self.ollama.pulls else (*good, {"status": "success"})
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            self._line(line)
            if line.get("status") == "success":
                self.ollama.models[name] = "c" * 64
        self._chunk(b"")

    def _chat(self, name: str, body: dict[str, Any], answer: Answer) -> None:
        if answer.status != 200:
            return self._json(answer.status, {"error": answer.error})
        options = body["options"]
        window = min(options["num_ctx"], self.ollama.window_limit)
        prompt = "".join(message["content"] for message in body["messages"])
        tokens = len(prompt.encode()) // BYTES_PER_TOKEN + TEMPLATE_TOKENS
        if tokens > window:
            if self.ollama.keeps_truncate and body.get("truncate") is False:
                return self._json(400, {"error": "the input length exceeds the context length"})
            tokens = window // 2 + 2
        if answer.prompt_tokens != -1:
            tokens = answer.prompt_tokens
        if self.ollama.closing.wait(answer.first_delay):
            return None
        self.ollama.loaded[name] = window
        return self._stream(name, answer, tokens, options["num_predict"])

    def _stream(self, name: str, answer: Answer, tokens: int | None, limit: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if answer.raw is not None:
            self._chunk(answer.raw)
            return self._chunk(b"")
        for thought in answer.thoughts:
            said = {**_said(""), "thinking": thought}
            self._line({"model": name, "created_at": STAMP, "message": said, "done": False})
        for piece in answer.pieces[:limit]:
            self._line({"model": name, "created_at": STAMP, "message": _said(piece), "done": False})
            if self.ollama.closing.wait(answer.delay):
                return None
        if answer.resets:
            self.wfile.write(b"ff\r\n{")
            self.close_connection = True
            return None
        if answer.error:
            self._line({"error": answer.error})
        elif answer.is_done:
            is_cut = len(answer.pieces) > limit
            last = {"model": name, "created_at": STAMP, "message": _said(""), "done": True}
            last |= {"done_reason": "length" if is_cut else answer.done_reason, "eval_count": len(answer.pieces)}
            last |= {"total_duration": 1, "load_duration": 1, "prompt_eval_duration": 1, "eval_duration": 1}
            self._line(last | ({} if tokens is None else {"prompt_eval_count": tokens}))
        return self._chunk(b"")

    def _line(self, data: dict[str, Any]) -> None:
        self._chunk(json.dumps(data, ensure_ascii=False).encode() + b"\n")

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


def _listed(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "model": name, "modified_at": STAMP, "size": 1, "digest": digest, "details": {}}


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
