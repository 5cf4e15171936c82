"""Carries connections from a port of the loopback interface to wherever they lead; used at both ends of a link."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

_CHUNK = 64 * 1024
_ACCEPT_SECONDS = 0.2  # how long close() may wait for the accepting thread
_END_SECONDS = 5.0  # what was cut ends at once, on a busy machine a little later


class Streams:
    """Pairs of connections whose bytes are carried across, each way by a thread of its own, until they are cut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Any] = set()
        self._threads: list[threading.Thread] = []

    def join(self, one: Any, other: Any) -> None:
        """Carry what comes from *one* to *other* and back; sockets, or channels that behave like them."""
        with self._lock:
            self._open |= {one, other}
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            for source, sink in ((one, other), (other, one)):
                thread = threading.Thread(target=self._carry, args=(source, sink), name="obra-relay", daemon=True)
                thread.start()
                self._threads.append(thread)

    def cut(self) -> None:
        """End all connections and their threads."""
        with self._lock:
            for stream in self._open:
                _shut(stream)
            threads = list(self._threads)
        for thread in threads:
            thread.join(_END_SECONDS)

    def _carry(self, source: Any, sink: Any) -> None:
        with contextlib.suppress(OSError, EOFError):  # an end of the connection: then the other end is told
            while data := source.recv(_CHUNK):
                sink.sendall(data)
        _shut(source)
        _shut(sink)
        with self._lock:
            is_last = source not in self._open  # the thread of the other direction was here before
            self._open -= {source, sink}
        if is_last:
            source.close()
            sink.close()


class Relay:
    """Listens on a free port; each connection is joined with one that *connect* makes, or hung up."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        """Begin to listen.

        Args:
            connect: makes the other connection; may wait, and raises OSError when there is none to be had.
        """
        self.streams = Streams()
        self._connect = connect
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_ACCEPT_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="obra-relay-door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more, and cut what is open."""
        self._closing = True
        self._thread.join()
        self._listener.close()
        self.streams.cut()

    def _accept(self) -> None:
        while not self._closing:
            try:
                near, _ = self._listener.accept()
            except socket.timeout:  # noqa: UP041  # its own name before Python 3.10, which may run this
                continue
            near.settimeout(None)
            threading.Thread(target=self._lead_on, args=(near,), name="obra-relay-guest", daemon=True).start()

    def _lead_on(self, near: socket.socket) -> None:
        try:
            far = self._connect()
        except OSError:
            near.close()
            return
        self.streams.join(at_once(near), at_once(far))


def at_once(stream: Any) -> Any:
    """Let a TCP socket send small pieces as they come (TCP_NODELAY); waiting to fill packets costs 40 ms each."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def _shut(stream: Any) -> None:
    with contextlib.suppress(OSError, EOFError):  # it was ended by the other side
        stream.shutdown(socket.SHUT_RDWR)
