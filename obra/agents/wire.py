"""Lines to and from a program, moved by one thread that never waits for its consumer.

Whoever stops reading a program's output to wait for something else can deadlock it. So the pump reads all there is
at once into a queue, and writes what is to be sent as the program takes it. Only a program that floods us, far
beyond what any conversation needs, is made to wait until somebody reads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import selectors
import threading
from collections.abc import Iterator
from typing import IO, Protocol

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one line that are kept (5 MB were seen whole); a longer one is cut, and so no message any more."""
FLOOD = 2 * LONGEST_LINE
"""Bytes that may wait to be read before the program has to wait."""
_CHUNK = 256 * 1024
_PIPE = 1024 * 1024
"""Bytes the kernel keeps of the output, the most it allows without privileges, not 64 KiB: Gemini CLI 0.61.0 ends
without waiting until its output is taken, and what does not fit is lost."""
_LINE_OVERHEAD = 64  # bytes that a short line takes beside its text, so that many empty lines count too
_ERRORS_KEPT = 8 * 1024


class Wire(Protocol):
    """A conversation in lines with a program, wherever it runs."""

    def next_line(self, seconds: float) -> bytes | None:
        """Return the next line the program printed, ``None`` at its end, waiting at most *seconds*.

        Raises:
            queue.Empty: there was none in time.
        """
        ...

    def send(self, data: bytes) -> None:
        """Queue *data* for the program; never waits."""
        ...

    def close_input(self) -> None:
        """End the program's input, once everything queued is sent; never waits."""
        ...

    def errors(self) -> str:
        """The end of what it printed to standard error, or of its screen where it has one."""
        ...

    def close(self) -> None:
        """End the thread and close what it reads and writes; safe to call twice."""
        ...


class LineFramer:
    """Cuts a stream of bytes into lines of at most :data:`LONGEST_LINE`."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that *data* completes, without their newline."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._keep(end)
            yield self._take()
        self._keep(rest)

    def rest(self) -> bytes:
        """Return what came after the last newline."""
        return self._take()

    def _keep(self, part: bytes) -> None:
        part = part[: max(0, self._longest - self._size)]
        if part:
            self._parts.append(part)
            self._size += len(part)

    def _take(self) -> bytes:
        line = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return line


class Lines:
    """Lines between the thread that reads them and the one that wants them; never waits for the latter."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._framer = LineFramer()
        self._lock = threading.Lock()
        self._waiting = 0

    def put(self, data: bytes) -> None:
        """Add what was read; empty means the end."""
        lines = list(self._framer.feed(data))
        if not data and (rest := self._framer.rest()):
            lines.append(rest)
        with self._lock:
            self._waiting += sum(len(line) + _LINE_OVERHEAD for line in lines)
        for line in lines:
            self._queue.put(line)
        if not data:
            self._queue.put(None)

    def get(self, seconds: float) -> bytes | None:
        """Return the next line, ``None`` at the end; raise ``queue.Empty`` when none comes within *seconds*."""
        line = self._queue.get(timeout=seconds) if seconds > 0 else self._queue.get_nowait()
        if line is None:
            self._queue.put(None)  # the end stays the end
            return None
        with self._lock:
            self._waiting -= len(line) + _LINE_OVERHEAD
        return line

    def is_flooded(self) -> bool:
        """Tell whether more waits than any conversation needs."""
        with self._lock:
            return self._waiting > FLOOD


class PipeWire:
    """The wire over the three pipes of a local process; owns and closes them."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]) -> None:
        """Take over the pipes and begin to read."""
        self._lines = Lines()
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
        self._errors = b""
        self._lock = threading.Lock()
        self._outgoing = bytearray()
        self._input_ends = False
        self._closing = False
        self._flooded = False
        self._wake_read, self._wake_write = os.pipe()
        self._wake_lock = threading.Lock()
        for number in (stdin.fileno(), stdout.fileno(), stderr.fileno(), self._wake_write):
            os.set_blocking(number, False)
        with contextlib.suppress(OSError, AttributeError):  # not Linux, or this user has too many pipes already
            fcntl.fcntl(stdout.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
        self._thread = threading.Thread(target=self._pump, name="obra-agent-wire", daemon=True)
        self._thread.start()

    def next_line(self, seconds: float) -> bytes | None:
        """Return the next line, ``None`` at the end; raise ``queue.Empty`` when none comes within *seconds*."""
        line = self._lines.get(seconds)
        if self._flooded and not self._lines.is_flooded():
            self._wake()
        return line

    def send(self, data: bytes) -> None:
        """Queue *data* for the program; never waits."""
        with self._lock:
            self._outgoing += data
        self._wake()

    def close_input(self) -> None:
        """End the program's input, once everything queued is sent; never waits."""
        with self._lock:
            self._input_ends = True
        self._wake()

    def errors(self) -> str:
        """The end of what it printed to standard error."""
        return self._errors.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End the thread and close the pipes, whoever else still holds their other ends; safe to call twice."""
        if self._closing:
            return
        self._closing = True
        self._wake()
        self._thread.join()
        for pipe in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        with self._wake_lock:
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._wake_write = -1

    def _wake(self) -> None:
        with self._wake_lock:  # another thread may close it: its number may be somebody else's file then
            if self._wake_write >= 0:
                with contextlib.suppress(BlockingIOError):  # it is full: whoever reads it is awake
                    os.write(self._wake_write, b".")

    def _pump(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ, self._woken)
            selector.register(self._stdout, selectors.EVENT_READ, self._read_output)
            selector.register(self._stderr, selectors.EVENT_READ, self._read_errors)
            while not self._closing:
                for key, _ in selector.select():
                    key.data(selector)
        self._lines.put(b"")

    def _woken(self, selector: selectors.BaseSelector) -> None:
        os.read(self._wake_read, _CHUNK)
        if self._flooded and not self._lines.is_flooded():
            self._flooded = False
            selector.register(self._stdout, selectors.EVENT_READ, self._read_output)
        if not self._stdin.closed and self._stdin not in selector.get_map():
            selector.register(self._stdin, selectors.EVENT_WRITE, self._write_input)

    def _write_input(self, selector: selectors.BaseSelector) -> None:
        with self._lock:
            try:
                sent = os.write(self._stdin.fileno(), self._outgoing[:_CHUNK]) if self._outgoing else 0
            except BrokenPipeError:  # it is gone; the end of its output tells the rest
                self._outgoing.clear()
                self._input_ends, sent = True, 0
            del self._outgoing[:sent]
            if self._outgoing:
                return
            selector.unregister(self._stdin)
            if self._input_ends:
                self._stdin.close()

    def _read_output(self, selector: selectors.BaseSelector) -> None:
        data = os.read(self._stdout.fileno(), _CHUNK)
        if not data:
            self._read_errors(selector)  # its last words stand in the pipe: who sees the end has them
        self._lines.put(data)
        if not data:
            selector.unregister(self._stdout)
        elif self._lines.is_flooded():
            selector.unregister(self._stdout)
            self._flooded = True
            self._wake()  # somebody may have read it all just now

    def _read_errors(self, selector: selectors.BaseSelector) -> None:
        try:
            data = os.read(self._stderr.fileno(), _CHUNK)
        except BlockingIOError:  # read already
            return
        if not data and self._stderr in selector.get_map():
            selector.unregister(self._stderr)
        self._errors = (self._errors + data)[-_ERRORS_KEPT:]
