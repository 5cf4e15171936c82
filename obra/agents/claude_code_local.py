"""ClaudeCodeLocalAgent: the real Claude Code as a process on this machine, one for all turns of a task."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from obra.agents.claude_code import (
    INSTALL_HINT,
    ClaudeCodeSettings,
    Launch,
    command_line,
    environment_of,
    identity_of,
    session_argument,
)
from obra.agents.claude_code_session import ClaudeCodeSession, Program
from obra.agents.confinement import Confinement, Places
from obra.agents.kept_session import KeptSession, touch
from obra.agents.program_version import version_text
from obra.agents.wire import PipeWire
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed, AgentUnavailable, ObraError, WorkspaceError
from obra.events import AgentEventSink
from obra.plugins import LeftBehind, PermissionDecider, TakenUp
from obra.workspace.ctrl_c import ctrl_c_waits
from obra.workspace.private_folder import SESSION, make_private_folder, remove_private_folder
from obra.workspace.processes import AGENT, ProcessTree, clean_environment

DEFAULT_BASE_URL = "https://api.anthropic.com"
"""Where Claude Code finds its model unless it is told otherwise."""
TRANSPORTS = ("pipe", "terminal")
_END_OF_INPUT_SECONDS = 3.0
"""Seconds that Claude Code gets to end by itself when its input ends; 0.02 to 0.07 are usual."""
_HANGING_SECONDS = 0.2
"""The same, when there is no hope that it does."""


class LocalProgram:
    """Claude Code as a process tree of ours; see :class:`obra.agents.claude_code_session.Program`."""

    def __init__(self, command: list[str], *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Start *command* with all three pipes.

        Raises:
            WorkspaceError: the program or *cwd* is not there.
        """
        pipe = subprocess.PIPE
        with ExitStack() as undo:  # whatever a handler raises: nobody else knows of what has started
            with ctrl_c_waits():
                self.tree = ProcessTree(
                    command, cwd=cwd, environment=environment, stdin=pipe, stdout=pipe, stderr=pipe
                )
                undo.callback(self.tree.sweep)
                process = self.tree.process
                assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018  # asked for; for mypy
                self.wire = PipeWire(process.stdin, process.stdout, process.stderr)
                undo.callback(self.end, hopeless=True)
            undo.pop_all()

    def is_alive(self) -> bool:
        """Tell whether it can take another prompt."""
        return self.tree.process.poll() is None

    def exit_code(self, seconds: float) -> int | None:
        """Wait at most *seconds* for its end; ``None`` when it has not ended."""
        return self.tree.wait(seconds)

    def end(self, *, hopeless: bool) -> None:
        """Wait for it to end by itself, then make it; sweep what it left behind and close the pipes."""
        try:
            if self.tree.wait(_HANGING_SECONDS if hopeless else _END_OF_INPUT_SECONDS) is None:
                self.tree.stop(AGENT)
        finally:
            self.tree.sweep()
            self.wire.close()


class ClaudeCodeLocalAgent:
    """Claude Code over pipes, or the interactive one in a terminal of ours (setting ``transport``).

    Nothing runs before the first prompt; then one process serves all turns.

    The process has a private HOME, configuration and temporary folder and sees no variable of ours but those that
    ``pass_environment`` names. To use a person's own login, set no ``base_url`` and no ``api_key`` and pass
    ``HOME`` on (and ``CLAUDE_CONFIG_DIR``, where the person has one), or pass ``ANTHROPIC_API_KEY``.

    When the process has ended, or a limit of the turn is one that is only told at its start (``turns``,
    ``cost_usd``), the next prompt starts another one which resumes the session; that costs some 0.3 seconds.
    """

    def __init__(self) -> None:
        self._settings: ClaudeCodeSettings | None = None
        self._session: ClaudeCodeSession | None = None
        self._executable = ""
        self._identity = "claude-code"
        self.on_permission: PermissionDecider | None = None
        self._home: Path | None = None
        self._confinement = Confinement()

    @property
    def sandbox(self) -> str:
        """What confines it, for reports: ``none``, or name and version; after :meth:`initialize`."""
        return self._confinement.told

    @property
    def identity(self) -> str:
        """Name and version, such as ``claude-code 2.1.330``; the version after :meth:`initialize`."""
        return self._identity

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take the settings of :class:`ClaudeCodeSettings`, find the program and ask for its version.

        Raises:
            AgentUnavailable: there is no such program, it is not Claude Code, or it is too old.
            ObraError: a setting is unknown.
        """
        settings = ClaudeCodeSettings.read(config)
        if settings.transport not in TRANSPORTS:
            raise ObraError(f"transport must be one of {', '.join(TRANSPORTS)}; it is {settings.transport!r}")
        if settings.transport == "terminal":
            from obra.agents.terminal_screen import TerminalScreen

            TerminalScreen()  # says what is not installed
        self.cleanup()
        executable = shutil.which(Path(settings.command).expanduser())
        if executable is None:
            raise AgentUnavailable(
                f"Claude Code is not on this machine: no program {settings.command!r} on PATH. "
                f"Install it ({INSTALL_HINT}) or set agent.local.command to where it is"
            )
        self._executable = str(Path(executable).absolute())
        self._confinement = Confinement(settings.sandbox, settings.sandbox_network)
        cure = f"set agent.local.command to the real one, or install it: {INSTALL_HINT}"
        told = version_text(self._executable, seconds=settings.timeout_ready, name="Claude Code", cure=cure)
        self._identity = identity_of(told, settings.command)
        try:
            Path(settings.workspace_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AgentUnavailable(
                f"the workspace {settings.workspace_dir} cannot be made: {error.strerror}; name another folder"
            ) from error
        self._settings = settings
        self._session = ClaudeCodeSession(settings, self._start)

    def is_healthy(self) -> bool:
        """Tell whether the next prompt can be sent: the program and the workspace are there."""
        return (
            self._settings is not None
            and os.access(self._executable, os.X_OK)
            and Path(self._settings.workspace_dir).is_dir()
        )

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Run one turn in the session of the turns before.

        Raises:
            AgentUnavailable: it cannot be started, or cannot use its model API.
            AgentTimeout: the start, a silence or the turn took too long; the process is gone.
            AgentCrashed: it ended, or failed, before the turn was complete.
        """
        if self._session is None:
            raise AgentUnavailable("the agent is not initialized; call initialize() first")
        self._session.on_permission = self.on_permission
        touch(self._private_home())
        return self._session.send(prompt, limits or TurnLimits(), on_event)

    @property
    def handle(self) -> str:
        """The id of the session and its private home, for a later process; see :meth:`take_up`.

        The home is named before the first turn, so that a turn that is broken off in it can be found.
        """
        if self._session is None:
            return ""
        return KeptSession(session=self._session.id, home=self._private_home()).handle

    def take_up(self, left: LeftBehind, on_event: AgentEventSink | None = None) -> TakenUp:
        """Let the next prompt resume the session that was left behind, where Claude Code still has it.

        That is so where a person's own ``HOME`` is passed on, and for a day after a process that made a private
        one was killed, which then becomes ours. A turn is never adopted: Claude Code dies with the process that
        started it.
        """
        del on_event
        if self._session is None or self._settings is None:
            raise AgentUnavailable("the agent is not initialized; call initialize() first")
        kept = KeptSession.of(left.handle)
        self._home = kept.home_for(self._private_home(), may_resume=left.may_resume)
        if not left.may_resume:
            return TakenUp()
        self._session.id = kept.session or self._session.id
        return kept.taken_up(is_stored=_is_stored(kept.session, self._environment(self._settings, self._home)))

    def cleanup(self) -> None:
        """End the process with all it started and remove its private folders; safe to call twice.

        From another thread, in the middle of a turn, it interrupts the turn first; that takes under a second.
        """
        session, self._session = self._session, None
        home, self._home = self._home, None
        self._settings = None
        if session is not None:
            session.close()
        self._confinement.close()
        if home is not None:
            remove_private_folder(home)

    def _start(self, launch: Launch, session: str) -> Program:
        settings = self._settings
        if settings is None:
            raise AgentCrashed("the agent was cleaned up before its turn began")
        home = self._private_home()
        passed = _passed(settings)
        environment = self._environment(settings, home)
        named = session_argument(session, is_stored=_is_stored(session, environment))
        cwd = Path(settings.workspace_dir)
        try:
            if settings.transport == "terminal":
                from obra.agents.claude_code_terminal import TerminalProgram, prepare, terminal_command_line

                records = prepare(settings, launch, home=home, environment=environment)
                command = terminal_command_line(settings, records, executable=self._executable, session=named)
                command = self._confined(settings, command, environment, passed)
                budget = launch.budget_usd
                return TerminalProgram(
                    command, cwd=cwd, environment=environment, records=records, budget_usd=budget
                )
            command = command_line(settings, launch, executable=self._executable, session=named)
            command = self._confined(settings, command, environment, passed)
            return LocalProgram(command, cwd=cwd, environment=environment)
        except WorkspaceError as error:
            raise AgentUnavailable(f"Claude Code cannot be started: {error}") from error

    def _environment(self, settings: ClaudeCodeSettings, home: Path) -> dict[str, str]:
        return clean_environment(home, environment_of(settings, str(home), _passed(settings)))

    def _private_home(self) -> Path:
        if self._home is None:
            self._home = make_private_folder(SESSION)
        return self._home

    def _confined(
        self,
        settings: ClaudeCodeSettings,
        command: list[str],
        environment: dict[str, str],
        passed: Mapping[str, str],
    ) -> list[str]:
        """Return *command* as it is run in the sandbox; *environment* gets what that needs.

        Where a person's own HOME is passed on, their Claude Code login in it can be read and renewed.
        """
        assert self._home is not None  # noqa: S101  # made before; tells mypy so
        writable = [Path(passed["HOME"], name) for name in (".claude", ".claude.json")] if "HOME" in passed else []
        places = Places(
            workspace=Path(settings.workspace_dir),
            home=self._home,
            program=Path(self._executable),
            writable=tuple(writable),
        )
        url = settings.base_url or environment.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
        return self._confinement.command(command, environment, places, model_url=url)


def _passed(settings: ClaudeCodeSettings) -> dict[str, str]:
    return {name: os.environ[name] for name in settings.pass_environment if name in os.environ}


def _is_stored(session: str, environment: Mapping[str, str]) -> bool:
    """Tell whether Claude Code has written *session* down, so that it can be resumed."""
    folder = environment.get("CLAUDE_CONFIG_DIR") or f"{environment['HOME']}/.claude"
    return any(Path(folder, "projects").glob(f"*/{session}.jsonl"))
