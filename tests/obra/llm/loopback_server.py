"""What the stand-ins for LLM servers share: a server on a free loopback port, and how an answer is written."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self


class LoopbackServer:
    """A server on a free port; a context manager. A subclass names its handler and its kind of answer."""

    HANDLER: ClassVar[type[Handler]]
    ANSWER: ClassVar[type[Any]]

    def __init__(self) -> None:
        self.replaced: dict[str, tuple[int, bytes]] = {}
        """Path to (status, body), for what answers otherwise than it should."""
        self.answers: deque[Any] = deque()
        self.closing = threading.Event()
        handler = type("Handler", (self.HANDLER,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """What goes into ``api_url``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def will(self, **answer: Any) -> None:
        """Queue an answer; when none is queued a question gets ``Hello!``."""
        self.answers.append(self.ANSWER(**answer))

    def next_answer(self) -> Any:
        """Return what the next question gets."""
        return self.answers.popleft() if self.answers else self.ANSWER()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection; ``owner`` is the server it belongs to."""

    protocol_version = "HTTP/1.1"
    owner: Any

    def handle(self) -> None:
        """Serve one connection; a client that hangs up is every server's daily bread."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is http.server's
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        """Answer; http.server asks for this name."""
        self.get()

    def do_POST(self) -> None:
        """Answer; http.server asks for this name."""
        self.post()

    def get(self) -> None:
        """Answer a GET."""
        raise NotImplementedError

    def post(self) -> None:
        """Answer a POST."""
        raise NotImplementedError

    def asked(self) -> dict[str, Any]:
        """Return the request's body."""
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def begin(self, kind: str) -> None:
        """Begin an answer that comes in chunks."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """Send a chunk; an empty one ends the answer."""
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def cut(self) -> None:
        """Break the connection in the middle of a chunk."""
        self.wfile.write(b"ff\r\n{")
        self.close_connection = True

    def json(self, status: int, data: dict[str, Any]) -> None:
        """Send *data* as the whole answer."""
        self.send(status, json.dumps(data).encode())

    def send(self, status: int, body: bytes) -> None:
        """Send *body* as the whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
