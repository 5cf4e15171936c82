"""What is said over an ACP connection: a session is opened, and prompts are answered under three time limits."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obra.agents.acp_connection import ACPConnection, Asked
from obra.agents.cli_agent import passed_limit
from obra.agents.conversation import TurnClock
from obra.agents.headless import is_unreachable
from obra.agents.settings import CLISettings
from obra.domain import PermissionAnswer, PermissionRequest, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentTimeout, AgentUnavailable
from obra.events import AgentEventSink
from obra.monitoring.acp_events import ACPEvents, tool_of
from obra.plugins import PermissionDecider

_SLICE = 0.1
_CANCEL_SECONDS = 5.0
_NO_HIJACKING: Mapping[str, Any] = {"claudeCode": {"options": {"settingSources": []}}}
"""Tells claude-code-acp to leave a ``.claude`` in the workspace alone; nobody else looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ACPSettings(CLISettings):
    """The settings of :class:`CLISettings`, and what an unknown agent needs."""

    command: str = "claude-code-acp"
    """The command line, as a shell splits it; no shell runs it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further variables for the agent."""
    base_url_variable: str = "ANTHROPIC_BASE_URL"
    """Variable that takes ``base_url``."""
    api_key_variable: str = "ANTHROPIC_API_KEY"
    """Variable that takes ``api_key``."""
    model_variable: str = "ANTHROPIC_MODEL"
    """Variable that takes ``model``."""
    allowed_kinds: tuple[str, ...] = ("read", "edit", "delete", "move", "search", "execute", "think")
    """Kinds of tool calls that are allowed when the agent asks, as the protocol names them; those that name a
    place outside of the workspace are not, except to read."""
    ask_about: tuple[str, ...] = ()
    """Tools, or kinds of them, that are put to a decision in any case."""


def open_session(connection: ACPConnection, settings: ACPSettings, session: str) -> tuple[str, str]:
    """Shake hands, and open a session, or load *session* where the agent can.

    Returns:
        The agent's name with its version, and the id of the session.

    Raises:
        AgentUnavailable: it does not answer in time, or not as the protocol says.
    """
    from acp import PROTOCOL_VERSION
    from acp.schema import Implementation

    def ask(make: Any) -> Any:
        try:
            return connection.call(make).result(settings.timeout_ready)
        except TimeoutError as error:
            why = f"did not answer within {settings.timeout_ready:g} s; raise timeout_ready"
            raise AgentUnavailable(f"the ACP agent {why}. {_errors(connection)}") from error
        except Exception as error:  # whatever went wrong, there is no session
            why = f"does not open a session as the protocol says: {error}"
            raise AgentUnavailable(f"{settings.command!r} {why}. {_errors(connection)}") from error

    us = Implementation(name="obra", version="1")
    hello = ask(lambda agent: agent.initialize(protocol_version=PROTOCOL_VERSION, client_info=us))
    told = hello.agent_info
    identity = f"{told.name} {told.version}" if told else f"acp {Path(settings.command.split()[0]).name}"
    cwd = str(Path(settings.workspace_dir).absolute())
    if session and hello.agent_capabilities.load_session:
        ask(lambda agent: agent.load_session(cwd=cwd, session_id=session, mcp_servers=[], **_NO_HIJACKING))
        return identity, session
    opened = ask(lambda agent: agent.new_session(cwd=cwd, mcp_servers=[], **_NO_HIJACKING))
    return identity, str(opened.session_id)


class ACPTurn:
    """One prompt and its answer."""

    def __init__(
        self,
        connection: ACPConnection,
        settings: ACPSettings,
        reader: ACPEvents,
        *,
        decide: PermissionDecider | None,
        cancelled: threading.Event,
    ) -> None:
        """Prepare; *decide* answers what policy does not, *cancelled* ends the turn from another thread."""
        self._connection = connection
        self._settings = settings
        self._reader = reader
        self._decide = decide
        self._cancelled = cancelled
        self._waited = 0.0

    def run(self, prompt: str, limits: TurnLimits, on_event: AgentEventSink | None) -> str:
        """Send *prompt* and deal with all that comes until it is answered.

        Returns:
            The name of the limit that ended the turn early, or ``""``.

        Raises:
            AgentTimeout: a time limit passed.
            AgentUnavailable: the agent cannot use its model API.
            AgentCrashed: the agent ended, or failed, or the turn was cancelled.
        """
        settings, reader = self._settings, self._reader
        clock = TurnClock.of(
            ready=settings.timeout_response, idle=settings.timeout_response, total=settings.timeout, limits=limits
        )
        self._read_all(None)  # what came between the turns is no part of this one
        reader.begin()
        answer = self._connection.prompt(reader.session, prompt)
        begun = heard = time.monotonic()
        limit = ""
        while not answer.done():
            if self._cancelled.is_set():
                raise AgentCrashed("the ACP agent was cancelled in the middle of its turn")
            before = self._waited
            if self._read_one(_SLICE, on_event):
                heard = time.monotonic()
            begun += self._waited - before  # a person may take as long as a person does
            self._check(clock, begun, heard)
            limit = passed_limit(reader, settings, limits)
            if limit:
                self._stop(answer, on_event)
                break
        self._read_all(on_event)
        if limit:
            return limit
        failure = self._failure(answer)
        if failure is not None:
            raise failure
        return reader.limit

    def _stop(self, answer: Future[Any], on_event: AgentEventSink | None) -> None:
        """Cancel the turn as the protocol says; the session lives on."""
        session = self._reader.session
        self._connection.call(lambda agent: agent.cancel(session_id=session))
        end = time.monotonic() + _CANCEL_SECONDS
        while not answer.done() and time.monotonic() < end:
            self._read_one(_SLICE, on_event)
        if not answer.done():
            raise AgentTimeout("the ACP agent passed a limit, and did not stop when it was told to")

    def _failure(self, answer: Future[Any]) -> AgentError | None:
        error = answer.exception()
        if error is None:
            return None
        said = self._reader.failure or str(error) or type(error).__name__
        if isinstance(error, ConnectionError):
            said = f"it ended before the turn was complete ({self._reader.last_seen()})"
        kind = AgentUnavailable if is_unreachable(said) and not self._reader.text else AgentCrashed
        return kind(f"the ACP agent could not finish the turn: {said}. {_errors(self._connection)}")

    def _check(self, clock: TurnClock, begun: float, heard: float) -> None:
        now = time.monotonic()
        if now - heard > clock.idle:
            reason = f"was silent for {clock.idle:g} s; raise timeout_response when its tools take that long"
        elif now - begun > clock.total:
            reason = f"was not done after {clock.total:g} s; raise the time limit of the turn"
        else:
            return
        session = self._reader.session
        self._connection.call(lambda agent: agent.cancel(session_id=session))
        seen = self._reader.last_seen()
        raise AgentTimeout(f"the ACP agent {reason} ({now - begun:.1f} s into the turn; {seen})")

    def _read_all(self, on_event: AgentEventSink | None) -> None:
        while not self._connection.heard.empty():
            self._read_one(0, on_event)

    def _read_one(self, seconds: float, on_event: AgentEventSink | None) -> bool:
        """Deal with the next thing that was heard; return False when there was none in time."""
        try:
            heard = self._connection.heard.get(timeout=seconds) if seconds else self._connection.heard.get_nowait()
        except queue.Empty:
            return False
        if isinstance(heard, Asked):
            asked_at = time.monotonic()
            self._answer(heard)
            self._waited += time.monotonic() - asked_at
        elif heard is not None:
            for event in self._reader.feed(heard):
                if on_event is not None:
                    on_event(event)
        return heard is not None

    def _answer(self, asked: Asked) -> None:
        """Choose the option for this once: policy decides, then whoever decides permissions, then nobody."""
        call = self._reader.known_call(asked.call)
        tool, subject = tool_of(call), str(call.get("title") or "")
        allowed = self._is_allowed(call, tool)
        if not allowed and self._decide is not None:
            given = call.get("rawInput")
            request = PermissionRequest(
                tool=tool, subject=subject, input=given if isinstance(given, Mapping) else {}, reason="asked"
            )
            answer: PermissionAnswer = self._decide(request)
            allowed = answer.allowed
        if not allowed:
            self._reader.denials = (*self._reader.denials, f"{tool} {subject}".strip())
        wanted = ("allow_once", "allow_always") if allowed else ("reject_once", "reject_always")
        found = {str(option.get("kind")): str(option.get("optionId")) for option in asked.options}
        asked.answer.set_result(next((found[kind] for kind in wanted if kind in found), ""))

    def _is_allowed(self, call: Mapping[str, Any], tool: str) -> bool:
        kind = str(call.get("kind") or "other")
        if kind not in self._settings.allowed_kinds or {tool, kind} & set(self._settings.ask_about):
            return False
        root = Path(self._settings.workspace_dir).resolve()
        places = [Path(str(one["path"])) for one in call.get("locations") or () if one.get("path")]
        return kind == "read" or all((root / place).resolve().is_relative_to(root) for place in places)


def _errors(connection: ACPConnection) -> str:
    errors = connection.errors()
    return f"On standard error: {errors}" if errors else "Standard error was empty."
