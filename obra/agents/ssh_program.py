"""RemoteProgram: a program on another machine, kept there by a runner."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from obra.agents.conversation import TurnClock
from obra.agents.far_side.processes import RUN_ID
from obra.agents.ssh_connection import SSHConnection
from obra.agents.ssh_far_side import FarSide
from obra.agents.ssh_link import SSHLink
from obra.agents.ssh_tunnel import ReverseTunnel
from obra.agents.ssh_wire import RunnerWire
from obra.errors import AgentUnavailable

_COMMAND_SECONDS = 30.0
_END_SECONDS = 15.0
"""Seconds that the runner gets to end the agent; its own ladder takes 7 at most."""
_GRACE = 10.0
"""Seconds that the runner waits longer than we do: it is there for the time when we cannot reach it."""


class RemoteProgram:
    """Claude Code behind a runner; see :class:`obra.agents.claude_code_session.Program`."""

    def __init__(
        self,
        link: SSHLink,
        far: FarSide,
        command: Sequence[str],
        *,
        cwd: str,
        environment: Mapping[str, str],
        keep: Sequence[str],
        lease: float,
        tunnel: tuple[str, ReverseTunnel] | None = None,
    ) -> None:
        """Start *command*.

        Args:
            link: the way there.
            far: what of ours is there.
            command: program and arguments.
            cwd: absolute path of its folder.
            environment: variables that it gets.
            keep: names of variables of the login there that it gets, too.
            lease: seconds after which the runner ends it when it hears nothing of us.
            tunnel: the variable that is to hold the address of a server here, and the tunnel to it.

        Raises:
            AgentUnavailable: it cannot be started.
            AgentCrashed: the connection is lost and does not come back.
        """
        self._link, self._far = link, far
        self._turn = 0
        self._has_tried = False
        job = {
            "command": list(command),
            "cwd": cwd,
            "environment": dict(environment),
            "keep": list(keep),
            "marker": far.marker,
            "lease": lease,
            "relay": tunnel[0] if tunnel else "",
        }
        folder = link.do(lambda connection: self._start(connection, job))

        def attach(out_at: int, err_at: int, beat: float) -> str:
            return far.command("attach", folder, str(out_at), str(err_at), str(beat))

        def port_on(connection: SSHConnection) -> int:
            return tunnel[1].port_on(connection) if tunnel else 0

        self.wire = RunnerWire(link, attach, lease=lease, port_on=port_on)

    def is_alive(self) -> bool:
        """Tell whether it can take another prompt."""
        return not self.wire.is_over()

    def exit_code(self, seconds: float) -> int | None:
        """Wait at most *seconds* for its end; ``None`` when it has not ended, or nobody knows. -2 is SIGINT."""
        return self.wire.exit_code(seconds)

    def begin_turn(self, clock: TurnClock) -> None:
        """Let the runner end it when the turn takes longer than *clock* allows, and nobody here says so."""
        self._turn += 1
        self.wire.order(turn=self._turn, total=clock.total + _GRACE, idle=clock.idle + _GRACE, paused=False)

    def pause_turn(self, *, is_paused: bool) -> None:
        """Stop these clocks while somebody decides over a permission."""
        self.wire.order(paused=is_paused)

    def end_turn(self) -> None:
        """Stop them until the next turn."""
        self.wire.order(total=None, idle=None)

    def end(self, *, hopeless: bool) -> None:
        """Let the runner wait for its end, or make it; then nothing there carries its marker any more.

        Raises:
            AgentCrashed: the connection is lost, so that nothing is known about what still runs there.
        """
        try:
            self.wire.order(stop="hopeless" if hopeless else "soft")
            if not self.wire.is_over(_END_SECONDS) or self.wire.exit_code(0) is None:
                self._link.do(self._far.sweep, patience=0)
        finally:
            self.wire.close()

    def _start(self, connection: SSHConnection, job: Mapping[str, Any]) -> str:
        """Start a runner, after ending one that an earlier try may have started unseen; return its folder."""
        if self._has_tried:
            self._far.sweep(connection)
        self._has_tried = True
        folder = f"{self._far.folder}/run-{secrets.token_hex(4)}"
        start = f"exec env {RUN_ID}={self._far.marker} {self._far.command('start', folder)}"
        code, output = connection.run(start, data=json.dumps(job).encode(), seconds=_COMMAND_SECONDS)
        if code != 0:
            raise AgentUnavailable(f"Claude Code cannot be started there: {output.strip()}")
        return folder
