"""OllamaServer: a loopback server that speaks Ollama's native API as Ollama does, faults included.

True to ollama/ollama: ``/api/version``, ``/api/tags``, ``/api/ps``, ``/api/show``, a streaming
``/api/chat`` and ``/api/pull``, and ``/api/generate`` without a prompt (api/types.go, server/routes.go).
It counts four bytes as a token, honours ``num_ctx``, ``truncate`` and ``num_predict``, sends
headers only with the first piece, and knows only the models it was given. What it answers can be told beforehand.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loopback_server import Handler, LoopbackServer

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
    held: threading.Event | None = None
    """Nothing is sent before it is set."""


@dataclass
class Request:
    """What arrived."""

    path: str
    body: dict[str, Any] = field(default_factory=dict)
    authorization: str | None = None


class OllamaServer(LoopbackServer):
    """See :class:`LoopbackServer`. ``models`` maps full names to digests."""

    ANSWER = Answer

    def __init__(self, models: dict[str, str] | None = None) -> None:
        super().__init__()
        self.models = {"llama3.2:latest": "a" * 64, "tiny:1b": "b" * 64} if models is None else models
        self.loaded: dict[str, int] = {}
        """Full name to window, as ``/api/ps`` tells; a chat adds to it."""
        self.window_limit = 1 << 20
        """The largest window any model has."""
        self.keeps_truncate = True
        """False: an old server that does not know ``truncate`` and cuts without a word."""
        self.requests: list[Request] = []
        self.pulls: deque[Sequence[dict[str, Any]]] = deque()
        """The lines that the next downloads get instead of a good one."""
        self.limit = 1000
        """Chats at once; one more is refused and counted in ``overrun``."""
        self.overrun = self.working = self.most = 0
        self.counting = threading.Lock()

    @property
    def chats(self) -> list[dict[str, Any]]:
        """The bodies of the chat requests, in order."""
        return [request.body for request in self.requests if request.path == "/api/chat"]


class OllamaHandler(Handler):
    """Ollama's paths."""

    owner: OllamaServer
    is_counted = False

    def get(self) -> None:
        """Answer as Ollama does."""
        server = self.owner
        server.requests.append(Request(self.path, authorization=self.headers["Authorization"]))
        if self.path in server.replaced:
            self.send(*server.replaced[self.path])
        elif self.path == "/api/version":
            self.json(200, {"version": "0.31.0"})
        elif self.path == "/api/tags":
            self.json(200, {"models": [_listed(name, digest) for name, digest in server.models.items()]})
        elif self.path == "/api/ps":
            self.json(
                200,
                {
                    "models": [
                        {**_listed(name, server.models[name]), "context_length": window, "size_vram": 1}
                        for name, window in server.loaded.items()
                    ]
                },
            )
        else:
            self.send(404, b"404 page not found")

    def post(self) -> None:  # noqa: PLR0911  # one return for each path
        """Answer as Ollama does."""
        server = self.owner
        body = self.asked()
        server.requests.append(Request(self.path, body, self.headers["Authorization"]))
        if self.path in server.replaced:
            return self.send(*server.replaced[self.path])
        name = body["model"] if ":" in body["model"] else f"{body['model']}:latest"
        if self.path == "/api/pull":
            return self._pull(name)
        if self.path not in {"/api/chat", "/api/generate", "/api/show"}:
            return self.send(404, b"404 page not found")
        if name not in server.models:
            return self.json(404, {"error": f"model '{body['model']}' not found"})
        if self.path == "/api/show":
            return self.json(200, {"model_info": {"llama.context_length": server.window_limit, "llama.x": 1}})
        if self.path == "/api/generate":
            server.loaded[name] = min(body["options"]["num_ctx"], server.window_limit)
            last = {"model": name, "created_at": STAMP, "response": "", "done": True, "done_reason": "load"}
            return self.json(200, last)
        self.is_counted = True
        with server.counting:
            server.working += 1
            server.most = max(server.most, server.working)
            is_too_much = server.working > server.limit
            server.overrun += is_too_much
        try:
            if is_too_much:
                return self.json(
                    503, {"error": "server busy, please try again.  maximum pending requests exceeded"}
                )
            return self._chat(name, body, server.next_answer())
        finally:
            self._count_out()

    def _count_out(self) -> None:
        """Before the last words are sent: whoever has read them may ask again, and is not one too many then."""
        if self.is_counted:
            self.is_counted = False
            with self.owner.counting:
                self.owner.working -= 1

    def _pull(self, name: str) -> None:
        layer = {"status": "pulling aaaa", "digest": "sha256:aaaa", "total": 100}
        good = ({"status": "pulling manifest"}, layer, {**layer, "completed": 40}, {**layer, "completed": 100})
        lines = self.owner.pulls.popleft() if self.owner.pulls else (*good, {"status": "success"})
        self.begin("application/x-ndjson")
        for line in lines:
            self._line(line)
            if line.get("status") == "success":
                self.owner.models[name] = "c" * 64
        self.chunk(b"")

    def _chat(self, name: str, body: dict[str, Any], answer: Answer) -> None:
        if answer.status != 200:
            return self.json(answer.status, {"error": answer.error})
        options = body["options"]
        window = min(options["num_ctx"], self.owner.window_limit)
        prompt = "".join(message["content"] for message in body["messages"])
        tokens = len(prompt.encode()) // BYTES_PER_TOKEN + TEMPLATE_TOKENS
        if tokens > window:
            if self.owner.keeps_truncate and body.get("truncate") is False:
                return self.json(400, {"error": "the input length exceeds the context length"})
            tokens = window // 2 + 2
        if answer.prompt_tokens != -1:
            tokens = answer.prompt_tokens
        if answer.held is not None:
            answer.held.wait()
        if self.owner.closing.wait(answer.first_delay):
            return None
        self.owner.loaded[name] = window
        return self._stream(name, answer, tokens, options["num_predict"])

    def _stream(self, name: str, answer: Answer, tokens: int | None, limit: int) -> None:
        self.begin("application/x-ndjson")
        if answer.raw is not None:
            self._count_out()
            self.chunk(answer.raw)
            return self.chunk(b"")
        for thought in answer.thoughts:
            said = {**_said(""), "thinking": thought}
            self._line({"model": name, "created_at": STAMP, "message": said, "done": False})
        for piece in answer.pieces[:limit]:
            self._line({"model": name, "created_at": STAMP, "message": _said(piece), "done": False})
            if self.owner.closing.wait(answer.delay):
                return None
        self._count_out()
        if answer.resets:
            return self.cut()
        if answer.error:
            self._line({"error": answer.error})
        elif answer.is_done:
            is_cut = len(answer.pieces) > limit
            last = {"model": name, "created_at": STAMP, "message": _said(""), "done": True}
            last |= {"done_reason": "length" if is_cut else answer.done_reason, "eval_count": len(answer.pieces)}
            last |= {"total_duration": 1, "load_duration": 1, "prompt_eval_duration": 1, "eval_duration": 1}
            self._line(last | ({} if tokens is None else {"prompt_eval_count": tokens}))
        return self.chunk(b"")

    def _line(self, data: dict[str, Any]) -> None:
        self.chunk(json.dumps(data, ensure_ascii=False).encode() + b"\n")


def _listed(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "model": name, "modified_at": STAMP, "size": 1, "digest": digest, "details": {}}


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


OllamaServer.HANDLER = OllamaHandler
