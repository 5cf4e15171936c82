"""CassetteServer: a model on loopback that says again what was recorded, and nothing else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from obra.logbook import logger
from obra.replay.cassette import Cassette, Exchange, Line
from obra.replay.door import Door, Headers, cli_version, secrets_in
from obra.replay.loopback import LoopbackServer
from obra.replay.normalising import place_of
from obra.replay.player import CassetteMiss, Player
from obra.replay.redacting import HOME, WORKSPACE

_TURNED_AWAY = 403
_JSON_IN_A_TEXT = ("partial_json", "arguments")


class CassetteServer(Door):
    """Answers with what was recorded. A request that was not is HTTP 403 with the difference, as is ``error``.

    Agents take that for a model which turns them away: not their failure, and nothing to try again.
    """

    def __init__(
        self,
        cassette: Cassette,
        name: str,
        *,
        workspace: Path,
        again: str = "obra record",
        speed: float = 0.0,
        resumed: bool = False,
    ) -> None:
        """Prepare to play.

        Args:
            cassette: as it was loaded.
            name: its file, for messages.
            workspace: the folder that stands for the recorded one.
            again: the command that records the cassette anew, for messages.
            resumed: the run was interrupted, and goes on in a new conversation.
            speed: 0 gives the answers at once, 1 with the pauses that were recorded, 2 with half of them.
        """
        super().__init__(_PlayingHandler, workspace=workspace)
        self._workspace = str(workspace.absolute())
        self._cassette = cassette
        self._player = Player(cassette, name, again=again, names=self.names, resumed=resumed)
        self._speed = speed
        self._closing = threading.Event()
        self._versions = ""

    def close(self) -> None:
        """End every connection and thread, a pause included; safe to call twice."""
        self._closing.set()
        super().close()

    @property
    def model(self) -> str:
        """The model that was asked when it was recorded; empty where the requests did not name it."""
        return str(self._cassette.about.get("model", ""))

    def rest(self) -> str:
        """Say which part of the recording nobody asked for; empty when all of it was played."""
        return self._player.rest()

    def answer(self, headers: Headers, body: bytes) -> Exchange:
        """Return the recorded exchange for a request.

        Raises:
            CassetteMiss: it was not recorded.
        """
        try:
            request = json.loads(body)
        except ValueError as error:
            raise CassetteMiss(f"the request is not JSON: {error}") from error
        self._compare_versions(headers)
        if not isinstance(request, dict):
            raise CassetteMiss("the request is not a JSON object")
        secrets = {**self.paths, **secrets_in(headers, request)}
        try:
            return self._player.find(place_of(request, lane=self.lane(headers), paths=secrets))
        except CassetteMiss as miss:
            raise CassetteMiss(f"{miss}{self._versions}") from miss

    def pieces(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the answer as it goes over the wire, with the workspace of this run in it."""
        started = time.monotonic()
        for piece in exchange.pieces:
            if self._speed:
                self._closing.wait(max(0.0, started + piece["at"] / self._speed - time.monotonic()))
            yield _on_the_wire(piece, self._real)

    def _real(self, value: Any, name: str = "") -> Any:
        """Return recorded JSON data with what this machine has in the place of what was kept out."""
        if isinstance(value, Mapping):
            # The arguments of a function call are JSON inside of a text, and so are the pieces of them.
            inside = "arguments" in str(value.get("type", ""))
            return {
                key: self._real(one, "arguments" if inside and key == "delta" else key)
                for key, one in value.items()
            }
        if isinstance(value, list):
            return [self._real(one) for one in value]
        texts = {
            WORKSPACE: self._workspace,
            HOME: str(Path.home()),
            **{word: own for own, word in self.names.items()},
        }
        if name in _JSON_IN_A_TEXT:
            texts = {word: json.dumps(own)[1:-1] for word, own in texts.items()}
        for word, own in texts.items():
            value = value.replace(word, own) if isinstance(value, str) else value
        return value

    def _compare_versions(self, headers: Headers) -> None:
        now, recorded = cli_version(headers), self._cassette.about.get("cli")
        if now and recorded and now != recorded and not self._versions:
            self._versions = f"\nIt was recorded with {recorded} and is played to {now}."
            logger.warning("the cassette was recorded with %s and is played to %s", recorded, now)


def _on_the_wire(piece: Line, real: Callable[[Any, str], Any]) -> bytes:
    """Return one piece of an answer as bytes; *real* puts what this machine has into JSON data."""
    if "event" in piece:
        name = f"event: {piece['event']}\n" if piece["event"] else ""
        return f"{name}data: {json.dumps(real(piece['data'], ''))}\n\n".encode()
    if "data" in piece:
        return f"data: {real(piece['data'], '')}\n\n".encode()
    if "text" in piece:
        return str(real(piece["text"], "")).encode()
    if "body" in piece:
        body = real(piece["body"], "")
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return b""


class _PlayingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer[CassetteServer]

    def do_HEAD(self) -> None:
        self._send(200, b"{}")

    def do_GET(self) -> None:
        self._send(200, b"{}")

    def do_POST(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if urlsplit(self.path).path.endswith("/count_tokens"):
            self._send(200, json.dumps({"input_tokens": len(body) // 4}).encode())
            return
        try:
            exchange = owner.answer(self.headers, body)
        except CassetteMiss as miss:
            owner.report(str(miss))
            error = {"type": "error", "error": {"type": "permission_error", "message": str(miss)}}
            self._send(_TURNED_AWAY, json.dumps(error).encode())
            return
        self.send_response(exchange.status)
        self.send_header("Content-Type", exchange.kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for piece in owner.pieces(exchange):
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Print nothing."""

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == _TURNED_AWAY:
            self.send_header("x-should-retry", "false")  # asking again would bring the same
        self.end_headers()
        self.wfile.write(body)
