"""Whose a folder on the other machine is, and whether that run is dead: a ``kill -9`` of Obra leaves it there.

Each folder holds a file ``owner`` that names the process it was made for, or that has taken it over. Who goes on
with the task of a dead one finds the agent's session there, and for its lease the agent itself. So the next login
removes a folder when nothing in it has shown life for a day and its process is not known to live; of one on
another machine nobody here knows.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import socket
from collections.abc import Callable
from pathlib import Path

import psutil

from obra.agents.ssh_connection import SSHConnection

FILE = "owner"
_SECONDS = 30.0
_KEPT_MINUTES = 24 * 60
_SAME_START_SECONDS = 1.0
_FIND = """
for d in {base}/obra-*; do
  [ -d "$d" ] && [ ! -L "$d" ] && [ -O "$d" ] && [ -f "$d/{file}" ] || continue
  old=old
  find "$d" -maxdepth 2 '(' -name {file} -o -name lease ')' -mmin -{minutes} | grep -q . && old=new
  printf '%s\\t%s\\t%s\\n' "$old" "$d" "$(cat "$d/{file}")"
done
"""


def new_claim() -> str:
    """Return a word that no other owner's file holds."""
    return secrets.token_hex(8)


def owner_line(marker: str, claim: str) -> str:
    """Return what the file says of this process, whose remote processes carry *marker*, and of its *claim*."""
    own = psutil.Process()
    owner = {"machine": _machine(), "process": own.pid, "began": own.create_time(), "marker": marker}
    return json.dumps({**owner, "claim": claim})


def remove_dead(connection: SSHConnection, base: str, sweep: Callable[[str], str]) -> tuple[str, ...]:
    """Remove the folders of dead runs in *base* on the other machine, and end what they have left running.

    What does not end, or cannot be removed, is tried again at the next login.

    Args:
        connection: the way there.
        base: the folder that they are in.
        sweep: returns the line for the remote shell that ends all that carries a marker.

    Returns:
        The folders that were removed.

    Raises:
        AgentCrashed: the connection is lost.
    """
    find = _FIND.format(base=shlex.quote(base), file=FILE, minutes=_KEPT_MINUTES)
    _, output = connection.run(f"sh -c {shlex.quote(find)}", seconds=_SECONDS)
    removed = []
    for line in output.splitlines():
        age, _, rest = line.partition("\t")
        folder, _, told = rest.partition("\t")
        marker = _dead_marker(told, is_old=age == "old")
        if marker:
            path = shlex.quote(folder)
            remove = f"{sweep(marker)} && chmod -R u+rwX {path} && rm -rf -- {path}"
            if connection.run(remove, seconds=_SECONDS)[0] == 0:
                removed.append(folder)
    return tuple(removed)


def _dead_marker(told: str, *, is_old: bool) -> str:
    """Return the marker in the owner file, when its run is dead; else nothing."""
    try:
        owner = json.loads(told)
        machine, marker = str(owner["machine"]), str(owner["marker"])
        process, began = int(owner["process"]), float(owner["began"])
    except (ValueError, TypeError, KeyError):  # none of ours, or half written: nobody knows
        return ""
    may_live = machine == _machine() and _lives(process, began)
    return marker if is_old and not may_live else ""


def _lives(process: int, began: float) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(process)
        is_same = abs(found.create_time() - began) < _SAME_START_SECONDS
        return is_same and found.status() != psutil.STATUS_ZOMBIE
    return False


def _machine() -> str:
    """Name what process ids count in: a machine since its start, and a container on it."""
    told = [socket.gethostname()]
    with contextlib.suppress(FileNotFoundError):  # no Linux
        told += [
            Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return " ".join(told)
