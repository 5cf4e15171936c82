"""The one way out of a sandbox without a network: a Unix socket that leads to the model's address.

Outside, :class:`ModelDoor` listens on the socket and connects each caller to that address. Inside, this very file
runs as a program of its own: it listens on loopback, hands every connection to the socket, and becomes the agent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

_CHUNK = 64 * 1024
_LONGEST_HEAD = 16 * 1024
_CONNECT_SECONDS = 15.0
_PROXY_PORT = 3128
"""Port on the inner loopback, which is the sandbox's own, for models behind https."""


class ModelDoor:
    """Serves one socket until :meth:`close`; connections end with it.

    For ``http`` addresses every byte is passed on. For ``https`` it is a proxy that knows ``CONNECT`` for that one
    address, so that the agent itself speaks TLS with the model.
    """

    def __init__(self, folder: Path, url: str) -> None:
        """Listen on a socket in *folder* (its path has at most some 100 bytes) for the model at *url*."""
        parts = urlsplit(url)
        self._is_proxy = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._is_proxy else 80)
        self.path = folder / "model.sock"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept, name="obra-model-door", daemon=True)
        self._thread.start()

    @property
    def variables(self) -> dict[str, str]:
        """What the agent must find in its environment."""
        return {"HTTPS_PROXY": f"http://127.0.0.1:{_PROXY_PORT}"} if self._is_proxy else {}

    def command(self, command: list[str]) -> list[str]:
        """Return the arguments that open the inner side of the door and then become *command*."""
        port = _PROXY_PORT if self._is_proxy else self._port
        return [sys.executable, "-I", str(Path(__file__).resolve()), str(self.path), str(port), "--", *command]

    @property
    def readable(self) -> tuple[Path, ...]:
        """What must be seen inside for :meth:`command` to work."""
        return (Path(__file__).resolve(), self.path)

    def close(self) -> None:
        """Close the socket and every connection; safe to call twice."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:  # closed
                return
            with self._lock:
                self._open.add(inner)
            threading.Thread(target=self._serve, args=(inner,), name="obra-model-door", daemon=True).start()

    def _serve(self, inner: socket.socket) -> None:
        try:
            if self._is_proxy and not self._agrees(inner):
                return
            with socket.create_connection((self._host, self._port), timeout=_CONNECT_SECONDS) as outer:
                outer.settimeout(None)
                if self._is_proxy:
                    inner.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                with self._lock:
                    self._open.add(outer)
                join(inner, outer)
                with self._lock:
                    self._open.discard(outer)
        except OSError:
            return  # the agent sees a cut connection, as without a sandbox
        finally:
            with self._lock:
                self._open.discard(inner)
            inner.close()

    def _agrees(self, inner: socket.socket) -> bool:
        """Read the request of a proxy's client; only the model's own address is let through."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            data = inner.recv(_CHUNK)
            if not data:
                return False
            head += data
        if head.startswith(f"CONNECT {self._host}:{self._port} ".encode()):
            return True
        inner.sendall(b"HTTP/1.1 403 Only the model is let through\r\nContent-Length: 0\r\n\r\n")
        return False


def join(one: socket.socket, other: socket.socket) -> None:
    """Pass on what either side sends until both have ended."""
    back = threading.Thread(target=_copy, args=(other, one), name="obra-model-door", daemon=True)
    back.start()
    _copy(one, other)
    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
    except OSError:  # cut off: the other direction ends too
        with contextlib.suppress(OSError):
            source.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _enter(path: str, port: int, command: list[str]) -> None:
    """Listen inside, in a process of its own, and become *command*."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    if os.fork():
        listener.close()
        os.execv(command[0], command)  # noqa: S606  # becoming the agent is what this is for
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # the agent's pipes must end when the agent does
        os.dup2(silence, stream)
    while True:
        inner, _ = listener.accept()
        threading.Thread(target=_hand_over, args=(inner, path), daemon=True).start()


def _hand_over(inner: socket.socket, path: str) -> None:
    with inner, socket.socket(socket.AF_UNIX) as way, contextlib.suppress(OSError):
        way.connect(path)
        join(inner, way)


if __name__ == "__main__":
    _enter(sys.argv[1], int(sys.argv[2]), sys.argv[4:])
