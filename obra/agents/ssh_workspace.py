"""The workspace of an agent on its way over an SSH connection, there and back, as tar."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from obra.agents.ssh_connection import SSHConnection
from obra.agents.ssh_far_side import FarSide
from obra.agents.ssh_files import pack, unpack
from obra.errors import AgentCrashed

if TYPE_CHECKING:
    import paramiko

_COMMAND_SECONDS = 30.0
_COPY_SECONDS = 300.0  # of silence while the workspace travels


def send_workspace(connection: SSHConnection, far: FarSide, local: Path) -> None:
    """Make the workspace there hold what *local* holds, and nothing else.

    Raises:
        AgentCrashed: it did not arrive whole, or another Obra has taken the folder over.
    """
    command = far.guarded(f"cd {shlex.quote(far.workspace)} && find . -mindepth 1 -delete && exec tar -xpof -")
    with connection.open(command) as channel:
        channel.settimeout(_COPY_SECONDS)
        channel.set_combine_stderr(True)
        try:
            with channel.makefile_stdin("wb") as stream:
                pack(local, stream)  # type: ignore[arg-type]  # paramiko's file has what tarfile writes to
            said = b"".join(iter(lambda: channel.recv(4096), b""))
            code = channel.recv_exit_status()
        except OSError as error:
            raise AgentCrashed(f"the workspace cannot be sent: {str(error) or type(error).__name__}") from error
    if code != 0:
        raise AgentCrashed(f"the workspace cannot be sent: tar ended with {code}: {said.decode(errors='replace')}")


def fetch_workspace(connection: SSHConnection, far: FarSide, local: Path) -> None:
    """Make *local* hold what the workspace there holds, and nothing else; nothing is written outside of it.

    Raises:
        AgentCrashed: it did not come back whole; then *local* is as it was.
    """
    with connection.open(f"cd {shlex.quote(far.workspace)} && exec tar -cf - . 2>/dev/null") as channel:
        channel.settimeout(_COPY_SECONDS)
        try:
            with channel.makefile("rb") as stream:
                unpack(stream, local, is_whole=lambda: _tar_succeeded(channel))  # type: ignore[arg-type]  # paramiko's file has what tarfile reads from
        except OSError as error:
            raise AgentCrashed(f"the workspace cannot be fetched: {str(error) or type(error).__name__}") from error


def _tar_succeeded(channel: paramiko.Channel) -> bool:
    """Tell whether the remote tar ended well; its code 1 means that files changed while it read them."""
    return channel.status_event.wait(_COMMAND_SECONDS) and channel.recv_exit_status() in (0, 1)
