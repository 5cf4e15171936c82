"""One SSH connection: pinned host key, short commands, and a wire to a long one. paramiko is imported late."""

from __future__ import annotations

import select
import shlex
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from obra.agents.wire import Lines
from obra.errors import AgentCrashed, AgentUnavailable

if TYPE_CHECKING:
    import paramiko

_CHUNK = 256 * 1024
_ERRORS_KEPT = 8 * 1024
_LOOK_SECONDS = 0.02  # how long a prompt waits to be sent, and room in the channel to be noticed
_CHANNEL_SECONDS = 15.0
_LATE_OUTPUT_SECONDS = 0.5  # how long output may follow the exit code


class SSHConnection:
    """A logged-in connection; a host whose key is not pinned is refused."""

    def __init__(
        self, host: str, *, port: int, user: str, key_file: str | None, known_hosts: str | None, seconds: float
    ) -> None:
        """Connect and log in.

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
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        pinned = Path(known_hosts or "~/.ssh/known_hosts").expanduser()
        where = f"{user + '@' if user else ''}{host}:{port}"
        try:
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
        except (OSError, paramiko.SSHException) as error:
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
            raise AgentCrashed(f"the SSH connection is lost: {error}; the next prompt logs in again") from error
        if channel is None:
            raise AgentCrashed("the SSH connection is closed; the next prompt logs in again")
        return channel

    def run(self, command: str, *, data: bytes = b"", seconds: float) -> tuple[int, str]:
        """Run a short *command* and return its exit code and all that it printed.

        Raises:
            AgentCrashed: the connection is lost, or it takes longer than *seconds*.
        """
        with self.open(command) as channel:
            channel.set_combine_stderr(True)
            channel.settimeout(seconds)
            output = b""
            try:
                channel.sendall(data)
                channel.shutdown_write()
                while received := channel.recv(_CHUNK):
                    output += received
                if not channel.status_event.wait(seconds):
                    raise TimeoutError("no exit code")
            except OSError as error:  # TimeoutError is one
                raise AgentCrashed(
                    f"over SSH, {command[:80]!r} did not end within {seconds:g} s: {error}"
                ) from error
            return channel.recv_exit_status(), output.decode("utf-8", "replace")

    def close(self) -> None:
        """Log out, and wait for paramiko's thread."""
        transport = self._client.get_transport()
        self._client.close()
        if transport is not None:
            transport.join(_CHANNEL_SECONDS)


class ChannelWire:
    """The wire over one SSH channel; see :class:`obra.agents.wire.Wire`."""

    def __init__(self, channel: paramiko.Channel) -> None:
        """Take over *channel* and begin to read."""
        self._channel = channel
        self._lines = Lines()
        self._errors = b""
        self._lock = threading.Lock()
        self._outgoing = bytearray()
        self._input_ends = False
        self._closing = False
        self._exit_seen: float | None = None
        self._thread = threading.Thread(target=self._pump, name="obra-agent-ssh-wire", daemon=True)
        self._thread.start()

    def next_line(self, seconds: float) -> bytes | None:
        """Return the next line, ``None`` at the end; raise ``queue.Empty`` when none comes within *seconds*."""
        return self._lines.get(seconds)

    def send(self, data: bytes) -> None:
        """Queue *data* for the program; never waits."""
        with self._lock:
            self._outgoing += data

    def close_input(self) -> None:
        """End the program's input, once everything queued is sent; never waits."""
        with self._lock:
            self._input_ends = True

    def errors(self) -> str:
        """The end of what it printed to standard error."""
        return self._errors.decode("utf-8", "replace").strip()

    def exit_code(self, seconds: float) -> int | None:
        """Wait at most *seconds* for the remote exit code; ``None`` when there is none."""
        if not self._channel.status_event.wait(seconds):
            return None
        return self._channel.recv_exit_status()

    def close(self) -> None:
        """End the thread and the channel; safe to call twice."""
        self._closing = True
        self._thread.join()
        self._channel.close()

    def _pump(self) -> None:
        descriptor = self._channel.fileno()
        try:
            while not self._closing and not self._is_at_end():
                select.select([descriptor], [], [], _LOOK_SECONDS)
                self._read()
                self._write()
        except OSError as error:  # the connection broke: the end of the output, and why
            self._errors += f"\nSSH: {error}".encode()
        self._lines.put(b"")

    def _is_at_end(self) -> bool:
        channel = self._channel
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        if channel.exit_status_ready() and self._exit_seen is None:
            self._exit_seen = time.monotonic()
        # A child that holds the pipes open keeps the end of the output away, whatever the exit code says.
        is_late = self._exit_seen is not None and time.monotonic() - self._exit_seen > _LATE_OUTPUT_SECONDS
        return bool(channel.eof_received) or is_late

    def _read(self) -> None:
        while self._channel.recv_stderr_ready():
            self._errors = (self._errors + self._channel.recv_stderr(_CHUNK))[-_ERRORS_KEPT:]
        while self._channel.recv_ready() and not self._lines.is_flooded():
            if data := self._channel.recv(_CHUNK):
                self._lines.put(data)

    def _write(self) -> None:
        with self._lock:
            while self._outgoing and self._channel.send_ready():
                sent = self._channel.send(bytes(self._outgoing[:_CHUNK]))
                del self._outgoing[:sent]
            if self._input_ends and not self._outgoing and not self._channel.eof_sent:
                self._channel.shutdown_write()


def quoted(words: Sequence[str]) -> str:
    """Return *words* as one line for a remote shell."""
    return " ".join(map(shlex.quote, words))


def _why_not_connected(where: str, pinned: Path, error: Exception) -> str:
    import paramiko

    if isinstance(error, paramiko.BadHostKeyException):
        return (
            f"{where} shows another host key than the one in {pinned}: it is another machine, or somebody is in "
            f"between. If the machine was set up anew, replace the line in that file"
        )
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
    return f"cannot connect to {where}: {error}; check agent.ssh.host and agent.ssh.port"
