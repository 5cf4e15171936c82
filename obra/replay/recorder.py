"""Recorder: between an agent and its real model, passing everything on and writing down what is said."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from obra.replay.cassette import Cassette, Exchange
from obra.replay.door import Door, Headers, cli_version, secrets_in
from obra.replay.loopback import LoopbackServer
from obra.replay.normalising import place_of
from obra.replay.redacting import deep_replaced, joined_deltas, keys_in

_NOT_PASSED_ON = frozenset(
    {
        "host",
        "connection",
        "content-length",
        "accept-encoding",
        "transfer-encoding",
        "keep-alive",
        "proxy-connection",
    }
)
_TOLD_BACK = ("content-type", "retry-after", "x-should-retry", "anthropic-ratelimit-unified-status")
_Way = tuple[str | int, ...]
_DELTAS: tuple[_Way, ...] = (
    ("delta", "text"),
    ("delta", "partial_json"),
    ("delta", "thinking"),
    ("delta",),
    ("choices", 0, "delta", "content"),
    ("choices", 0, "delta", "reasoning_content"),
    ("choices", 0, "delta", "tool_calls", 0, "function", "arguments"),
    ("candidates", 0, "content", "parts", 0, "text"),
)
"""Where the events of a stream carry a piece of a text, in each dialect."""
_UPSTREAM_SECONDS = 600.0


class Recorder(Door):
    """Passes everything on to the model's own address and back, and writes down what the model was asked.

    Answers go through piece by piece as they come. The cassette is written at the end of the with statement.
    """

    def __init__(
        self, upstream: str, *, workspace: Path, cassette: Path, about: Mapping[str, Any] | None = None
    ) -> None:
        """Prepare to record.

        Args:
            upstream: base URL of the real model API.
            workspace: folder whose path is not to stand in the cassette.
            cassette: the file to write.
            about: what its first line tells, such as the scenario and the agent.
        """
        super().__init__(_RecordingHandler, workspace=workspace, path=urlsplit(upstream).path)
        parts = urlsplit(upstream)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.cassette = Cassette(about=dict(about or {}))
        self._file = cassette

    def __enter__(self) -> Self:
        """Begin to listen."""
        import httpx

        self.client = httpx.Client(timeout=httpx.Timeout(_UPSTREAM_SECONDS, connect=15.0), trust_env=False)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and write the cassette; half a run, or one without its model, writes nothing."""
        super().__exit__(kind, error, trace)
        self.client.close()
        if kind is None and self.cassette.exchanges and not self.error:
            self.cassette.save(self._file)

    def begin(self, path: str, headers: Headers, body: bytes) -> tuple[Exchange, dict[str, str]] | None:
        """Write down a question, return its exchange and what to write for secrets; ``None`` for no question."""
        try:
            request = json.loads(body)
        except ValueError:
            return None
        if not isinstance(request, dict) or not {"messages", "input", "contents"} & set(request):
            return None
        if path.split("?", maxsplit=1)[0].endswith("count_tokens"):
            return None
        secrets = {**self.paths, **secrets_in(headers, request)}
        lane = self.lane(headers)
        exchange = Exchange(place=place_of(request, lane=lane, paths=secrets), path=path.split("?", maxsplit=1)[0])
        with self._lock:
            self.cassette.exchanges.append(exchange)
            if version := cli_version(headers):
                self.cassette.about.setdefault("cli", version)
            if request.get("model") and exchange.place.tools:
                self.cassette.about.setdefault("model", str(request["model"]))
        return exchange, secrets

    def forget(self, exchange: Exchange) -> None:
        """Drop a question that the model never heard."""
        with self._lock:
            self.cassette.exchanges = [one for one in self.cassette.exchanges if one is not exchange]


class _RecordingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer[Recorder]

    def do_HEAD(self) -> None:
        self._pass_on()

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Print nothing."""

    def _pass_on(self) -> None:
        import httpx

        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        begun = owner.begin(self.path, self.headers, body) if self.command == "POST" else None
        writer = _Writer(*begun) if begun else None
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        headers["Accept-Encoding"] = "identity"
        try:
            with owner.client.stream(
                self.command, owner.origin + self.path, headers=headers, content=body
            ) as answer:
                self._head(answer)
                if writer:
                    writer.begin(answer.status_code, answer.headers.get("content-type", ""))
                try:
                    for chunk in answer.iter_raw():
                        self.wfile.write(chunk)
                        if writer:
                            writer.add(chunk)
                except httpx.TransportError:
                    if writer:
                        writer.cut()
                if writer:
                    writer.end()
        except httpx.TransportError as error:
            if begun:
                owner.forget(begun[0])
            owner.report(f"the model at {owner.origin} cannot be reached: {error}")
            self.close_connection = True

    def _head(self, answer: Any) -> None:
        self.send_response(answer.status_code)
        for name in _TOLD_BACK:
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True


class _Writer:
    """Takes the bytes of one answer and writes its pieces into the exchange, without secrets."""

    def __init__(self, exchange: Exchange, secrets: Mapping[str, str]) -> None:
        self._exchange = exchange
        self._secrets = secrets
        self._started = time.monotonic()
        self._buffer = b""
        self._events: list[dict[str, Any]] = []

    def begin(self, status: int, kind: str) -> None:
        self._exchange.status, self._exchange.kind = status, kind

    def add(self, chunk: bytes) -> None:
        self._buffer += chunk
        if not self._exchange.kind.startswith("text/event-stream"):
            return
        *whole, self._buffer = self._buffer.replace(b"\r\n", b"\n").split(b"\n\n")
        for raw in whole:
            self._events.append({"at": self._seconds(), **_event_of(raw.decode("utf-8", "replace"))})

    def cut(self) -> None:
        self._events.append({"at": self._seconds(), "cut": True})

    def end(self) -> None:
        """Write down what came; deltas are joined where a secret lies across them."""
        if self._buffer:
            is_stream = self._exchange.kind.startswith("text/event-stream")
            rest = self._buffer.decode("utf-8", "replace")
            found = {"text": rest} if is_stream else {"body": _json_or_text(rest)}
            at = -1 if self._events and "cut" in self._events[-1] else len(self._events)
            self._events.insert(at, {"at": self._seconds(), **found})
        secrets = dict(self._secrets)
        for way in _DELTAS:
            holders = [holder for event in self._events if (holder := _holder(event.get("data"), way)) is not None]
            pieces = [holder[way[-1]] for holder in holders]
            secrets |= keys_in("".join(pieces))
            texts = joined_deltas(pieces, secrets)
            for holder, text in zip(holders, texts, strict=True):
                holder[way[-1]] = text
        secrets |= keys_in(json.dumps(self._events))
        self._exchange.pieces = [deep_replaced(event, secrets) for event in self._events]

    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 2)


def _event_of(raw: str) -> dict[str, Any]:
    name, data = "", ""
    for line in raw.splitlines():
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data += value.removeprefix(" ")
    try:
        parsed = json.loads(data)
    except ValueError:
        return {"data": data}  # such as [DONE]
    return {"event": name, "data": parsed} if isinstance(parsed, dict) else {"data": data}


def _holder(data: Any, way: _Way) -> Any:
    """Return the mapping in which the text at *way* stands, if there is one."""
    for step in way[:-1]:
        if isinstance(step, int):
            data = data[step] if isinstance(data, list) and len(data) > step else None
        else:
            data = data.get(step) if isinstance(data, dict) else None
    return data if isinstance(data, dict) and isinstance(data.get(way[-1]), str) else None


def _json_or_text(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
