"""ClaudeCodeSSHAgent: the real Claude Code on another machine; the workspace travels there and back each turn."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from obra.agents.claude_code import (
    INSTALL_HINT,
    ClaudeCodeSettings,
    Launch,
    command_line,
    environment_of,
    identity_of,
    session_argument,
)
from obra.agents.claude_code_session import ClaudeCodeSession
from obra.agents.conversation import NOBODY_TO_ASK, TurnClock
from obra.agents.ssh_connection import SSHConnection, quoted
from obra.agents.ssh_far_side import FarSide, make_folder
from obra.agents.ssh_link import SSHLink
from obra.agents.ssh_program import RemoteProgram
from obra.agents.ssh_tunnel import ReverseTunnel
from obra.agents.ssh_workspace import fetch_workspace, send_workspace
from obra.domain import PermissionAnswer, PermissionRequest, Reply, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentTimeout, AgentUnavailable
from obra.events import AgentEventSink
from obra.plugins import PermissionDecider

_COMMAND_SECONDS = 30.0
_NO_PROGRAM = 9
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BASE_URL = "ANTHROPIC_BASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeCodeSSHSettings(ClaudeCodeSettings):
    """The settings of :class:`ClaudeCodeSettings`, and how to reach the other machine."""

    host: str = ""
    port: int = 22
    user: str = ""
    key_file: str | None = None
    known_hosts: str | None = None
    fingerprint: str | None = None
    remote_dir: str = ""
    python: str = "python3"
    timeout_connect: float = 15
    lease: float = 60
    """Seconds that a lost link is tried again, and after which the other side gives us up."""
    tunnel: bool = False
    """``base_url`` is an address on this machine; the other one reaches it through the connection."""


class ClaudeCodeSSHAgent:
    """Claude Code on another machine, in a private folder there that is removed afterwards.

    A runner, uploaded and started there apart from any connection, starts the program, writes down what it prints
    and hands it what we send. So a connection that breaks, freezes or is restarted in the middle of a turn is only
    logged in again, for at most ``lease`` seconds, and the turn goes on where it was; no prompt is sent twice.
    When nothing is heard of us for ``lease`` seconds, the runner ends the program and everything it started.

    Before each turn the workspace is sent whole and after it fetched whole, also after one that failed; what is
    there after the turn replaces the local content, symlinks and modes included.

    Without ``base_url`` and ``api_key`` it uses the login of the remote user in their HOME. With them its HOME is
    private. ``pass_environment`` names variables of the *remote* login; a ``base_url`` must be reachable there,
    unless ``tunnel`` leads to it. The other machine needs a POSIX shell, tar, Python 3.8 or newer, and /proc.
    """

    def __init__(self) -> None:
        self._settings: ClaudeCodeSSHSettings | None = None
        self._link: SSHLink | None = None
        self._session: ClaudeCodeSession | None = None
        self._program: RemoteProgram | None = None
        self._tunnel: ReverseTunnel | None = None
        self._clock: TurnClock | None = None
        self._far = FarSide(python="", folder="", marker="")
        self._executable = ""
        self._identity = "claude-code"
        self.on_permission: PermissionDecider | None = None

    @property
    def identity(self) -> str:
        """Name, version and host, such as ``claude-code 2.1.330 on build-1``; after :meth:`initialize`."""
        return self._identity

    @property
    def remote_workspace(self) -> str:
        """Absolute path of the workspace on the other machine; after :meth:`initialize`."""
        return f"{self._far.folder}/workspace"

    @property
    def reconnects(self) -> int:
        """How often the link came back under the program that runs now, or ran last."""
        return self._program.wire.reconnects if self._program else 0

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take the settings of :class:`ClaudeCodeSSHSettings`, log in, make the folder, ask for the version.

        Raises:
            AgentUnavailable: the machine, the login or the program is not there, or it is too old.
            ObraError: a setting is unknown.
        """
        settings = ClaudeCodeSSHSettings.read(config)
        assert isinstance(settings, ClaudeCodeSSHSettings)  # noqa: S101  # read makes its own class; tells mypy so
        self.cleanup()
        if not settings.host:
            raise AgentUnavailable("no machine to log in to; set agent.ssh.host")
        self._link = SSHLink(lambda: _log_in(settings), settings.lease)
        self._settings = settings
        try:
            self._prepare(settings, self._link.connection)
            if settings.tunnel:
                self._tunnel = ReverseTunnel(settings.base_url or "")
                self._tunnel.port_on(self._link.connection)
        except AgentError as error:
            self._give_up(error)
        self._session = ClaudeCodeSession(settings, self._start, section="agent.ssh")

    def is_healthy(self) -> bool:
        """Tell whether the connection is alive and the local workspace is there."""
        return (
            self._session is not None
            and self._settings is not None
            and Path(self._settings.workspace_dir).is_dir()
            and self._link is not None
            and self._link.connection.is_alive()
        )

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Send the workspace, run one turn, and fetch the workspace.

        Raises:
            AgentError: as the local agent; AgentCrashed also when the connection was lost and did not come back,
                and when another thread has called :meth:`cleanup`.
        """
        if self._session is None or self._settings is None or self._link is None:
            raise AgentUnavailable("the agent is not initialized; call initialize() first")
        session, link, local = self._session, self._link, Path(self._settings.workspace_dir)
        session.on_permission = self._decide
        link.do(lambda connection: send_workspace(connection, self.remote_workspace, local))
        try:
            with self._turn(self._settings, limits or TurnLimits()):
                reply = session.send(prompt, limits or TurnLimits(), on_event)
        except (AgentCrashed, AgentTimeout) as error:
            if self._session is not session:
                raise AgentCrashed(f"the agent was cleaned up in the middle of its turn ({error})") from error
            if link.connection.is_alive():  # what a broken turn has done counts too
                fetch_workspace(link.connection, self.remote_workspace, local)
            raise
        link.do(lambda connection: fetch_workspace(connection, self.remote_workspace, local))
        return reply

    def read_text(self, path: str) -> str | None:
        """Return the text of the file at an absolute *path* on the other machine; ``None`` when there is none.

        Raises:
            AgentCrashed: the connection is lost.
        """
        if self._link is None:
            return None
        file = shlex.quote(path)
        command = f"[ -f {file} ] && exec cat -- {file}"
        code, text = self._link.do(lambda connection: connection.run(command, seconds=_COMMAND_SECONDS))
        return text if code == 0 else None

    def cleanup(self) -> None:
        """End what runs there, remove the folder there and log out; safe to call twice, and from another thread.

        Raises:
            AgentError: the machine cannot be reached any more; the message says what may be left there.
        """
        settings, self._settings = self._settings, None
        session, self._session = self._session, None
        link, self._link = self._link, None
        tunnel, self._tunnel = self._tunnel, None
        self._program = None
        if link is None or settings is None:
            return
        try:
            if session is not None:
                session.close()
            link.do(self._remove_folder, patience=0)
        except AgentError as error:
            left = (
                f"the folder {self._far.folder} may be left on {settings.host}, and for {settings.lease:g} s "
                f"processes with OBRA_RUN_ID={self._far.marker}"
            )
            raise type(error)(f"{error}; {left}") from error
        finally:
            if tunnel is not None:
                tunnel.close()
            link.close()

    def _give_up(self, error: AgentError) -> NoReturn:
        try:
            self.cleanup()
        except AgentError as left:
            raise AgentUnavailable(f"{error} ({left})") from error
        raise AgentUnavailable(str(error)) from error

    def _remove_folder(self, connection: SSHConnection) -> None:
        if self._far.folder:
            folder = shlex.quote(self._far.folder)
            connection.run(f"chmod -R u+rwX {folder}; rm -rf -- {folder}", seconds=_COMMAND_SECONDS)

    def _prepare(self, settings: ClaudeCodeSSHSettings, connection: SSHConnection) -> None:
        self._far = make_folder(connection, settings.remote_dir, python=settings.python, host=settings.host)
        self._far.upload(connection)
        find = f'p=$(command -v -- {shlex.quote(settings.command)}) || exit {_NO_PROGRAM}; echo "$p"'
        ask = f'{find}; exec "$p" --version </dev/null'
        code, output = connection.run(quoted(["sh", "-c", ask]), seconds=settings.timeout_ready)
        if code == _NO_PROGRAM:
            raise AgentUnavailable(
                f"Claude Code is not on {settings.host}: no program {settings.command!r} there. Install it there "
                f"({INSTALL_HINT}) or set agent.ssh.command to where it is"
            )
        self._executable, _, output = output.partition("\n")
        name = identity_of(output, settings.command, key="agent.ssh.command")
        self._identity = f"{name} on {settings.host}"

    def _start(self, launch: Launch, session: str) -> RemoteProgram:
        settings, link = self._settings, self._link
        if settings is None or link is None:
            raise AgentCrashed("the agent was cleaned up before its turn began")
        home = f"{self._far.folder}/home"
        variables = {
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "TMPDIR": f"{home}/tmp",  # noqa: S108  # in the private folder
            **environment_of(settings, home, {}),
        }
        keep = ["PATH", *(name for name in settings.pass_environment if _NAME.fullmatch(name))]
        if settings.base_url or settings.api_key:
            variables["HOME"] = home
        else:
            del variables["CLAUDE_CONFIG_DIR"]
            keep.append("HOME")
        was_begun = self._program is not None
        is_stored = was_begun and link.do(lambda connection: self._far.has_session(connection, session))
        self._program = RemoteProgram(
            link,
            self._far,
            command_line(
                settings,
                launch,
                executable=self._executable,
                session=session_argument(session, is_stored=is_stored),
            ),
            cwd=self.remote_workspace,
            environment=variables,
            keep=keep,
            lease=settings.lease,
            tunnel=(_BASE_URL, self._tunnel) if self._tunnel else None,
        )
        if self._clock is not None:
            self._program.begin_turn(self._clock)
        return self._program

    @contextlib.contextmanager
    def _turn(self, settings: ClaudeCodeSSHSettings, limits: TurnLimits) -> Iterator[None]:
        """Let the runner know the limits of the turn while it lasts."""
        self._clock = TurnClock.of(
            ready=settings.timeout_ready, idle=settings.timeout_response, total=settings.timeout, limits=limits
        )
        if self._program is not None:
            self._program.begin_turn(self._clock)
        try:
            yield
        finally:
            self._clock = None
            if self._program is not None:
                self._program.end_turn()

    def _decide(self, request: PermissionRequest) -> PermissionAnswer:
        """Let the loop decide, while the clocks of the runner stand still."""
        if self.on_permission is None:
            return NOBODY_TO_ASK
        program = self._program
        if program is not None:
            program.pause_turn(is_paused=True)
        try:
            return self.on_permission(request)
        finally:
            if program is not None:
                program.pause_turn(is_paused=False)


def _log_in(settings: ClaudeCodeSSHSettings) -> SSHConnection:
    return SSHConnection(
        settings.host,
        port=settings.port,
        user=settings.user,
        key_file=settings.key_file,
        known_hosts=settings.known_hosts,
        fingerprint=settings.fingerprint,
        seconds=settings.timeout_connect,
    )
