"""A program on another machine, found again by the marker that all it starts inherits."""

from __future__ import annotations

from collections.abc import Mapping

from obra.agents.ssh_connection import ChannelWire, SSHConnection, quoted
from obra.errors import AgentCrashed

_COMMAND_SECONDS = 30.0
_END_OF_INPUT_SECONDS = 3.0

_KILL = """
for signal in INT TERM KILL; do
  round=0
  while [ $round -lt 20 ]; do
    found=$(grep -ls "OBRA_RUN_ID=$1" /proc/[0-9]*/environ 2>/dev/null)
    [ -n "$found" ] || exit 0
    [ $round -gt 0 ] && [ $signal != KILL ] || for file in $found; do
      process=${file#/proc/}; kill -$signal "${process%%/*}" 2>/dev/null
    done
    round=$((round + 1)); sleep 0.05
  done
done
exit 1
"""
"""Ends all processes that carry the marker: asked first, then killed, a second for each. Needs /proc."""


class RemoteProgram:
    """Claude Code behind an SSH channel; see :class:`obra.agents.claude_code_session.Program`."""

    def __init__(
        self, connection: SSHConnection, command: str, *, variables: Mapping[str, str], marker: str
    ) -> None:
        """Start *command* with *variables*; *marker* becomes its ``OBRA_RUN_ID``."""
        self._connection = connection
        self._marker = marker
        self.wire = ChannelWire(connection.open(command))
        lines = [f"{name}={value}\n" for name, value in {**variables, "OBRA_RUN_ID": marker}.items()]
        self.wire.send(("".join(lines) + "\n").encode())

    def is_alive(self) -> bool:
        """Tell whether it can take another prompt."""
        return self.wire.exit_code(0) is None and self._connection.is_alive()

    def exit_code(self, seconds: float) -> int | None:
        """Wait at most *seconds* for its end; ``None`` when it has not ended. -1 is any signal."""
        return self.wire.exit_code(seconds)

    def end(self, *, hopeless: bool) -> None:
        """Wait for it to end by itself, then end all that carries its marker.

        Raises:
            AgentCrashed: the connection is lost, so that nothing is known about what still runs there.
        """
        try:
            self.wire.exit_code(0 if hopeless else _END_OF_INPUT_SECONDS)
            sweep(self._connection, self._marker)
        finally:
            self.wire.close()


def sweep(connection: SSHConnection, marker: str) -> None:
    """End everything on the other machine that carries *marker*.

    Raises:
        AgentCrashed: the connection is lost, or something does not end.
    """
    code, _ = connection.run(quoted(["sh", "-c", _KILL, "obra-sweep", marker]), seconds=_COMMAND_SECONDS)
    if code != 0:
        raise AgentCrashed(f"processes with OBRA_RUN_ID={marker} do not end; end them on that machine")
