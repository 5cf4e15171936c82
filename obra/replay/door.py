"""What stands between an agent and its model: an address, its sessions, their secrets."""

from __future__ import annotations

import getpass
import json
import re
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol

from obra.replay.loopback import Loopback, OnLoopback
from obra.replay.redacting import HOME, KEY, SESSION, WORKSPACE, names_of, personal

_SESSION_HEADERS = ("X-Claude-Code-Session-Id", "session_id", "conversation_id")
_KEY_HEADERS = ("x-api-key", "authorization", "x-goog-api-key", "api-key")
_CLI_VERSION = re.compile(r"^[\w-]+/[\d.]+")


class Headers(Protocol):
    """The headers of a request, as far as they are read."""

    def get(self, name: str, /) -> str | None:
        """Return a header, or ``None``."""
        ...


class Door(OnLoopback):
    """What both servers share: the address, the lanes of sessions, the paths of this run, and what went wrong."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], *, workspace: Path, path: str = "") -> None:
        self._loopback: Loopback[Any] = Loopback(handler, self)
        self._lock = threading.Lock()
        self._lanes: dict[str, int] = {}
        self._path = path.rstrip("/")
        self.names = names_of(_user(), socket.gethostname())
        self.paths = {
            **personal(self.names),
            str(workspace.absolute()): WORKSPACE,
            str(workspace.resolve()): WORKSPACE,
        }
        home = str(Path.home())
        if home not in ("/", str(workspace)):
            self.paths[home] = HOME
        self.error = ""

    @property
    def base_url(self) -> str:
        """Address for the agent; it has the same path as that of the model."""
        return self._loopback.base_url + self._path

    def report(self, error: str) -> None:
        """Keep *error* as what went wrong last."""
        with self._lock:
            self.error = error

    def lane(self, headers: Headers) -> int:
        """Return the number of the session that a request belongs to, in order of appearance."""
        session = next((found for name in _SESSION_HEADERS if (found := headers.get(name))), "")
        with self._lock:
            return self._lanes.setdefault(session, len(self._lanes) + 1)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return ""


def cli_version(headers: Headers) -> str:
    """Return name and version of the program that asks, such as ``claude-cli/2.1.330``."""
    match = _CLI_VERSION.match(headers.get("User-Agent") or "")
    return match[0] if match else ""


def secrets_in(headers: Headers, request: Mapping[str, Any]) -> dict[str, str]:
    """Return what a request carries of the person and the session, and what to write instead."""
    found: dict[str, str] = {}
    for name in _KEY_HEADERS:
        if key := (headers.get(name) or "").removeprefix("Bearer ").strip():
            found[key] = KEY
    for name in _SESSION_HEADERS:
        if value := headers.get(name):
            found[value] = SESSION
    user = request.get("metadata")
    told = user.get("user_id") if isinstance(user, Mapping) else None
    if isinstance(told, str):
        found[told] = SESSION
        try:
            parts = json.loads(told)
        except ValueError:
            parts = None
        if isinstance(parts, Mapping):
            found.update({str(part): SESSION for part in parts.values() if part})
    return found
