"""RemoteProgram: a program on another machine, kept there by a runner."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence

from obra.agents.conversation import TurnClock
from obra.agents.far_side.processes import RUN_ID
from obra.agents.ssh_adoption import FoundRun
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
        run: str,
        *,
        lease: float,
        tunnel: ReverseTunnel | None = None,
        found: FoundRun | None = None,
    ) -> None:
        """Attach to the runner in the folder *run*.

        Args:
            link: the way there.
            far: what of ours is there.
            run: absolute path of the folder of its files.
            lease: seconds after which the runner ends it when it hears nothing of us.
            tunnel: leads to the server here whose address it was given.
            found: how the run stands that we take over from another Obra; ``None`` when it is our own.
        """
        self._link, self._far = link, far
        self._turn = found.turn if found else 0

        def attach(out_at: int, err_at: int, beat: float) -> str:
            return far.command("attach", run, str(out_at), str(err_at), str(beat), far.claim)

        self.wire = RunnerWire(
            link,
            attach,
            lease=lease,
            port_on=tunnel.port_on if tunnel else lambda _: 0,
            orders=found.orders if found else None,
            input_size=found.input_size if found else 0,
        )

    def is_alive(self) -> bool:
        """Tell whether it can take another prompt."""
        return not self.wire.is_over()

    def exit_code(self, seconds: float) -> int | None:
        """Wait at most *seconds* for its end; ``None`` when it has not ended, or nobody knows. -2 is SIGINT."""
        return self.wire.exit_code(seconds)

    def begin_turn(self, clock: TurnClock, prompt: int) -> None:
        """Let the runner end it when the turn takes longer than *clock* allows, and nobody here says so.

        Who takes the run over finds there that prompt number *prompt* of the conversation comes now.
        """
        self._order_turn(clock, prompt=prompt, **self.wire.marks())

    def go_on(self, clock: TurnClock) -> None:
        """Begin these clocks anew for a turn that another Obra has begun."""
        self._order_turn(clock)

    def pause_turn(self, *, is_paused: bool) -> None:
        """Stop these clocks while somebody decides over a permission."""
        self.wire.order(paused=is_paused)

    def end_turn(self) -> None:
        """Stop them until the next turn."""
        self.wire.order(total=None, idle=None)

    def _order_turn(self, clock: TurnClock, **marks: int) -> None:
        self._turn += 1
        total, idle = clock.total + _GRACE, clock.idle + _GRACE
        self.wire.order(turn=self._turn, total=total, idle=idle, paused=False, **marks)

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


def start_program(
    link: SSHLink,
    far: FarSide,
    command: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str],
    keep: Sequence[str],
    lease: float,
    tunnel: tuple[str, ReverseTunnel] | None = None,
) -> RemoteProgram:
    """Start *command* on the other machine.

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
    job = {
        "command": list(command),
        "cwd": cwd,
        "environment": dict(environment),
        "keep": list(keep),
        "marker": far.marker,
        "lease": lease,
        "relay": tunnel[0] if tunnel else "",
    }
    tried: list[str] = []

    def start(connection: SSHConnection) -> str:
        """Start a runner, after ending one that an earlier try may have started unseen; return its folder."""
        if tried:
            far.sweep(connection)
        tried.append(f"{far.folder}/run-{secrets.token_hex(4)}")
        line = f"exec env {RUN_ID}={far.marker} {far.command('start', tried[-1])}"
        code, output = connection.run(far.guarded(line), data=json.dumps(job).encode(), seconds=_COMMAND_SECONDS)
        if code != 0:
            raise AgentUnavailable(f"Claude Code cannot be started there: {output.strip()}")
        return tried[-1]

    return RemoteProgram(link, far, link.do(start), lease=lease, tunnel=tunnel[1] if tunnel else None)
