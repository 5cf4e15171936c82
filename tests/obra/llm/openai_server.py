"""OpenAIServer: a loopback server that speaks ``/v1`` as llama.cpp does, faults included.

True to ggml-org/llama.cpp (tools/server/README.md) as its build 10434 was seen to answer: ``/v1/models`` with
``meta.n_ctx``, a streaming ``/v1/chat/completions`` as server-sent events, whose first delta has content null,
whose usage comes after the finish_reason with empty choices, and which ends with ``[DONE]``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loopback_server import Handler, LoopbackServer


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


class OpenAIServer(LoopbackServer):
    """See :class:`LoopbackServer`."""

    ANSWER = Answer

    def __init__(self) -> None:
        super().__init__()
        self.models: list[dict[str, Any]] = [
            {
                "id": "tiny",
                "aliases": ["tiny", "small"],
                "owned_by": "llamacpp",
                "meta": {"n_ctx": 16384, "size": 5},
            }
        ]
        self.key: str | None = None
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []


class OpenAIHandler(Handler):
    """The paths of ``/v1``."""

    owner: OpenAIServer

    def get(self) -> None:
        """Answer as the server does."""
        if self._is_turned_away():
            return None
        if self.path == "/v1/models":
            return self.json(200, {"object": "list", "data": self.owner.models})
        return self.json(404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}})

    def post(self) -> None:
        """Answer as the server does."""
        body = self.asked()
        if self._is_turned_away():
            return None
        self.owner.bodies.append(body)
        answer = self.owner.next_answer()
        if answer.status != 200:
            return self.json(answer.status, {"error": answer.error})
        if self.owner.closing.wait(answer.first_delay):
            return None
        return self._stream(body, answer)

    def _is_turned_away(self) -> bool:
        server = self.owner
        server.paths.append(self.path)
        if self.path in server.replaced:
            self.send(*server.replaced[self.path])
        elif server.key and self.headers["Authorization"] != f"Bearer {server.key}":
            said = f"Invalid API Key {self.headers['Authorization']}"
            self.json(401, {"error": {"message": said, "type": "authentication_error", "code": 401}})
        else:
            return False
        return True

    def _stream(self, body: dict[str, Any], answer: Answer) -> None:
        self.begin("text/event-stream")
        if answer.raw is not None:
            self.chunk(answer.raw)
            return self.chunk(b"")
        self._delta({"role": "assistant", "content": None})
        for thought in answer.thoughts:
            self._delta({"reasoning_content": thought})
        for piece in answer.pieces[: body["max_tokens"]]:
            self._delta({"content": piece})
            if self.owner.closing.wait(answer.delay):
                return None
        if answer.resets:
            return self.cut()
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
        self.chunk(b"data: [DONE]\n\n")
        return self.chunk(b"")

    def _delta(self, delta: dict[str, Any], reason: str | None = None) -> None:
        self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def _event(self, data: dict[str, Any]) -> None:
        self.chunk(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())


OpenAIServer.HANDLER = OpenAIHandler
