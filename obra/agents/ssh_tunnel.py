"""ReverseTunnel: a port on the other machine that leads to a server here, on whatever connection there is."""

from __future__ import annotations

import socket
import threading
from typing import Any
from urllib.parse import urlsplit

from obra.agents.far_side.relay import Streams, at_once
from obra.agents.ssh_connection import SSHConnection

_CONNECT_SECONDS = 2.0


class ReverseTunnel:
    """Leads to one address here. Each connection gets its own port there, which ends with it."""

    def __init__(self, url: str) -> None:
        """Take the address of the server here; nothing is opened yet."""
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80))
        self._streams = Streams()
        self._lock = threading.Lock()
        self._connection: SSHConnection | None = None
        self._port = 0

    def port_on(self, connection: SSHConnection) -> int:
        """Return the port there that leads here over *connection*; opened when first asked for.

        Raises:
            AgentUnavailable: the SSH server does not permit it.
            AgentCrashed: the connection is lost.
        """
        with self._lock:
            if connection is not self._connection:
                self._streams.cut()
                self._port = connection.forward(self._take)
                self._connection = connection
            return self._port

    def close(self) -> None:
        """Cut all that goes through it."""
        self._streams.cut()

    def _take(self, channel: Any, _origin: object, _server: object) -> None:
        """Join a new channel with the server here, or hang up; called in the thread that reads the connection."""
        try:
            near = socket.create_connection(self._address, timeout=_CONNECT_SECONDS)
        except OSError:  # no server: as if the port there were closed
            channel.close()
            return
        near.settimeout(None)
        self._streams.join(at_once(near), channel)
