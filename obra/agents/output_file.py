"""Output through a file, for programs that end without waiting until somebody has taken what they printed.

opencode 1.18.33 and Gemini CLI 0.61.0 do not wait: what a pipe does not hold (64 KiB, 1 MiB at most) when they end
is lost whenever this machine is too busy to read as fast as they print. A file takes all of it at once.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from typing import IO

_LOOK_SECONDS = 0.03
_CHUNK = 256 * 1024


class OutputFile:
    """A nameless file that a program prints into, and a pipe that gives what stands in it, as it comes.

    Attributes:
        file: for the program's standard output.
        pipe: to be read from; it ends when the program has ended and all is read. The reader closes it.
    """

    def __init__(self) -> None:
        """Make both; nothing moves yet."""
        self.file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # close() does
        reading, self._writing = os.pipe()
        self.pipe: IO[bytes] = os.fdopen(reading, "rb", buffering=0)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Begin to move what *process* prints."""
        self._thread = threading.Thread(target=self._move, args=(process,), name="obra-output-file", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and close the file; call it when the pipe's reader is gone. Safe to call twice."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        elif not self.file.closed:
            os.close(self._writing)
        self.file.close()

    def _move(self, process: subprocess.Popen[bytes]) -> None:
        at = 0
        try:
            while not self._over.is_set():
                has_ended = process.poll() is not None
                data = os.pread(self.file.fileno(), _CHUNK, at)
                at += len(data)
                rest = data
                while rest:
                    rest = rest[os.write(self._writing, rest) :]
                if has_ended and not data:
                    return
                if not data:
                    self._over.wait(_LOOK_SECONDS)
        except BrokenPipeError:
            return  # nobody reads any more
        finally:
            os.close(self._writing)
