"""The files by which a runner and its attachments know of each other, in a folder that only their user may enter.

``out`` and ``err`` hold what the agent printed, ``input`` what it is to read; all three only grow, so that one
number says all about who has seen what. ``orders`` is what Obra wants, the whole of it at once; ``lease`` is
touched when Obra is heard; ``owner``, in the folder around it, names the Obra that may say anything here;
``status`` says how it stands; the runner holds a lock on ``lock`` as long as it lives,
and what it has to say when it breaks stands in ``log``.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

_STATUS_SIZE = 4096


class Folder:
    """The files of one run."""

    def __init__(self, root: Path) -> None:
        self.out, self.err, self.input = root / "out", root / "err", root / "input"
        self.orders, self.lease = root / "orders", root / "lease"
        self.lock, self.turnstile = root / "lock", root / "turnstile"
        self.log, self._status = root / "log", root / "status"
        self._owner = root.parent / "owner"

    def make(self) -> None:
        """Make them all; the status keeps its place on the disk, so that it can be told when that is full."""
        for path in (self.out, self.err, self.input, self.lease, self.lock, self.turnstile):
            path.touch()
        self._status.write_bytes(b" " * _STATUS_SIZE)

    def write_status(self, status: dict[str, object]) -> None:
        """Say how it stands, in place."""
        text = json.dumps(status).encode()[:_STATUS_SIZE]
        number = os.open(self._status, os.O_WRONLY)
        try:
            os.pwrite(number, text.ljust(_STATUS_SIZE), 0)
        finally:
            os.close(number)

    def read_status(self) -> dict[str, object]:
        """Return what was said last; empty when nothing was, or while it is being written."""
        try:
            found = json.loads(self._status.read_bytes() or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def read_orders(self) -> dict[str, object]:
        """Return what Obra wants; empty when nothing was said yet."""
        try:
            found = json.loads(self.orders.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_claimed(self, claim: str) -> bool:
        """Tell whether the Obra that *claim* stands for is still the one to obey: another one may have come."""
        try:
            return claim in self._owner.read_text()
        except FileNotFoundError:
            return False

    def is_kept(self) -> bool:
        """Tell whether the runner lives."""
        with self.lock.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
