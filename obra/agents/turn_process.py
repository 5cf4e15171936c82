"""One process for one turn: started, read to its end under three time limits, and swept."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from obra.agents.conversation import TurnClock
from obra.agents.output_file import OutputFile
from obra.agents.wire import PipeWire
from obra.errors import AgentCrashed, AgentTimeout, AgentUnavailable, WorkspaceError
from obra.workspace.ctrl_c import ctrl_c_waits
from obra.workspace.processes import AGENT, ProcessTree

_SLICE = 0.1
"""Seconds between two looks whether a silent process has ended: something it left may hold its output open."""
_EXIT_SECONDS = 10.0
"""Seconds that a process gets to end by itself after it has closed its output."""
_SHOWN_ERRORS = 1000


class TurnProcess:
    """A program that gets a prompt, prints lines and ends."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        name: str,
        cancelled: threading.Event,
        prompt: bytes = b"",
        prints_to_file: bool = False,
    ) -> None:
        """Take what to start; nothing runs yet.

        *prompt* goes to its standard input, which then ends. *cancelled* ends the turn from another thread.
        *prints_to_file* is for programs that lose what a pipe does not hold; see :mod:`obra.agents.output_file`.
        """
        self._command, self._cwd, self._environment = command, cwd, environment
        self._name = name
        self._cancelled = cancelled
        self._prompt = prompt
        self._prints_to_file = prints_to_file

    def read(
        self,
        clock: TurnClock,
        on_line: Callable[[bytes], None],
        *,
        is_over: Callable[[], bool],
        last_seen: Callable[[], str],
    ) -> int | None:
        """Start it, and hand every line to *on_line* until it ends; then nothing of it is left.

        Args:
            clock: the time limits.
            on_line: is called with each line, without its newline.
            is_over: asked after each line; when it says so, the program is stopped.
            last_seen: what to say about the turn when a limit passes.

        Returns:
            The exit code as the shell counts; ``None`` when *is_over* ended the turn.

        Raises:
            AgentUnavailable: it cannot be started.
            AgentTimeout: a limit passed.
            AgentCrashed: the turn was cancelled.
        """
        lines = 0
        with ExitStack() as ends:
            with ctrl_c_waits():
                self._start(ends)
            begun = heard = time.monotonic()
            while not self._cancelled.is_set():
                now = time.monotonic()
                self._check(clock, begun, heard, fresh=lines == 0, last_seen=last_seen)
                try:
                    line = self._wire.next_line(_SLICE)
                except queue.Empty:
                    if self._tree.process.poll() is not None:
                        self._tree.sweep()  # whoever still holds its output is gone now, and the end is read
                    continue
                if line is None:
                    return self._tree.wait(_EXIT_SECONDS)
                lines, heard = lines + 1, max(now, time.monotonic())
                on_line(line)
                if is_over():
                    return None
        raise AgentCrashed(f"{self._name} was cancelled in the middle of its turn")

    def errors(self) -> str:
        """Return the end of what it printed to standard error."""
        return self._wire.errors()[-_SHOWN_ERRORS:]

    def _start(self, ends: ExitStack) -> None:
        """Start it; *ends* gets what ends it, the last thing first."""
        pipe = subprocess.PIPE
        output = OutputFile() if self._prints_to_file else None
        if output:
            ends.callback(output.close)
            ends.callback(output.pipe.close)
        stdout = output.file if output else pipe
        try:
            self._tree = ProcessTree(
                self._command, cwd=self._cwd, environment=self._environment, stdin=pipe, stdout=stdout, stderr=pipe
            )
        except WorkspaceError as error:
            raise AgentUnavailable(f"{self._name} cannot be started: {error}") from error
        ends.callback(self._tree.sweep)
        process = self._tree.process
        printed = output.pipe if output else process.stdout
        assert process.stdin and printed and process.stderr  # noqa: S101, PT018  # asked for; tells mypy so
        if output:
            output.follow(process)
        self._wire = PipeWire(process.stdin, printed, process.stderr)
        ends.callback(self._wire.close)
        ends.callback(self._stop)
        if self._prompt:
            self._wire.send(self._prompt)
        self._wire.close_input()

    def _check(
        self, clock: TurnClock, begun: float, heard: float, *, fresh: bool, last_seen: Callable[[], str]
    ) -> None:
        now = time.monotonic()
        if fresh and now - begun > clock.ready:
            reason = f"did not print a line within {clock.ready:g} s of its start; raise timeout_ready"
        elif now - heard > clock.idle:
            reason = f"was silent for {clock.idle:g} s; raise timeout_response when its tools take that long"
        elif now - begun > clock.total:
            reason = f"was not done after {clock.total:g} s; raise the time limit of the turn"
        else:
            return
        errors = f"; on standard error: {self.errors()}" if self.errors() else ""
        raise AgentTimeout(f"{self._name} {reason} ({now - begun:.1f} s into the turn; {last_seen()}{errors})")

    def _stop(self) -> None:
        if self._tree.process.poll() is None:
            self._tree.stop(AGENT)
