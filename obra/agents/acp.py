"""ACPAgent: any agent that speaks the Agent Client Protocol, as one process for all turns of a task."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from obra.agents.acp_connection import ACPConnection
from obra.agents.acp_turn import ACPSettings, ACPTurn, open_session
from obra.agents.claude_code import API_RETRIES
from obra.agents.cli_agent import CLIAgent
from obra.agents.kept_session import KeptSession
from obra.agents.settings import words_of
from obra.domain import Reply, TurnLimits
from obra.errors import AgentUnavailable
from obra.events import AgentEventSink
from obra.monitoring.acp_events import ACPEvents
from obra.plugins import ContractCase, PermissionDecider, TakenUp
from obra.workspace.processes import clean_environment

INSTALL = "npm install -g @zed-industries/claude-code-acp@0.16.2"
_QUIET = {
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": API_RETRIES,
}
"""For the agent that is Claude Code; nobody else looks at them."""


class ACPAgent(CLIAgent[ACPSettings, ACPEvents]):
    """Any agent that speaks ACP; seen to work with ``@zed-industries/claude-code-acp`` 0.16.2.

    It needs the extra ``obra[acp]``. ``agent.options`` may hold what :class:`ACPSettings` lists. Files and
    terminals are the agent's own, none are offered to it. When its process has ended, the next turn starts another
    one, and loads the session where the agent can do that.
    """

    NAME = "acp"
    PROGRAM = "acp"
    INSTALL = INSTALL
    SETTINGS = ACPSettings

    contract_exceptions: ClassVar[Mapping[ContractCase, str]] = {
        ContractCase.COST_LIMIT: "an agent need not tell what it costs, and claude-code-acp 0.16.2 does not"
    }

    on_permission: PermissionDecider | None

    def __init__(self) -> None:
        super().__init__()
        self.on_permission = None
        self._words: list[str] = []
        self._connection: ACPConnection | None = None

    def _new_reader(self) -> ACPEvents:
        return ACPEvents()

    def _find(self, settings: ACPSettings) -> str:
        if importlib.util.find_spec("acp") is None:
            raise AgentUnavailable("the ACP agent needs a library that is not here: pip install 'obra[acp]'")
        words = words_of(settings.command)
        executable = self._program(words[0] if words else "")
        self._words = [executable, *words[1:]]
        return executable

    def _open(self, settings: ACPSettings, home: Path) -> str:
        self._start(settings, home)
        return self._identity

    def _run(
        self, settings: ACPSettings, home: Path, prompt: str, limits: TurnLimits, on_event: AgentEventSink | None
    ) -> Reply:
        started = time.monotonic()
        connection = self._connection
        if connection is None or not connection.is_alive():
            self._close()
            connection = self._start(settings, home)
        turn = ACPTurn(connection, settings, self._reader, decide=self.on_permission, cancelled=self._cancelled)
        limit = None
        try:
            limit = turn.run(prompt, limits, on_event)
        finally:
            if limit is None:
                self._close(hopeless=True)
        return self._reply(time.monotonic() - started, limit)

    def _start(self, settings: ACPSettings, home: Path) -> ACPConnection:
        environment = clean_environment(home, _variables(settings))
        connection = self._connection = ACPConnection(
            self._confined(settings, self._words, environment, home),
            cwd=Path(settings.workspace_dir),
            environment=environment,
            errors=home / "stderr.txt",
            name="the ACP agent",
        )
        self._identity, self._reader.session = open_session(connection, settings, self._reader.session)
        return connection

    def _go_on_with(self, kept: KeptSession, settings: ACPSettings, home: Path) -> TakenUp:
        """Load the session in *kept*, or open a new one; the agent alone can tell whether it has it."""
        self._reader.session = kept.session
        try:
            self._start(settings, home)
        except AgentUnavailable as error:
            self._close(hopeless=True)
            self._reader.session = ""
            return TakenUp(why=str(error))
        if self._reader.session != kept.session:
            return TakenUp(why=f"{self._identity} does not load sessions")
        return TakenUp(session=kept.session)

    def _close(self, *, hopeless: bool = False) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(hopeless=hopeless)


def _variables(settings: ACPSettings) -> dict[str, str]:
    given = {
        settings.base_url_variable: settings.base_url,
        settings.api_key_variable: settings.api_key,
        settings.model_variable: settings.model,
    }
    passed = {name: os.environ[name] for name in settings.pass_environment if name in os.environ}
    set_here = {name: value for name, value in given.items() if value}
    return {**_QUIET, **settings.environment, **set_here, **passed}
