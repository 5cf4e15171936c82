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
from obra.agents.kept_session import KeptSession, is_written, note, touch
from obra.agents.settings import CLISettings, read_settings
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed, AgentUnavailable
from obra.events import AgentEvent, AgentEventSink
from obra.monitoring.event_lines import TurnReader
from obra.plugins import LeftBehind, TakenUp
from obra.workspace.private_folder import SESSION, make_private_folder, remove_private_folder

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
    KEEPS_SESSIONS: ClassVar[bool] = True
    """Whether it keeps sessions that can be gone on with after the death of its process."""
    SESSION_FILES: ClassVar[str] = ""
    """Pattern of the files below its HOME that hold the session with the id ``{session}``."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._executable = ""
        self._identity = self.NAME
        self._home: Path | None = None
        self._reader = self._new_reader()
        self._turn = threading.Lock()
        self._cancelled = threading.Event()
        self._confinement = Confinement()
        self._noted = ""
        self._is_taken_up = False

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
        self._home = make_private_folder(SESSION if self.KEEPS_SESSIONS else self.PROGRAM)
        self._noted = ""
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
            home = self._home
            touch(home)

            def heard(event: AgentEvent) -> None:
                self._note_session(home)
                if on_event is not None:
                    on_event(event)

            try:
                return self._run(self._settings, home, prompt, limits or TurnLimits(), heard)
            except AgentCrashed as error:
                if not self._is_taken_up or self._reader.lines:
                    raise
                self._reader.session = ""
                raise AgentCrashed(f"{error} The next prompt begins a new session") from error
            finally:
                self._is_taken_up = False

    @property
    def handle(self) -> str:
        """The id of the session, once it is told, and its home; see :meth:`take_up`."""
        if self._home is None or not self.KEEPS_SESSIONS:
            return ""
        return KeptSession(session=self._reader.session, home=self._home).handle

    def take_up(self, left: LeftBehind, on_event: AgentEventSink | None = None) -> TakenUp:
        """Let the next prompt go on with the session that was left behind, where the program still has it.

        That is so for a day after the kill, and where a person's own ``HOME`` is passed on. A turn is never
        adopted: the program dies with the process that started it.

        Raises:
            AgentUnavailable: the program cannot be started.
        """
        del on_event
        with self._turn:
            if self._settings is None or self._home is None:
                raise AgentUnavailable("the agent is not initialized; call initialize() first")
            kept = KeptSession.of(left.handle)
            if left.may_resume:
                self._close()
            self._home = kept.home_for(self._home, may_resume=left.may_resume)
            if not left.may_resume:
                return TakenUp()
            taken = self._go_on_with(kept, self._settings, self._home)
            self._is_taken_up = bool(taken.session)
            return taken

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

    def _go_on_with(self, kept: KeptSession, settings: Settings, home: Path) -> TakenUp:
        """Let the next turn go on with the session in *kept*, where it stands in the program's HOME."""
        passed = os.environ.get("HOME") if "HOME" in settings.pass_environment else None
        files = Path(passed or home).glob(self.SESSION_FILES.format(session=kept.session))
        taken = kept.taken_up(is_stored=is_written(kept.session, files))
        self._reader.session = taken.session
        return taken

    def _note_session(self, home: Path) -> None:
        if self.KEEPS_SESSIONS and self._reader.session not in ("", self._noted):
            self._noted = self._reader.session
            note(self._noted, home)

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
