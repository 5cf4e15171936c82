"""What a dead Obra left running, ended before anybody goes on in its workspace.

Its guard ends all of it, but some milliseconds after the death; a run that goes on sooner would find the old agent
still writing. The mark of its processes follows from the name of their owner, so that anybody can find them.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from obra.errors import WorkspaceError
from obra.state.owners import describe, is_alive
from obra.workspace.supervision import number_of, pattern_of

_SECONDS = 5.0
_LOOKS = 20
"""Looks that are taken at least before it gives up: while this machine stood still, nobody could die."""
_PAUSE = 0.005


def end_leftovers(owner: str, seconds: float = _SECONDS) -> int:
    """Kill all that *owner* started and that is alive still; nothing is done while *owner* may be alive itself.

    Args:
        owner: name of a process, as :func:`obra.state.owners.this_process` makes them; empty for nobody.
        seconds: how long to try.

    Returns:
        How many processes were ended.

    Raises:
        WorkspaceError: something does not end within *seconds* (stuck in the kernel, or of another user).
    """
    if not owner or is_alive(owner) is not False or not Path("/proc/self/environ").exists():
        return 0
    pattern = re.compile(pattern_of(number_of(owner)).encode())
    ended: set[int] = set()
    deadline, looks = time.monotonic() + seconds, 0
    while alive := [process for process in _others() if _is_alive(process) and _is_marked(process, pattern)]:
        looks += 1
        if looks > _LOOKS and time.monotonic() > deadline:
            raise WorkspaceError(f"processes {alive} of {describe(owner)} do not end; end them by hand")
        ended.update(alive)
        for process in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        time.sleep(_PAUSE)
    return len(ended)


def _others() -> list[int]:
    own = os.getpid()
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and int(path.name) != own]


def _is_alive(process: int) -> bool:
    state = _read(process, "stat").rpartition(b")")[2].split()
    return bool(state) and state[0] not in (b"Z", b"X")


def _is_marked(process: int, pattern: re.Pattern[bytes]) -> bool:
    return any(pattern.search(_read(process, name)) for name in ("environ", "limits"))


def _read(process: int, name: str) -> bytes:
    """Return a file of /proc; empty when the process is gone, or another user's."""
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
