"""What an agent may leave behind and must not: processes, threads, descriptors, sockets, temporary folders."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from obra.testing.requirements import require
from obra.workspace.supervision import supervisor

GRACE_SECONDS = 20.0
"""How long what ends may take to be gone, on a busy machine, too."""
LOOK_SECONDS = 0.02


def started_processes() -> list[psutil.Process]:
    """Return all live descendants of this process, but for the guard that outlives nobody."""
    return [one for one in psutil.Process().children(recursive=True) if one.pid != supervisor().guard]


def processes_since(before: Collection[psutil.Process]) -> list[psutil.Process]:
    """Return all live descendants of this process that are not among *before*."""
    return [one for one in started_processes() if one not in before]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What there is at one moment: a text for people by something that identifies it."""

    processes: Mapping[object, str]
    threads: Mapping[object, str]
    descriptors: Mapping[object, str]
    folders: Mapping[object, str]

    @classmethod
    def now(cls) -> Leftovers:
        """Look."""
        supervisor()
        return cls(
            processes={(one.pid, one.create_time()): _told(one) for one in started_processes()},
            threads={one: one.name for one in threading.enumerate()},
            descriptors=_descriptors(),
            folders={path: path.name for path in Path(tempfile.gettempdir()).glob(f"obra-*-{os.getpid()}.*")},
        )

    def require_nothing_new(self) -> None:
        """Require that soon nothing is there that was not there at this moment.

        Raises:
            AssertionError: something is; the message names it.
        """
        deadline = time.monotonic() + GRACE_SECONDS
        while (found := self._since()) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            gc.collect()
        require(not found, "something is left behind: " + "; ".join(found))

    def _since(self) -> list[str]:
        now = Leftovers.now()
        found = []
        for kind in ("processes", "threads", "descriptors", "folders"):
            before, after = getattr(self, kind), getattr(now, kind)
            new = [text for key, text in after.items() if key not in before]
            if kind == "descriptors":  # numbers are used again for other things: how many there are counts
                new = new if len(after) > len(before) else []
            if new:
                found.append(f"{kind}: {', '.join(sorted(new))}")
        return found


def _told(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())[:200] or process.name()} ({process.status()})"
    return str(process.pid)


def _descriptors() -> Mapping[object, str]:
    """Return the open descriptors of this process with what they lead to, sockets and pipes too. Linux."""
    found: dict[object, str] = {}
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return found
    for name in os.listdir(folder):  # noqa: PTH208  # numbers are wanted
        with contextlib.suppress(FileNotFoundError):  # the one that reads this very list
            target = str((folder / name).readlink())
            found[name, target] = f"{name} -> {target}"
    return found
