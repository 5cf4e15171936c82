"""RemoteClock: the limits of a turn, as the runner on the other machine keeps them when nobody here can."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from obra.agents.conversation import TurnClock
from obra.agents.ssh_program import RemoteProgram


class RemoteClock:
    """Tells the runner how long a turn may take while it lasts, whichever program runs.

    Attributes:
        program: the program that runs, or ran last; ``None`` before the first.
    """

    def __init__(self) -> None:
        self.program: RemoteProgram | None = None
        self._turn: tuple[TurnClock, int] | None = None

    def use(self, program: RemoteProgram) -> None:
        """Go over to *program*, which has just been started for the turn under way."""
        self.program = program
        if self._turn is not None:
            program.begin_turn(*self._turn)

    @contextlib.contextmanager
    def turn(self, clock: TurnClock, prompt: int) -> Iterator[None]:
        """Keep *clock* while the turn of prompt number *prompt* of the conversation lasts."""
        self._turn = clock, prompt
        if self.program is not None:
            self.program.begin_turn(clock, prompt)
        try:
            yield
        finally:
            self._end()

    @contextlib.contextmanager
    def adopted(self, program: RemoteProgram, clock: TurnClock) -> Iterator[None]:
        """Keep *clock* for what is left of a turn that another Obra began with *program*."""
        self.program = program
        program.go_on(clock)
        try:
            yield
        finally:
            self._end()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let it stand still while somebody decides over a permission."""
        program = self.program
        if program is not None:
            program.pause_turn(is_paused=True)
        try:
            yield
        finally:
            if program is not None:
                program.pause_turn(is_paused=False)

    def _end(self) -> None:
        self._turn = None
        if self.program is not None:
            self.program.end_turn()
