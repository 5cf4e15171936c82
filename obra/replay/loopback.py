"""An HTTP server on a free loopback port that leaves no thread and no socket behind."""

from __future__ import annotations

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

_POLL_SECONDS = 0.02  # how long close() may wait for the accepting thread


class Reports(Protocol):
    """Who is told of what went wrong."""

    def report(self, error: str) -> None:
        """Keep *error*."""
        ...


Owner = TypeVar("Owner", bound=Reports)


class LoopbackServer(ThreadingHTTPServer, Generic[Owner]):
    """Serves each connection in a thread of its own, all of which end when it is closed."""

    daemon_threads = False  # joined by server_close, after hang_up made every handler return
    request_queue_size = 64

    def __init__(self, handler: type[BaseHTTPRequestHandler], owner: Owner) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Cut all connections, so that handlers waiting on one return."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other side was faster
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # socketserver's signature
        """Keep what went wrong, instead of printing it; a client that left is no error."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.owner.report(f"the loopback server failed to answer: {type(error).__name__}: {error}")


class Loopback(Generic[Owner]):
    """Opens and closes a :class:`LoopbackServer` for its owner."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], owner: Owner) -> None:
        self._handler = handler
        self._owner = owner
        self._server: LoopbackServer[Owner] | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin to listen."""
        self._server = LoopbackServer(self._handler, self._owner)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="obra-loopback-server", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End every connection and thread; safe to call twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.hang_up()
        server.server_close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def base_url(self) -> str:
        """Address without any path.

        Raises:
            RuntimeError: the server is not open.
        """
        if self._server is None:
            raise RuntimeError("the server is not open; use it in a with statement")
        return f"http://127.0.0.1:{self._server.server_port}"


class OnLoopback:
    """Whoever stands behind a :class:`Loopback` of its own; a context manager that listens while it is entered."""

    _loopback: Loopback[Any]

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._loopback.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to listen."""
        self.close()

    def close(self) -> None:
        """End every connection and thread; safe to call twice."""
        self._loopback.close()
