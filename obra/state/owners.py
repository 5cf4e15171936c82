"""Who is working on a task: a name for a process that no later process can have, and whether it still lives."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


def this_process() -> str:
    """Return the name of this process, ``host:pid:start``. A forked child gets a name of its own."""
    return _name_of(os.getpid())


def is_alive(owner: str) -> bool | None:
    """Tell whether the process called *owner* still runs.

    Returns:
        True or False for a process of this host; ``None`` when it cannot be known from here: another host, or
        a name that :func:`this_process` did not make. A zombie is dead, and so is a process whose number now
        belongs to a younger one.
    """
    if owner == this_process():
        return True
    host, pid, start = _parts(owner)
    if host != _host() or not pid.isdecimal() or not start:
        return None
    return _start_of(int(pid)) == start


def is_process(owner: str, pid: int) -> bool:
    """Tell whether *owner* is the process *pid* of this host."""
    host, found, _ = _parts(owner)
    return (host, found) == (_host(), str(pid))


def describe(owner: str) -> str:
    """Return *owner* in words for messages, such as ``process 4711 on build7``."""
    host, pid, start = _parts(owner)
    return f"process {pid} on {host}" if start else f"owner {owner!r}"


def _parts(owner: str) -> tuple[str, str, str]:
    parts = owner.rsplit(":", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (owner, "", "")  # noqa: PLR2004  # three parts


@cache
def _host() -> str:
    return socket.gethostname()


@cache
def _name_of(pid: int) -> str:
    return f"{_host()}:{pid}:{_start_of(pid)}"


def _start_of(pid: int) -> str:
    """Return a mark of when process *pid* started, or an empty text when it is not running.

    On Linux this is the start in ticks since boot together with the boot's own id. psutil's ``create_time`` is
    made from the wall clock, so that setting the clock would make a living owner look like a stranger.
    """
    return _start_by_proc(pid) if Path("/proc/self/stat").exists() else _start_by_psutil(pid)


def _start_by_proc(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The second field is the program's name in brackets and may hold anything; proc(5) numbers the state 3
    # and the start 22, so behind the last bracket they are the first and the twentieth.
    fields = stat[stat.rindex(b")") + 1 :].split()
    return "" if fields[0] in (b"Z", b"X") else f"{_boot()}-{fields[19].decode()}"


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]


def _start_by_psutil(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""
