"""One SSH connection: pinned host key, and commands on channels of their own. paramiko is imported late."""

from __future__ import annotations

import select
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obra.agents.far_side.relay import at_once
from obra.errors import AgentCrashed, AgentUnavailable

if TYPE_CHECKING:
    import paramiko

_CHUNK = 256 * 1024
_CHANNEL_SECONDS = 15.0
_NOT_TOLD = -1
"""What paramiko gives for an exit code that never came: a signal ended the command, or the connection broke."""
_LOOK_SECONDS = 0.02
_WRONG_FINGERPRINT = "its host key is"
_ENDED = "it ended"
"""What is said for an error of paramiko's that says nothing."""


class SSHConnection:
    """A logged-in connection; a host whose key is not pinned is refused."""

    def __init__(
        self,
        host: str,
        *,
        port: int,
        user: str,
        key_file: str | None,
        known_hosts: str | None,
        fingerprint: str | None,
        seconds: float,
    ) -> None:
        """Connect and log in.

        Args:
            host: name or address.
            port: the server's port.
            user: login name; empty means the local one.
            key_file: private key; ``None`` means the SSH agent and the usual files.
            known_hosts: file of pinned keys; ``None`` means ``~/.ssh/known_hosts``.
            fingerprint: pins the host key instead of the file, as ``ssh-keygen -lf`` prints it (``SHA256:...``).
            seconds: for each of connecting, the server's greeting and the login.

        Raises:
            AgentUnavailable: paramiko is missing, the host is unknown or another one, or login failed.
        """
        try:
            import paramiko
        except ImportError as error:
            raise AgentUnavailable(
                "an agent over SSH needs paramiko, which is not installed: pip install paramiko"
            ) from error
        self._client = paramiko.SSHClient()
        self._client.set_missing_host_key_policy(_only(fingerprint) if fingerprint else paramiko.RejectPolicy())
        pinned = Path(known_hosts or "~/.ssh/known_hosts").expanduser()
        where = f"{user + '@' if user else ''}{host}:{port}"
        try:
            if not fingerprint:
                self._client.load_host_keys(str(pinned))
            self._client.connect(
                host,
                port=port,
                username=user or None,
                key_filename=str(Path(key_file).expanduser()) if key_file else None,
                allow_agent=key_file is None,
                look_for_keys=key_file is None,
                timeout=seconds,
                banner_timeout=seconds,
                auth_timeout=seconds,
                channel_timeout=_CHANNEL_SECONDS,
            )
            transport = self._client.get_transport()
            if transport is not None:
                at_once(transport.sock)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._client.close()
            raise AgentUnavailable(_why_not_connected(where, pinned, error)) from error

    def is_alive(self) -> bool:
        """Tell whether a channel can be opened now; a frozen peer looks connected until one tries."""
        import paramiko

        transport = self._client.get_transport()
        if transport is None or not transport.is_active():
            return False
        try:
            transport.open_session(timeout=5).close()
        except (OSError, EOFError, paramiko.SSHException):
            return False
        return True

    def open(self, command: str) -> paramiko.Channel:
        """Start *command* (a line for the remote shell) on a channel of its own.

        Raises:
            AgentCrashed: the connection is lost.
        """
        import paramiko

        transport = self._client.get_transport()
        try:
            channel = transport.open_session(timeout=_CHANNEL_SECONDS) if transport else None
            if channel is not None:
                channel.exec_command(command)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise AgentCrashed(
                f"the SSH connection is lost: {str(error) or _ENDED}; the next prompt logs in again"
            ) from error
        if channel is None:
            raise AgentCrashed("the SSH connection is closed; the next prompt logs in again")
        return channel

    def run(self, command: str, *, data: bytes = b"", seconds: float) -> tuple[int, str]:
        """Run a short *command* and return its exit code and what it printed; its errors only when it failed.

        The login shell may print errors of its own, which say nothing about a command that succeeded.

        Raises:
            AgentCrashed: the connection is lost, or it takes longer than *seconds*.
        """
        with self.open(command) as channel:
            channel.settimeout(seconds)
            try:
                channel.sendall(data)
                channel.shutdown_write()
                output, errors = _read_both(channel, time.monotonic() + seconds)
                if not channel.status_event.wait(seconds):
                    raise TimeoutError("no exit code")
            except OSError as error:  # TimeoutError is one
                raise AgentCrashed(
                    f"over SSH, {command[:80]!r} did not end within {seconds:g} s: {error}"
                ) from error
            code = channel.recv_exit_status()
            if code == _NOT_TOLD and not self.is_alive():
                raise AgentCrashed(
                    f"the SSH connection is lost: it ended in the middle of {command[:80]!r}; "
                    f"the next prompt logs in again"
                )
            return code, (output if code == 0 else output + errors).decode("utf-8", "replace")

    def forward(self, take: Callable[[Any, Any, Any], None]) -> int:
        """Let a loopback port there, which is returned, lead here; *take* gets each channel, and must not wait.

        Raises:
            AgentUnavailable: the server does not permit it.
            AgentCrashed: the connection is lost.
        """
        import paramiko

        transport = self._client.get_transport()
        if transport is None:
            raise AgentCrashed("the SSH connection is closed; the next prompt logs in again")
        try:
            return transport.request_port_forward("127.0.0.1", 0, take)
        except (OSError, EOFError, paramiko.SSHException) as error:
            if not (isinstance(error, paramiko.SSHException) and transport.is_active()):
                raise AgentCrashed(
                    f"the SSH connection is lost: {str(error) or _ENDED}; the next prompt logs in again"
                ) from error
            raise AgentUnavailable(
                f"the SSH server does not let a port there lead to the model's server here: {error}; set "
                f"AllowTcpForwarding to yes or remote in its sshd_config"
            ) from error

    def close(self) -> None:
        """Log out, and wait for paramiko's thread."""
        transport = self._client.get_transport()
        self._client.close()
        if transport is not None:
            transport.join(_CHANNEL_SECONDS)


def _read_both(channel: paramiko.Channel, end: float) -> tuple[bytes, bytes]:
    """Read output and errors to their end; whoever reads only one of them can block the other."""
    output, errors = b"", b""
    while channel.recv_ready() or channel.recv_stderr_ready() or not (channel.eof_received or channel.closed):
        if time.monotonic() > end:
            raise TimeoutError("its output did not end")
        select.select([channel.fileno()], [], [], _LOOK_SECONDS)
        if channel.recv_stderr_ready():
            errors += channel.recv_stderr(_CHUNK)
        if channel.recv_ready():
            output += channel.recv(_CHUNK)
    return output, errors


def quoted(words: Sequence[str]) -> str:
    """Return *words* as one line for a remote shell."""
    return " ".join(map(shlex.quote, words))


def _only(fingerprint: str) -> paramiko.MissingHostKeyPolicy:
    """Return the policy that takes the key with *fingerprint* and no other."""
    import paramiko

    class Pinned(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002  # paramiko's signature
            if key.fingerprint != fingerprint.rstrip("="):
                raise paramiko.SSHException(f"{_WRONG_FINGERPRINT} {key.get_name()} {key.fingerprint}")

    return Pinned()


def is_another_machine(error: AgentUnavailable) -> bool:
    """Tell whether it was refused since the host key is not the pinned one; trying again is wrong then."""
    import paramiko

    cause = error.__cause__
    return isinstance(cause, paramiko.BadHostKeyException) or _WRONG_FINGERPRINT in str(cause)


def _why_not_connected(where: str, pinned: Path, error: Exception) -> str:
    import paramiko

    if isinstance(error, paramiko.BadHostKeyException):
        return (
            f"{where} shows another host key than the one in {pinned}: it is another machine, or somebody is in "
            f"between. If the machine was set up anew, replace the line in that file"
        )
    if _WRONG_FINGERPRINT in str(error):
        return f"{where} is not the machine that agent.ssh.fingerprint pins: {error}"
    if isinstance(error, paramiko.AuthenticationException):
        return f"{where} refused the login: {error}; check agent.ssh.user and agent.ssh.key_file"
    if isinstance(error, FileNotFoundError):
        return (
            f"{error.filename} is not there; name the pinned host keys in agent.ssh.known_hosts, and the key file"
        )
    if "not found in known_hosts" in str(error):
        return (
            f"the host key of {where} is not pinned in {pinned}; compare its fingerprint on that machine, "
            f"then add the line that ssh-keyscan prints"
        )
    said = str(error) or "the other end hung up during the handshake"  # paramiko's EOFError has no words
    return f"cannot connect to {where}: {said}; check agent.ssh.host and agent.ssh.port"
