"""CassetteServer: a model on loopback that says again what was recorded, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from obra.logbook import logger
from obra.replay.cassette import Cassette, CassetteMiss, Exchange, Player
from obra.replay.door import Door, Headers, cli_version, secrets_in
from obra.replay.loopback import LoopbackServer
from obra.replay.normalising import HOME, WORKSPACE, deep_replaced, place_of


class CassetteServer(Door):
    """Answers with what was recorded. A request that was not is HTTP 500 with the difference; so is ``error``."""

    def __init__(self, cassette: Path, *, workspace: Path, path: str = "") -> None:
        """Read the cassette.

        Raises:
            ObraError: it is not there, or no cassette.
        """
        super().__init__(_PlayingHandler, workspace=workspace, path=path)
        self._workspace = str(workspace.absolute())
        self._cassette = Cassette.load(cassette)
        self._player = Player(self._cassette, cassette.name)
        self._told = False

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
        return self._player.find(place_of(request, lane=self.lane(headers), paths=secrets))

    def pieces(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the answer as it goes over the wire, with the workspace of this run in it."""
        texts = {WORKSPACE: self._workspace, HOME: str(Path.home())}
        inside = {key: json.dumps(value)[1:-1] for key, value in texts.items()}
        for piece in exchange.pieces:
            if "event" in piece:
                data = deep_replaced(piece["data"], texts)
                if isinstance(delta := data.get("delta"), dict) and "partial_json" in delta:
                    given = piece["data"]["delta"]["partial_json"]
                    delta["partial_json"] = deep_replaced(given, inside)  # a text inside of JSON inside of a text
                name = f"event: {piece['event']}\n" if piece["event"] else ""
                yield f"{name}data: {json.dumps(data)}\n\n".encode()
            elif "data" in piece:
                yield f"data: {deep_replaced(piece['data'], texts)}\n\n".encode()
            elif "text" in piece:
                yield str(deep_replaced(piece["text"], texts)).encode()
            elif "body" in piece:
                body = deep_replaced(piece["body"], texts)
                yield body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def _compare_versions(self, headers: Headers) -> None:
        now, recorded = cli_version(headers), self._cassette.about.get("cli")
        if now and recorded and now != recorded and not self._told:
            self._told = True
            logger.warning("the cassette was recorded with %s and is played to %s", recorded, now)


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
            error = {"type": "error", "error": {"type": "api_error", "message": str(miss)}}
            self._send(500, json.dumps(error).encode())
            return
        self.send_response(exchange.status)
        self.send_header("Content-Type", exchange.kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for piece in owner.pieces(exchange):
            self.wfile.write(piece)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Print nothing."""

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 500:  # noqa: PLR2004  # HTTP's own number
            self.send_header("x-should-retry", "false")  # asking again would bring the same
        self.end_headers()
        self.wfile.write(body)
