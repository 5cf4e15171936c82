"""The processes of an agent, found by the marker that they inherit and by their parents; Linux' /proc."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

RUN_ID = "OBRA_RUN_ID"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_ROUNDS = 100
_PAUSE = 0.02
_POLITE_ROUNDS = 25  # half a second of SIGTERM


def become_subreaper() -> None:
    """Let orphans of ours become our children, whatever session they fled to."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def dies_with_us() -> Callable[[], None]:
    """Return what a forked child calls so that the kernel kills it when this process ends."""
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def ask() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def marked(marker: str) -> list[int]:
    """Return the live processes that carry *marker*, this one and its parents left out."""
    wanted = f"{RUN_ID}={marker}".encode()
    own = {os.getpid(), os.getppid()}
    return [one for one in _all() if one not in own and wanted in _read(f"/proc/{one}/environ").split(b"\0")]


def below(process: int) -> list[int]:
    """Return the live descendants of *process*."""
    parents = {}
    for one in _all():
        fields = _read(f"/proc/{one}/stat").rpartition(b")")[2].split()
        if len(fields) > 1:
            parents[one] = (int(fields[1]), fields[0])
    found = [process]
    for one in found:
        found += [child for child, (parent, _) in parents.items() if parent == one]
    return [one for one in found[1:] if parents[one][1] not in (b"Z", b"X")]


def sweep(marker: str, root: int = 0) -> bool:
    """End all that carries *marker*, and everything below the process *root*; asked first, then killed.

    Returns:
        True when nothing is left.
    """
    for number in range(_ROUNDS):
        found = set(marked(marker)) | set(below(root) if root else ())
        if not found:
            return True
        for process in found:
            try:
                os.kill(process, signal.SIGTERM if number < _POLITE_ROUNDS else signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(_PAUSE)
    return False


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(path: str) -> bytes:
    """Return a file of /proc, empty when the process is gone or not ours."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
