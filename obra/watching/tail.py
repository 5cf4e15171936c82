"""Tail: the lines that were added to a file since the last look."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST = 262_144
"""Bytes that one look reads; of more than that, the end is what is worth showing."""


class Tail:
    """Reads what is new in one file, which may be missing; one that was replaced or cut is read anew."""

    def __init__(self, path: Path, *, most: int | None = MOST) -> None:
        """Name the file; nothing is opened yet. Of more than *most* new bytes the end is read."""
        self.path = path
        self._most = most
        self._at = 0
        self._identity: tuple[int, int] | None = None

    def lines(self) -> list[str]:
        """Return the whole lines that are new; half a line waits for its end. Bytes that are no UTF-8 are U+FFFD.

        What is no regular file is not read: a pipe in its place would keep us waiting.

        Raises:
            OSError: the file is there and cannot be read.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return []
            identity = (status.st_dev, status.st_ino)
            if identity != self._identity or status.st_size < self._at:
                self._identity, self._at = identity, 0
            most = self._most if self._most is not None else status.st_size
            skipped = status.st_size - self._at > most
            self._at = file.seek(status.st_size - most if skipped else self._at)
            text = file.read(status.st_size - self._at)
        end = text.rfind(b"\n") + 1
        self._at += end
        lines = text[:end].decode("utf-8", "replace").split("\n")[:-1] if end else []
        return lines[1:] if skipped else lines
