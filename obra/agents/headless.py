"""HeadlessAgent: any program that is started once for each turn; what differs between them is in a subclass.

Around it are the same safeguards as around Claude Code: a private home, an allow-listed environment, three time
limits, a process tree that is swept, and a name for every way to fail.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from obra.agents.conversation import TurnClock
from obra.agents.settings import CLISettings, read_settings
from obra.agents.turn_process import TurnProcess
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentUnavailable, WorkspaceError
from obra.events import AgentEventSink
from obra.monitoring.event_lines import TurnReader
from obra.workspace.processes import clean_environment, run_command

TURNS_LIMIT = "max_turns"
"""Reply.limit of a turn that was ended after as many model calls as it was allowed."""
COST_LIMIT = "max_cost_usd"
"""Reply.limit of a turn that was ended since it had cost as much as it was allowed."""

_VERSION_OUTPUT = 4_000
_VERSION = re.compile(r"\d+\.\d+[\w.+-]*")
_UNREACHABLE = re.compile(
    r"unauthori[sz]ed|not logged in|log ?in|api[ _]key|\b40[13]\b|ECONN|ENOTFOUND|connection|unable to connect"
    r"|error sending request|fetch failed",
    re.IGNORECASE,
)
_identities: dict[tuple[str, int, int, str], str] = {}
"""Versions that were asked for already; starting some of these programs takes a second."""


class HeadlessAgent:
    """One process for each turn; a session is continued by its id, where the program has one."""

    NAME: ClassVar[str]
    """The agent, for people and for reports."""
    PROGRAM: ClassVar[str]
    """Usual name of the executable."""
    INSTALL: ClassVar[str]
    """How to get it."""
    SETTINGS: ClassVar[type[CLISettings]] = CLISettings
    """Dataclass of its settings."""

    def __init__(self) -> None:
        self._settings: CLISettings | None = None
        self._executable = ""
        self._identity = self.NAME
        self._home: Path | None = None
        self._reader = self._new_reader()
        self._process: TurnProcess | None = None
        self._turn = threading.Lock()

    @property
    def identity(self) -> str:
        """Name and version; the version after :meth:`initialize`."""
        return self._identity

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take the settings, find the program and ask for its version.

        Raises:
            AgentUnavailable: there is no such program, or it does not tell its version.
            ObraError: a setting is unknown.
        """
        settings = read_settings(self.SETTINGS, config, name=self.NAME)
        self.cleanup()
        self._executable = self._find(settings)
        self._identity = self._ask_version(settings)
        try:
            Path(settings.workspace_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AgentUnavailable(
                f"the workspace {settings.workspace_dir} cannot be made: {error.strerror}; name another folder"
            ) from error
        self._settings = settings
        self._reader = self._new_reader()

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
            settings = self._settings
            if settings is None:
                raise AgentUnavailable("the agent is not initialized; call initialize() first")
            return self._run(settings, prompt, limits or TurnLimits(), on_event)

    def cleanup(self) -> None:
        """End the turn that runs, if one does, and remove the private folders; safe to call twice."""
        process = self._process
        if process is not None:
            process.cancel()
        with self._turn:
            home, self._home = self._home, None
            self._settings = None
            if home is not None:
                remove_folder(home)

    def _new_reader(self) -> TurnReader:
        raise NotImplementedError

    def _command(self, settings: CLISettings, prompt: str, home: Path) -> list[str]:
        """Return the arguments of the next turn; ``self._reader.session`` is the session to continue."""
        raise NotImplementedError

    def _variables(self, settings: CLISettings, home: Path) -> Mapping[str, str]:
        """Return the variables that the program needs; its configuration is written to *home* here."""
        raise NotImplementedError

    def _input(self, settings: CLISettings, prompt: str) -> bytes:  # noqa: ARG002  # for those who override it
        """Return what goes to standard input."""
        return prompt.encode()

    def _failure(self, exit_code: int | None, errors: str) -> AgentError | None:
        """Return why the turn did not end well."""
        reader = self._reader
        shown = f" On standard error: {errors}" if errors else ""
        if reader.failure:
            kind = AgentUnavailable if is_unreachable(reader.failure) and not reader.text else AgentCrashed
            return kind(f"{self.NAME} could not finish the turn: {reader.failure}{shown}")
        if not reader.is_complete or exit_code != 0:
            how = "did not end" if exit_code is None else f"ended with exit code {exit_code}"
            when = "after" if reader.is_complete else "before"
            return AgentCrashed(
                f"{self.NAME} {how}, {when} the turn was complete ({reader.last_seen()}).{shown or ' No errors.'}"
            )
        return None

    def _run(
        self, settings: CLISettings, prompt: str, limits: TurnLimits, on_event: AgentEventSink | None
    ) -> Reply:
        reader, started = self._reader, time.monotonic()
        reader.begin()
        home = self._home = self._home or Path(tempfile.mkdtemp(prefix=f"obra-{self.PROGRAM}-"))
        passed = {name: os.environ[name] for name in settings.pass_environment if name in os.environ}
        environment = clean_environment(home, {**self._variables(settings, home), **passed})
        process = self._process = TurnProcess(
            self._command(settings, prompt, home),
            cwd=Path(settings.workspace_dir),
            environment=environment,
            name=self.NAME,
            prompt=self._input(settings, prompt),
        )
        clock = TurnClock.of(
            ready=settings.timeout_ready, idle=settings.timeout_response, total=settings.timeout, limits=limits
        )

        def take(line: bytes) -> None:
            for event in reader.feed(line):
                if on_event is not None:
                    on_event(event)

        try:
            code = process.read(
                clock, take, is_over=lambda: bool(self._limit(settings, limits)), last_seen=reader.last_seen
            )
        finally:
            self._process = None
        limit = reader.limit or self._limit(settings, limits)
        failure = None if limit else self._failure(code, process.errors())
        if failure is not None:
            raise failure
        return self._reply(time.monotonic() - started, limit)

    def _limit(self, settings: CLISettings, limits: TurnLimits) -> str:
        """Name the limit that the turn has passed, as far as the output tells."""
        reader = self._reader
        if reader.is_complete:
            return ""
        if (reader.turns or 0) > (limits.turns or settings.max_turns):
            return TURNS_LIMIT
        if limits.cost_usd is not None and (reader.cost_usd or 0.0) > limits.cost_usd:
            return COST_LIMIT
        return ""

    def _reply(self, seconds: float, limit: str) -> Reply:
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

    def _find(self, settings: CLISettings) -> str:
        return self._program(settings.command or self.PROGRAM)

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

    def _ask_version(self, settings: CLISettings) -> str:
        """Return name and version; the program is asked once for each state of its file."""
        file = Path(self._executable).resolve()
        status = file.stat()
        key = (str(file), status.st_size, status.st_mtime_ns, self.NAME)
        if key not in _identities:
            text = version_text(self._executable, seconds=settings.timeout_ready)
            match = _VERSION.search(text)
            if match is None:
                raise AgentUnavailable(
                    f"{self._executable!r} does not answer --version as {self.NAME} does, but {text[:80]!r}; "
                    f"set agent.options.command to the real one, or install it: {self.INSTALL}"
                )
            _identities[key] = f"{self.NAME} {match[0]}"
        return _identities[key]


def version_text(executable: str, *, seconds: float) -> str:
    """Return what ``--version`` prints.

    Raises:
        AgentUnavailable: it cannot be run, or does not answer in time.
    """
    with tempfile.TemporaryDirectory(prefix="obra-version-") as folder:
        try:
            result = run_command(
                [executable, "--version"],
                cwd=Path(folder),
                environment=clean_environment(Path(folder)),
                timeout=seconds,
                max_output=_VERSION_OUTPUT,
            )
        except WorkspaceError as error:
            raise AgentUnavailable(f"{executable!r} cannot be started: {error}") from error
    if result.timed_out:
        raise AgentUnavailable(
            f"{executable!r} did not answer --version within {seconds:g} s; set agent.options.command to the real "
            f"one, or raise timeout_ready"
        )
    return result.output.strip()


def is_unreachable(failure: str) -> bool:
    """Tell a model API that cannot be used at all from other failures; *failure* is the program's own text."""
    return bool(_UNREACHABLE.search(failure))


def remove_folder(folder: Path) -> None:
    """Remove a private folder, with what tools left in it without write permission, such as module caches."""

    def make_removable(function: Callable[..., Any], path: str, _: object) -> None:
        Path(path).parent.chmod(0o700)
        if not Path(path).is_symlink():
            Path(path).chmod(0o700)
        function(path)

    shutil.rmtree(folder, onerror=make_removable)
