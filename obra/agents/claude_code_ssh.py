"""ClaudeCodeSSHAgent: the real Claude Code on another machine; the workspace travels there and back each turn."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obra.agents.claude_code import (
    INSTALL_HINT,
    ClaudeCodeSettings,
    Launch,
    command_line,
    environment_of,
    identity_of,
)
from obra.agents.claude_code_session import ClaudeCodeSession
from obra.agents.ssh_connection import SSHConnection, quoted
from obra.agents.ssh_files import pack, unpack
from obra.agents.ssh_program import RemoteProgram, sweep
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentTimeout, AgentUnavailable
from obra.events import AgentEventSink
from obra.plugins import PermissionDecider

if TYPE_CHECKING:
    import paramiko

_COMMAND_SECONDS = 30.0
_COPY_SECONDS = 300.0  # of silence while the workspace travels
_TEMPORARY = "/tmp"  # noqa: S108  # mktemp makes a private folder in it
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_BEGIN = 'while IFS= read -r line && [ -n "$line" ]; do export "$line"; done; '
"""The variables come over the wire, one a line and an empty one at the end, so that no process list shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeCodeSSHSettings(ClaudeCodeSettings):
    """The settings of :class:`ClaudeCodeSettings`, and how to reach the other machine."""

    host: str = ""
    port: int = 22
    user: str = ""
    key_file: str | None = None
    known_hosts: str | None = None
    remote_dir: str = ""
    timeout_connect: float = 15


class ClaudeCodeSSHAgent:
    """Claude Code over one SSH connection, in a private folder there that is removed afterwards.

    Before each turn the workspace is sent whole and after it fetched whole, also after one that failed; what is
    there after the turn replaces the local content, symlinks and modes included. After a lost connection the next
    prompt, or the cleanup, logs in again and first ends what the lost turn left running.

    Without ``base_url`` and ``api_key`` it uses the login of the remote user in their HOME. With them its HOME is
    private. ``pass_environment`` names variables of the *remote* login; a ``base_url`` must be reachable there.
    The other machine needs a POSIX shell, tar, and /proc.
    """

    def __init__(self) -> None:
        self._settings: ClaudeCodeSSHSettings | None = None
        self._connection: SSHConnection | None = None
        self._session: ClaudeCodeSession | None = None
        self._folder = ""
        self._marker = ""
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
        return f"{self._folder}/workspace"

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
        self._connection = _log_in(settings)
        self._marker = f"obra-{secrets.token_hex(8)}"
        self._settings = settings
        try:
            self._prepare(settings, self._connection)
        except AgentError:
            self.cleanup()
            raise
        self._session = ClaudeCodeSession(settings, self._start)

    def is_healthy(self) -> bool:
        """Tell whether the connection is alive and the local workspace is there."""
        return (
            self._session is not None
            and self._settings is not None
            and Path(self._settings.workspace_dir).is_dir()
            and self._connection is not None
            and self._connection.is_alive()
        )

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Send the workspace, run one turn, and fetch the workspace.

        Raises:
            AgentError: as the local agent; AgentCrashed also when the connection is lost.
        """
        if self._session is None or self._settings is None or self._connection is None:
            raise AgentUnavailable("the agent is not initialized; call initialize() first")
        local = Path(self._settings.workspace_dir)
        self._session.on_permission = self.on_permission
        connection = self._connected(self._settings, self._connection, self._session)
        self._send_workspace(connection, local)
        try:
            reply = self._session.send(prompt, limits or TurnLimits(), on_event)
        except (AgentCrashed, AgentTimeout):
            if connection.is_alive():  # what a broken turn has done counts too
                self._fetch_workspace(connection, local)
            raise
        self._fetch_workspace(connection, local)
        return reply

    def cleanup(self) -> None:
        """End what runs there, remove the folder there and log out; safe to call twice.

        Raises:
            AgentError: the machine cannot be reached any more; the message says what may be left there.
        """
        settings, self._settings = self._settings, None
        session, self._session = self._session, None
        connection, self._connection = self._connection, None
        folder, self._folder = self._folder, ""
        if connection is None or settings is None:
            return
        try:
            connection = self._connected(settings, connection, session)
            if session is not None:
                session.end()
            if folder:
                connection.run(f"rm -rf -- {shlex.quote(folder)}", seconds=_COMMAND_SECONDS)
        except AgentError as error:
            left = (
                f"the folder {folder} and processes with OBRA_RUN_ID={self._marker} may be left on {settings.host}"
            )
            raise type(error)(f"{error}; {left}") from error
        finally:
            connection.close()
            self._connection = None

    def _connected(
        self, settings: ClaudeCodeSSHSettings, connection: SSHConnection, session: ClaudeCodeSession | None
    ) -> SSHConnection:
        """Return *connection*, or, when it is lost, a new one, with nothing of ours running at its other end."""
        if connection.is_alive():
            return connection
        connection.close()
        if session is not None:
            session.forget_program()
        self._connection = _log_in(settings)
        sweep(self._connection, self._marker)
        return self._connection

    def _prepare(self, settings: ClaudeCodeSSHSettings, connection: SSHConnection) -> None:
        base = settings.remote_dir or _TEMPORARY
        made = f"d=$(mktemp -d {shlex.quote(base)}/obra-XXXXXXXX)"
        make = f'{made} && mkdir "$d/home" "$d/home/tmp" "$d/workspace" && echo "$d"'
        code, output = connection.run(make, seconds=_COMMAND_SECONDS)
        if code != 0:
            raise AgentUnavailable(f"no folder can be made in {base} on {settings.host}: {output.strip()}")
        self._folder = output.strip()
        find = f"command -v -- {shlex.quote(settings.command)}"
        code, output = connection.run(find, seconds=_COMMAND_SECONDS)
        if code != 0:
            raise AgentUnavailable(
                f"Claude Code is not on {settings.host}: no program {settings.command!r} there. Install it there "
                f"({INSTALL_HINT}) or set agent.ssh.command to where it is"
            )
        self._executable = output.strip()
        version = f"{quoted([self._executable, '--version'])} </dev/null"
        _, output = connection.run(version, seconds=settings.timeout_ready)
        self._identity = f"{identity_of(output, settings.command)} on {settings.host}"

    def _start(self, launch: Launch, session: str) -> RemoteProgram:
        settings, connection = self._settings, self._connection
        assert settings is not None  # noqa: S101  # the session only lives between initialize and cleanup
        assert connection is not None  # noqa: S101  # the same
        home = f"{self._folder}/home"
        is_private = bool(settings.base_url or settings.api_key)
        variables = {
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "TMPDIR": f"{home}/tmp",  # noqa: S108  # in the private folder
            **environment_of(settings, home, {}),
        }
        taken = [name for name in settings.pass_environment if _NAME.fullmatch(name)]
        if is_private:
            variables["HOME"] = home
        else:
            del variables["CLAUDE_CONFIG_DIR"]
            taken.append("HOME")
        if session and not self._is_stored(connection, session):
            session = ""
        command = command_line(settings, launch, executable=self._executable, session=session)
        kept = " ".join(f'${{{name}+"{name}=${name}"}}' for name in ("PATH", *taken))
        inner = f"{_BEGIN}cd {shlex.quote(self.remote_workspace)} && exec {quoted(command)}"
        line = f"exec env -i {kept} sh -c {shlex.quote(inner)}"
        return RemoteProgram(connection, line, variables=variables, marker=self._marker)

    def _is_stored(self, connection: SSHConnection, session: str) -> bool:
        name = shlex.quote(f"{session}.jsonl")
        private = shlex.quote(f"{self._folder}/home")
        look = f'ls {private}/.claude/projects/*/{name} "$HOME"/.claude/projects/*/{name} 2>/dev/null | grep -q .'
        return connection.run(look, seconds=_COMMAND_SECONDS)[0] == 0

    def _send_workspace(self, connection: SSHConnection, local: Path) -> None:
        there = shlex.quote(self.remote_workspace)
        command = f"cd {there} && find . -mindepth 1 -delete && exec tar -xpof -"
        with connection.open(command) as channel:
            channel.settimeout(_COPY_SECONDS)
            channel.set_combine_stderr(True)
            try:
                with channel.makefile_stdin("wb") as stream:
                    pack(local, stream)  # type: ignore[arg-type]  # paramiko's file has what tarfile writes to
                said = b"".join(iter(lambda: channel.recv(4096), b""))
                code = channel.recv_exit_status()
            except OSError as error:
                raise AgentCrashed(f"the workspace cannot be sent: {error or type(error).__name__}") from error
        if code != 0:
            raise AgentCrashed(
                f"the workspace cannot be sent: tar ended with {code}: {said.decode(errors='replace')}"
            )

    def _fetch_workspace(self, connection: SSHConnection, local: Path) -> None:
        with connection.open(f"cd {shlex.quote(self.remote_workspace)} && exec tar -cf - .") as channel:
            channel.settimeout(_COPY_SECONDS)
            try:
                with channel.makefile("rb") as stream:
                    unpack(stream, local, is_whole=lambda: _tar_succeeded(channel))  # type: ignore[arg-type]  # paramiko's file has what tarfile reads from
            except OSError as error:
                raise AgentCrashed(f"the workspace cannot be fetched: {error or type(error).__name__}") from error


def _log_in(settings: ClaudeCodeSSHSettings) -> SSHConnection:
    return SSHConnection(
        settings.host,
        port=settings.port,
        user=settings.user,
        key_file=settings.key_file,
        known_hosts=settings.known_hosts,
        seconds=settings.timeout_connect,
    )


def _tar_succeeded(channel: paramiko.Channel) -> bool:
    """Tell whether the remote tar ended well; its code 1 means that files changed while it read them."""
    return channel.status_event.wait(_COMMAND_SECONDS) and channel.recv_exit_status() in (0, 1)
