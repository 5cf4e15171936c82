"""ACPAgent: any agent that speaks the Agent Client Protocol, as one process for all turns of a task."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from obra.agents.acp_connection import ACPConnection
from obra.agents.acp_turn import ACPSettings, ACPTurn, open_session
from obra.agents.headless import remove_folder
from obra.agents.settings import read_settings
from obra.domain import Reply, TurnLimits
from obra.errors import AgentUnavailable
from obra.events import AgentEventSink
from obra.monitoring.acp_events import ACPEvents
from obra.plugins import PermissionDecider
from obra.workspace.processes import clean_environment

INSTALL = "npm install -g @zed-industries/claude-code-acp@0.16.2"
_QUIET = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
"""For the agent that is Claude Code; nobody else looks at them."""


class ACPAgent:
    """Any agent that speaks ACP; seen to work with ``@zed-industries/claude-code-acp`` 0.16.2.

    It needs the extra ``obra[acp]``. ``agent.options`` may hold what :class:`ACPSettings` lists. Files and
    terminals are the agent's own, none are offered to it. When its process has ended, the next turn starts another
    one, and loads the session where the agent can do that.
    """

    on_permission: PermissionDecider | None

    def __init__(self) -> None:
        self.on_permission = None
        self._settings: ACPSettings | None = None
        self._words: list[str] = []
        self._connection: ACPConnection | None = None
        self._home: Path | None = None
        self._identity = "acp"
        self._reader = ACPEvents()
        self._cancelled = threading.Event()
        self._turn = threading.Lock()

    @property
    def identity(self) -> str:
        """Name and version, as the agent tells them; after :meth:`initialize`."""
        return self._identity

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take the settings, start the agent and open a session.

        Raises:
            AgentUnavailable: the library or the program is missing, or it does not speak the protocol.
            ObraError: a setting is unknown.
        """
        settings = read_settings(ACPSettings, config, name="acp")
        self.cleanup()
        if importlib.util.find_spec("acp") is None:
            raise AgentUnavailable("the ACP agent needs a library that is not here: pip install 'obra[acp]'")
        self._words = _words_of(settings)
        try:
            Path(settings.workspace_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AgentUnavailable(
                f"the workspace {settings.workspace_dir} cannot be made: {error.strerror}; name another folder"
            ) from error
        self._home = Path(tempfile.mkdtemp(prefix="obra-acp-"))
        self._reader = ACPEvents()
        self._cancelled.clear()
        try:
            self._start(settings)
        except BaseException:
            self.cleanup()
            raise
        self._settings = settings

    def is_healthy(self) -> bool:
        """Tell whether the next prompt can be sent: the program and the workspace are there."""
        settings = self._settings
        return (
            settings is not None and os.access(self._words[0], os.X_OK) and Path(settings.workspace_dir).is_dir()
        )

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Run one turn in the session of the turns before.

        Raises:
            AgentUnavailable: it cannot be started, or cannot use its model API.
            AgentTimeout: the start, a silence or the turn took too long; the process is gone.
            AgentCrashed: it ended, or failed, before the turn was complete, or :meth:`cleanup` ended it.
        """
        with self._turn:
            settings = self._settings
            if settings is None:
                raise AgentUnavailable("the agent is not initialized; call initialize() first")
            started = time.monotonic()
            connection = self._connection
            if connection is None or not connection.is_alive():
                connection = self._start(settings)
            turn = ACPTurn(
                connection, settings, self._reader, decide=self.on_permission, cancelled=self._cancelled
            )
            limit = None
            try:
                limit = turn.run(prompt, limits or TurnLimits(), on_event)
            finally:
                if limit is None:
                    self._end(hopeless=True)
            reader = self._reader
            return Reply(
                text=reader.text,
                session=reader.session,
                seconds=time.monotonic() - started,
                turns=reader.turns,
                cost_usd=reader.cost_usd,
                tokens_in=reader.tokens_in,
                tokens_out=reader.tokens_out,
                limit=limit,
                denials=reader.denials,
            )

    def cleanup(self) -> None:
        """End the process with all it started and remove its private folders; safe to call twice."""
        self._cancelled.set()
        with self._turn:
            self._settings = None
            self._end()
            home, self._home = self._home, None
            if home is not None:
                remove_folder(home)

    def _start(self, settings: ACPSettings) -> ACPConnection:
        assert self._home is not None  # noqa: S101  # made in initialize
        connection = self._connection = ACPConnection(
            self._words,
            cwd=Path(settings.workspace_dir),
            environment=clean_environment(self._home, _variables(settings)),
            errors=self._home / "stderr.txt",
            name="the ACP agent",
        )
        self._identity, self._reader.session = open_session(connection, settings, self._reader.session)
        return connection

    def _end(self, *, hopeless: bool = False) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(hopeless=hopeless)


def _words_of(settings: ACPSettings) -> list[str]:
    """Return the command with the path of its program.

    Raises:
        AgentUnavailable: there is no such program.
    """
    try:
        words = shlex.split(settings.command)
    except ValueError as error:
        raise AgentUnavailable(
            f"agent.options.command is no command line ({error}): {settings.command}; mend its quotes"
        ) from error
    found = shutil.which(Path(words[0]).expanduser()) if words else None
    if found is None:
        raise AgentUnavailable(
            f"the ACP agent is not on this machine: no program {settings.command!r} on PATH. "
            f"Install one ({INSTALL}) or set agent.options.command to where it is"
        )
    return [str(Path(found).absolute()), *words[1:]]


def _variables(settings: ACPSettings) -> dict[str, str]:
    given = {
        settings.base_url_variable: settings.base_url,
        settings.api_key_variable: settings.api_key,
        settings.model_variable: settings.model,
    }
    passed = {name: os.environ[name] for name in settings.pass_environment if name in os.environ}
    set_here = {name: value for name, value in given.items() if value}
    return {**_QUIET, **settings.environment, **set_here, **passed}
