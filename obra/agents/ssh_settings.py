"""What an agent over SSH is told, and what that means there: the login, the program, its variables."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from obra.agents.claude_code import INSTALL_HINT, ClaudeCodeSettings, environment_of, identity_of
from obra.agents.conversation import TurnClock
from obra.agents.ssh_connection import SSHConnection, quoted
from obra.domain import TurnLimits
from obra.errors import AgentUnavailable

_NO_PROGRAM = 9
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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

    @property
    def place(self) -> str:
        """Name the login, as far as it says which machine and whose files are meant."""
        return f"{self.user}@{self.host}:{self.port}"

    def clock(self, limits: TurnLimits) -> TurnClock:
        """Return how long a turn with *limits* may take."""
        ready, idle = self.timeout_ready, self.timeout_response
        return TurnClock.of(ready=ready, idle=idle, total=self.timeout, limits=limits)


def log_in(settings: ClaudeCodeSSHSettings) -> SSHConnection:
    """Return a connection; see :class:`SSHConnection` for what it raises."""
    return SSHConnection(
        settings.host,
        port=settings.port,
        user=settings.user,
        key_file=settings.key_file,
        known_hosts=settings.known_hosts,
        fingerprint=settings.fingerprint,
        seconds=settings.timeout_connect,
    )


def find_program(settings: ClaudeCodeSSHSettings, connection: SSHConnection) -> tuple[str, str]:
    """Return the path of Claude Code on the other machine, and its name and version with the host.

    Raises:
        AgentUnavailable: it is not there, or too old.
        AgentCrashed: the connection is lost.
    """
    find = f'p=$(command -v -- {shlex.quote(settings.command)}) || exit {_NO_PROGRAM}; echo "$p"'
    ask = f'{find}; exec "$p" --version </dev/null'
    code, output = connection.run(quoted(["sh", "-c", ask]), seconds=settings.timeout_ready)
    if code == _NO_PROGRAM:
        raise AgentUnavailable(
            f"Claude Code is not on {settings.host}: no program {settings.command!r} there. Install it there "
            f"({INSTALL_HINT}) or set agent.ssh.command to where it is"
        )
    executable, _, told = output.partition("\n")
    return executable, f"{identity_of(told, settings.command, key='agent.ssh.command')} on {settings.host}"


def environment_there(settings: ClaudeCodeSSHSettings, home: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables that Claude Code gets there, and the names of those of the login that it gets, too.

    *home* is the private one there; it is its HOME, unless it is to find the login of the remote user in theirs.
    """
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
    return variables, keep
