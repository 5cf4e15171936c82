"""A real terminal for tests: a program on a pseudo-terminal, and the screen that a person would see."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte


class _Answering(pyte.HistoryScreen):
    """A screen that answers when the program asks where the cursor is, as terminals do."""

    answer: Callable[[str], object] = staticmethod(str)

    def write_process_input(self, data: str) -> None:
        """Send an answer to the program."""
        self.answer(data)


class Terminal:
    """``obra``, or another program, with arguments on a terminal of some size."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        variables: Mapping[str, str],
        size: tuple[int, int] = (40, 160),
        program: Sequence[str] = (sys.executable, "-m", "obra"),
    ):
        """Start it; *size* is rows and columns."""
        self.screen = _Answering(size[1], size[0], history=5000, ratio=0.001)
        self.screen.answer = self._type
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.process = pexpect.spawn(
            program[0],
            [*program[1:], *arguments],
            cwd=str(folder),
            env={"TERM": "xterm-256color", **variables},
            dimensions=size,
        )
        self.process.delaybeforesend = None

    def _type(self, data: str) -> None:
        self.process.send(data)

    def type(self, text: str) -> None:
        """Press keys; a newline is Enter."""
        self._type(text.replace("\n", "\r"))

    def read(self) -> None:
        """Take in what has come."""
        try:
            chunk = self.process.read_nonblocking(65536, timeout=0.05)
        except pexpect.TIMEOUT:
            return
        self.raw += chunk
        self.stream.feed(chunk)

    def text(self) -> str:
        """Everything that was to be seen, the scrolled lines too."""
        width = self.screen.columns
        above = ["".join(line[place].data for place in range(width)) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in (*above, *self.screen.display)).rstrip()

    def see(self, pattern: str, seconds: float = 200.0) -> str:
        """Wait until the screen shows *pattern*, a regular expression, and return what matched."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text(), re.MULTILINE)):
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.text()}"
            try:
                self.read()
            except pexpect.EOF:
                raise AssertionError(f"ended without {pattern!r}:\n{self.text()}") from None
        return found[0]

    def do(self, line: str) -> None:
        """Wait for the prompt and type a line."""
        self.see(r"obra>\s*\Z")
        self.type(f"{line}\n")

    def end(self, seconds: float = 200.0) -> int:
        """Wait until the program has ended and return its exit code, or minus the signal that ended it."""
        deadline = time.monotonic() + seconds
        while True:
            assert time.monotonic() < deadline, f"still running:\n{self.text()}"
            try:
                self.read()
            except pexpect.EOF:
                break
        self.process.close()
        return self.process.exitstatus if self.process.signalstatus is None else -self.process.signalstatus

    def leave(self, seconds: float = 200.0) -> int:
        """Press Ctrl-D at the prompt until it has ended, and return the exit code.

        A key is lost that comes while lines are written above the prompt: for that moment the terminal is not raw.
        """
        deadline = time.monotonic() + seconds
        pressed = 0.0
        while True:
            assert time.monotonic() < deadline, f"still running:\n{self.text()}"
            if time.monotonic() > pressed + 1.0:
                self._type("\x04")
                pressed = time.monotonic()
            try:
                self.read()
            except pexpect.EOF:
                return self.end()

    def close(self) -> None:
        """End the program, whatever it does."""
        self.process.close(force=True)
