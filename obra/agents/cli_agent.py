"""CLIAgent: what the adapters of programs share around their turns, however a program is spoken to."""

from __future__ import annotations

import os
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from obra.agents.confinement import Confinement, Places
from obra.agents.settings import CLISettings, read_settings
from obra.domain import Reply, TurnLimits
from obra.errors import AgentUnavailable
from obra.events import AgentEventSink
from obra.monitoring.event_lines import TurnReader
from obra.workspace.private_folder import make_private_folder, remove_private_folder

TURNS_LIMIT = "max_turns"
"""Reply.limit of a turn that was ended after as many model calls as it was allowed."""
COST_LIMIT = "max_cost_usd"
"""Reply.limit of a turn that was ended since it had cost as much as it was allowed."""

Settings = TypeVar("Settings", bound=CLISettings)
Reader = TypeVar("Reader", bound=TurnReader)


class CLIAgent(ABC, Generic[Settings, Reader]):
    """A program, its settings and its private home; one turn at a time, which :meth:`cleanup` breaks off."""

    NAME: ClassVar[str]
    """The agent, for people and for reports."""
    PROGRAM: ClassVar[str]
    """Usual name of the executable."""
    INSTALL: ClassVar[str]
    """How to get it."""
    SETTINGS: type[Settings]
    """Dataclass of its settings."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._executable = ""
        self._identity = self.NAME
        self._home: Path | None = None
        self._reader = self._new_reader()
        self._turn = threading.Lock()
        self._cancelled = threading.Event()
        self._confinement = Confinement()

    @property
    def identity(self) -> str:
        """Name and version; the version after :meth:`initialize`."""
        return self._identity

    @property
    def sandbox(self) -> str:
        """What confines it, for reports: ``none``, or name and version; after :meth:`initialize`."""
        return self._confinement.told

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take the settings, find the program and learn its version.

        Raises:
            AgentUnavailable: there is no such program, or it is another one.
            ObraError: a setting is unknown.
        """
        settings = read_settings(self.SETTINGS, config, name=self.NAME)
        self.cleanup()
        self._executable = self._find(settings)
        self._confinement = Confinement(settings.sandbox, settings.sandbox_network)
        try:
            Path(settings.workspace_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AgentUnavailable(
                f"the workspace {settings.workspace_dir} cannot be made: {error.strerror}; name another folder"
            ) from error
        self._reader = self._new_reader()
        self._home = make_private_folder(self.PROGRAM)
        self._cancelled.clear()
        try:
            self._identity = self._open(settings, self._home)
        except BaseException:
            self.cleanup()
            raise
        self._settings = settings

    def is_healthy(self) -> bool:
        """Tell whether the next prompt can be sent: the program and the workspace are there."""
        settings = self._settings
        return (
            settings is not None and os.access(self._executable, os.X_OK) and Path(settings.workspace_dir).is_dir()
        )

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Run one turn, in the session of the turns before.

        Raises:
            AgentUnavailable: it cannot be started, or cannot use its model API.
            AgentTimeout: the start, a silence or the turn took too long; the process is gone.
            AgentCrashed: it ended, or failed, before the turn was complete, or :meth:`cleanup` ended it.
        """
        with self._turn:
            if self._settings is None or self._home is None:
                raise AgentUnavailable("the agent is not initialized; call initialize() first")
            return self._run(self._settings, self._home, prompt, limits or TurnLimits(), on_event)

    def cleanup(self) -> None:
        """End the turn that runs, if one does, with its process, and remove the private folders; safe twice."""
        self._cancelled.set()
        with self._turn:
            self._settings = None
            self._close()
            self._confinement.close()
            home, self._home = self._home, None
            if home is not None:
                remove_private_folder(home)

    @abstractmethod
    def _new_reader(self) -> Reader:
        """Return what reads the program's dialect."""

    @abstractmethod
    def _find(self, settings: Settings) -> str:
        """Return the path of the program; raise AgentUnavailable when there is none."""

    @abstractmethod
    def _open(self, settings: Settings, home: Path) -> str:
        """Make ready for the first turn; return name and version."""

    @abstractmethod
    def _run(
        self, settings: Settings, home: Path, prompt: str, limits: TurnLimits, on_event: AgentEventSink | None
    ) -> Reply:
        """Run one turn; raise AgentCrashed soon after ``self._cancelled`` is set."""

    @abstractmethod
    def _close(self) -> None:
        """End what lives between the turns."""

    def _confined(
        self, settings: Settings, command: list[str], environment: dict[str, str], home: Path
    ) -> list[str]:
        """Return *command* as it is run in the sandbox, if there is one; *environment* gets what that needs."""
        places = Places(workspace=Path(settings.workspace_dir), home=home, program=Path(self._executable))
        return self._confinement.command(command, environment, places, model_url=settings.base_url)

    def _program(self, command: str) -> str:
        """Return the path of a program.

        Raises:
            AgentUnavailable: there is none of that name.
        """
        found = shutil.which(Path(command).expanduser())
        if found is None:
            raise AgentUnavailable(
                f"{self.NAME} is not on this machine: no program {command!r} on PATH. "
                f"Install it ({self.INSTALL}) or set agent.options.command to where it is"
            )
        return str(Path(found).absolute())

    def _reply(self, seconds: float, limit: str) -> Reply:
        """Return what the reader has read, as the reply of a turn that *limit* may have ended."""
        reader = self._reader
        return Reply(
            text=reader.text,
            session=reader.session,
            seconds=seconds,
            turns=reader.turns,
            cost_usd=reader.cost_usd,
            tokens_in=reader.tokens_in,
            tokens_out=reader.tokens_out,
            limit=limit,
            denials=reader.denials,
        )


def passed_limit(reader: TurnReader, settings: CLISettings, limits: TurnLimits) -> str:
    """Name the limit that the turn has passed, as far as the output tells; empty for none."""
    if reader.is_complete:
        return ""
    if (reader.turns or 0) > (limits.turns or settings.max_turns):
        return TURNS_LIMIT
    if limits.cost_usd is not None and (reader.cost_usd or 0.0) > limits.cost_usd:
        return COST_LIMIT
    return ""
