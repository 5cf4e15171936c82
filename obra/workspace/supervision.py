"""What the kernel does for a process that supervises others, so that none of them outlives it unseen.

Four means, each for a gap that the others leave (all Linux; elsewhere psutil has to do):

* ``PR_SET_CHILD_SUBREAPER``: orphans become our children, whatever session they fled to, so that finding
  them is reading a list of children and not a walk through all processes.
* ``PR_SET_PDEATHSIG``: the program we started dies with us.
* A marker that children inherit: ``OBRA_RUN_ID`` in the environment, and the same number as soft limit of
  ``RLIMIT_RTTIME``. That limit has no effect on anything that is not scheduled in real time, it survives
  ``env -i`` and ``setsid``, and unlike the environment it can still be read from a zombie.
* The guard: one small shell for each supervising process, which waits for us to end, however we end, and then
  kills whatever carries our marker. Without it, grandchildren would survive a ``kill -9`` of the supervisor.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from obra.state.owners import this_process

RUN_ID = "OBRA_RUN_ID"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_COUNTER_DIGITS = 8
_GUARD = """
read -r _
round=0
while [ $round -lt 40 ]; do
  alive=
  for file in $(grep -lsE "$1" /proc/[0-9]*/environ /proc/[0-9]*/limits); do
    process=${file#/proc/}
    process=${process%%/*}
    read -r state < "/proc/$process/stat" || continue
    case ${state##*)} in ' Z '*) continue ;; esac
    kill -9 "$process" && alive=1
  done
  [ -n "$alive" ] || exit 0
  round=$((round + 1))
  [ $round -lt 3 ] || sleep 0.05
done
"""


def number_of(owner: str) -> str:
    """Return the ten digits that mark all that the process called *owner* starts."""
    return str(int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8]) % (9 * 10**9) + 10**9)


def pattern_of(number: str) -> str:
    """Return the pattern that finds a mark that begins with *number* in ``environ`` or ``limits`` of a process."""
    return f"{RUN_ID}=([0-9]+[.])*{number}|realtime timeout +{number}"


class Supervisor:
    """This process as a supervisor of others.

    Attributes:
        number: ten digits that are this process's own; every marker it gives out begins with them.
        guard: process id of the guard, 0 where there is none.
        sees_orphans: True when orphans become our children and the kernel lists children.
    """

    def __init__(self) -> None:
        """Become a subreaper and start the guard, as far as this system can."""
        self.number = number_of(this_process())
        self.guard = 0
        self.sees_orphans = False
        self._counter = itertools.count(1)
        self._guard_pipe = -1
        self._lock = threading.Lock()
        self._prctl: Any = None
        self._marks_limits = False
        _let_children_hear_ctrl_c()
        if sys.platform == "linux":
            self._use_linux()

    def _use_linux(self) -> None:
        import ctypes
        import resource

        self._prctl = ctypes.PyDLL(None).prctl  # PyDLL: no release of the GIL in a forked child
        became = self._prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        self.sees_orphans = became and Path(f"/proc/self/task/{os.getpid()}/children").exists()
        # In a tree of another Obra the limit is its mark, which has to stay for it to find what is ours.
        unmarked = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self._marks_limits = resource.getrlimit(resource.RLIMIT_RTTIME) == unmarked
        self._start_guard()

    def _start_guard(self) -> None:
        shell = shutil.which("sh")
        if shell is None or shutil.which("grep") is None:
            return
        reading, self._guard_pipe = os.pipe()
        pattern = pattern_of(self.number)
        try:
            self.guard = os.posix_spawn(
                shell,
                [shell, "-c", _GUARD, "obra-guard", pattern],
                {"PATH": os.environ.get("PATH", os.defpath)},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reading, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        finally:
            os.close(reading)

    def next_number(self) -> int:
        """Return a number that no other tree on this machine has: ours, and a counter."""
        count: int = next(self._counter)
        return int(self.number + str(count).zfill(_COUNTER_DIGITS))

    @contextlib.contextmanager
    def marking(self, number: int) -> Iterator[None]:
        """Let what is started inside inherit the number.

        The limit is set on this process for that moment: set on the child afterwards, it comes too late for
        one in a hundred grandchildren when the machine is busy. A program that another thread starts in the
        same moment inherits it too; as long as it stays in our session it is not taken for ours.
        """
        if not self._marks_limits:
            yield
            return
        import resource

        with self._lock:
            resource.setrlimit(resource.RLIMIT_RTTIME, (number, resource.RLIM_INFINITY))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_RTTIME, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def child_setup(self) -> Callable[[], None] | None:
        """Return what a forked child does before it becomes the program, or ``None`` when there is nothing.

        It runs between fork and exec, perhaps while other threads hold locks: it only makes system calls
        through functions that were looked up beforehand.
        """
        if self._prctl is None:
            return None
        prctl, getppid, leave = self._prctl, os.getppid, os._exit
        parent, kill = os.getpid(), int(signal.SIGKILL)

        def setup() -> None:
            prctl(_PR_SET_PDEATHSIG, kill, 0, 0, 0)
            if getppid() != parent:  # the supervisor died before the request was heard
                leave(1)

        return setup

    def release(self) -> None:
        """Let the guard look once and end; called when the process exits normally."""
        if self._guard_pipe >= 0:
            os.close(self._guard_pipe)
            self._guard_pipe = -1
        if self.guard:
            with contextlib.suppress(ChildProcessError):  # somebody waited for all children: it is gone
                os.waitpid(self.guard, 0)
            self.guard = 0

    def forget(self) -> None:
        """Drop what belongs to the parent; called in a child that was forked without exec."""
        if self._guard_pipe >= 0:
            os.close(self._guard_pipe)
            self._guard_pipe = -1


def _let_children_hear_ctrl_c() -> None:
    """Go on ignoring SIGINT, where we do, in a way that programs we start do not inherit.

    A shell starts what is put into the background with SIGINT ignored; so would every agent be, and the first rung
    of the ladder that stops it would do nothing. Only the main thread may set this.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)


class _Current:
    """The supervisor of this very process, made when first needed and made anew after a fork."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.supervisor: Supervisor | None = None

    def get(self) -> Supervisor:
        with self.lock:
            if self.supervisor is None:
                self.supervisor = Supervisor()
            return self.supervisor

    def after_fork(self) -> None:
        self.lock = threading.Lock()
        if self.supervisor is not None:
            self.supervisor.forget()
            self.supervisor = None

    def at_exit(self) -> None:
        if self.supervisor is not None:
            self.supervisor.release()


_current = _Current()
os.register_at_fork(after_in_child=_current.after_fork)
atexit.register(_current.at_exit)


def supervisor() -> Supervisor:
    """Return this process's supervisor."""
    return _current.get()


def children(process: int) -> list[int]:
    """Return the ids of the children of *process*, zombies too; none when it is gone. Linux."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208  # the names alone are wanted, and fast
            found += map(int, _read(f"/proc/{process}/task/{thread}/children").split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended while we looked: its children are somebody else's now
    return found


def descendants(process: int) -> Iterator[int]:
    """Yield *process* and everything below it, parents first. Linux."""
    yield process
    for child in children(process):
        yield from descendants(child)


def is_marked(process: int, marker: str, number: int, session: int) -> bool:
    """Tell whether *process*, alive or zombie, belongs to the tree with these marks. Linux."""
    found = _state_and_session(process)[1]
    if found == session:
        return True
    if found != os.getsid(0) and f" {number} ".encode() in _read(f"/proc/{process}/limits"):
        return True
    return f"{RUN_ID}={marker}".encode() in _read(f"/proc/{process}/environ")


def is_zombie(process: int) -> bool:
    """Tell whether *process* has ended and waits to be reaped, or is gone. Linux."""
    return _state_and_session(process)[0] in ("Z", "X", "")


def is_stopped(process: int) -> bool:
    """Tell whether *process* stands still by SIGSTOP or the like, so that it hears nothing but SIGKILL. Linux."""
    return _state_and_session(process)[0] == "T"


def _state_and_session(process: int) -> tuple[str, int]:
    """Return the state letter and the session id of /proc/PID/stat, see proc(5); ``("", 0)`` when gone."""
    text = _read(f"/proc/{process}/stat")
    if not text:
        return "", 0
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold blanks and brackets
    return fields[0].decode(), int(fields[3])


def _read(path: str) -> bytes:
    """Return a file of /proc, empty when the process is gone or not ours to read."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
