"""ModelServer: a model API on loopback that plays a script, so that the real agent really calls its tools."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from obra.domain import Fault, ScriptStep
from obra.plugins import GoesOnTalking, WorksElsewhere
from obra.replay.acting import ScriptMismatch
from obra.replay.dialect import DEFAULT_MODEL, Dialect
from obra.replay.faults import FaultPlan, misbehave
from obra.replay.loopback import Loopback, LoopbackServer, OnLoopback
from obra.replay.messages import AnthropicMessages


class ModelServer(OnLoopback):
    """Answers a model API on a free loopback port with the steps of a script; a context manager.

    The API is Anthropic's, or that of the *dialect* it is given. Prompt n of a conversation is answered with step
    n: one tool call for each thing the step does, then its ``say``. A prompt beyond the script gets HTTP 400, that
    the CLIs do not repeat, and :attr:`error` says so. A prompt counts even when its turn was broken off. Without
    any step, one harmless text is the answer.
    """

    def __init__(
        self,
        script: Sequence[ScriptStep],
        *,
        workspace: Path,
        tokens: tuple[int, int] = (0, 0),
        dialect: Dialect | None = None,
        played: int = 0,
        faults: Sequence[Fault] = (),
        elsewhere: WorksElsewhere | None = None,
    ) -> None:
        """Prepare to serve *script*; nothing listens yet.

        Args:
            script: what the agent does, one step for each prompt.
            workspace: folder that the script's paths count from.
            tokens: input and output tokens that each answer reports; zero, since no model runs.
            dialect: the API to speak; none means Anthropic's.
            played: steps before those of *script* that an interrupted run has played; for messages.
            faults: what shall go wrong; those of command lines are none of a server's.
            elsewhere: the agent, where it works on another machine: then the paths count from its workspace.
        """
        self.dialect = dialect or AnthropicMessages()
        self.script = tuple(script)
        self._played = played
        self.workspace = Path(workspace).absolute()
        self.elsewhere = elsewhere
        self.tokens = tokens
        self.plan = FaultPlan(faults, self.dialect)
        self._lock = threading.Lock()
        self._requests = 0
        # An agent elsewhere may go on with a conversation of another server; messages with one id are one to it.
        self._first = secrets.randbelow(2**40) if elsewhere else 0
        self._error = ""
        self._loopback = Loopback(_Handler, self)

    @property
    def base_url(self) -> str:
        """Address of the server, without any path; as it is for ``ANTHROPIC_BASE_URL``.

        Raises:
            RuntimeError: the server is not open.
        """
        return self._loopback.base_url

    @property
    def requests(self) -> int:
        """How many model answers were asked for so far."""
        return self._requests

    @property
    def error(self) -> str:
        """What went wrong last, such as a script that is used up; empty when nothing did."""
        return self._error

    def respond(self, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return HTTP status and body for one request to the model, before any streaming."""
        with self._lock:
            self._requests += 1
            number = self._first + self._requests
        try:
            said = self._answer(request)
        except ScriptMismatch as mismatch:
            before = f" ({self._played} step(s) were played before it was interrupted)" if self._played else ""
            problem = f"{mismatch}{before}"
            self.report(problem)
            return 400, self.dialect.error(problem)
        model = str(request.get("model") or DEFAULT_MODEL)
        return 200, self.dialect.message(said, model=model, number=number, tokens=self.tokens)

    def _answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._played and not self.script:
            raise ScriptMismatch("the script has no step left; add a step to it or allow fewer iterations")
        place = self.elsewhere
        folder, read = (place.remote_workspace, place.read_text) if place else (str(self.workspace), _text_of)
        return self.dialect.answer(self._whole_script(), request, folder, read)

    @property
    def prompts_before(self) -> int:
        """How many prompts of the conversation were sent before the first that is answered here."""
        return self.elsewhere.prompts_before if isinstance(self.elsewhere, GoesOnTalking) else 0

    def _whole_script(self) -> tuple[ScriptStep, ...]:
        return (ScriptStep(),) * self.prompts_before + self.script if self.script else ()

    def report(self, error: str) -> None:
        """Keep *error* as what went wrong last."""
        with self._lock:
            self._error = error


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer[ModelServer]

    def do_HEAD(self) -> None:
        self._send(200, b"", "text/plain")

    def do_GET(self) -> None:
        self._answer_beside(0)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        dialect = self.server.owner.dialect
        if not dialect.asks_model(urlsplit(self.path).path):
            self._answer_beside(len(body))
            return
        try:
            request = json.loads(body)
        except ValueError as error:
            self._send_json(400, dialect.error(f"the request is not JSON: {error}"))
            return
        if not isinstance(request, dict):
            self._send_json(400, dialect.error("the request is not a JSON object"))
        else:
            self._answer(request)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Print nothing: requests are counted, errors kept."""

    def _answer(self, request: Mapping[str, Any]) -> None:
        dialect = self.server.owner.dialect
        owner = self.server.owner
        fault = owner.plan.take(request, before=owner.prompts_before)
        status, message = self.server.owner.respond(request)
        is_streamed = dialect.wants_stream(urlsplit(self.path).path, request)
        if fault is not None and status == 200:  # noqa: PLR2004  # HTTP's own number
            misbehave(self, fault, dialect, message, is_streamed=is_streamed)
        elif status == 200 and is_streamed:  # noqa: PLR2004  # HTTP's own number
            self._send(status, dialect.event_stream(message), "text/event-stream")
        else:
            self._send_json(status, message)

    def _answer_beside(self, size: int) -> None:
        path = urlsplit(self.path).path
        found = self.server.owner.dialect.side_answer(self.command, path, size)
        if found is not None:
            self._send_json(200, found)
            return
        error = {"type": "not_found_error", "message": f"{self.command} {self.path} is not served here"}
        self._send_json(404, {"type": "error", "error": error})

    def _send_json(self, status: int, data: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(data).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _text_of(path: str) -> str | None:
    """Return a file's text; bytes that are no UTF-8 are replaced, since it is only searched."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return None
