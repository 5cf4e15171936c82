"""Start a program and leave nothing of it behind: its whole tree is found, stopped and swept.

A process group is not enough. Agents start each tool in a session of its own, ``setsid`` and double forks
leave the group, and a normal end may leave a server running. See ``supervision.py`` for the means.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from obra.domain import Record
from obra.errors import WorkspaceError
from obra.workspace.ctrl_c import ctrl_c_waits
from obra.workspace.output import KeptOutput, end_of, read_the_rest, read_until_ended
from obra.workspace.supervision import (
    RUN_ID,
    children,
    descendants,
    is_marked,
    is_stopped,
    is_zombie,
    supervisor,
)

if TYPE_CHECKING:
    import psutil

Stream = int | IO[bytes] | None
Ladder = Sequence[tuple[signal.Signals, float]]

POLITE: Ladder = ((signal.SIGINT, 2.0), (signal.SIGTERM, 5.0))
"""First what Ctrl-C does, so that an agent ends its own tools and says its last words; then SIGTERM."""

AGENT: Ladder = ((signal.SIGINT, 0.6), (signal.SIGTERM, 0.6))
"""For an agent in a turn that is over for us. Those we know obey either within 0.3 seconds nearly always; one that
does not is ended so soon that Ctrl-C takes less than two seconds, with all that is done before and after."""

BRISK: Ladder = ((signal.SIGINT, 0.5), (signal.SIGTERM, 0.5))
"""For a command over its time limit: long enough for pytest to print where it hung."""

_SWEEP_SECONDS = 5.0
_SWEEP_LOOKS = 100
"""Looks that a sweep takes at least before it gives up: while this machine stood still, nobody could die."""
_PAUSE = 0.001
_SLICES = 10
"""Parts of a wait: while this machine stands still only one of them passes, and who was asked to end still can."""


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a program that shall see nothing of ours.

    PATH is ours with the Python that runs Obra in front (``python`` is that one), HOME is *home*, TMPDIR a
    folder in it; both are made. Whatever else the parent's environment holds, such as keys, is left out.

    Args:
        home: the program's private home.
        extra: further variables; they win.
    """
    home = home.absolute()
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    front = Path(sys.executable).parent
    if not (front / "python").exists():  # some systems have only python3
        front = home / "bin"
        front.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (front / "python").symlink_to(sys.executable)
    inherited = os.environ.get("PATH", os.defpath).split(os.pathsep)
    folders = dict.fromkeys([str(front), *(folder for folder in inherited if Path(folder).is_absolute())])
    return {
        "PATH": os.pathsep.join(folders),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
        **(extra or {}),
    }


class ProcessTree:
    """One started program and everything it starts.

    The program has a session of its own. When this process ends, even by ``kill -9``, the whole tree is killed
    by the guard. The tree ends with :meth:`stop` or :meth:`sweep`; the owner closes the pipes that it asked for.

    Attributes:
        process: the started program.
        marker: value of ``OBRA_RUN_ID`` in the environment of the whole tree; no other tree has it.
    """

    def __init__(
        self,
        command: Sequence[str] | str,
        *,
        cwd: Path,
        environment: Mapping[str, str],
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.DEVNULL,
        stderr: Stream = subprocess.DEVNULL,
        dies_with_thread: bool = True,
    ) -> None:
        """Start *command* (a string is a line for ``/bin/sh``) in *cwd* with *environment* and the marker.

        Args:
            command: program and arguments, or a line for the shell.
            cwd: the folder to run in.
            environment: all of its environment but for the marker.
            stdin: as for ``subprocess.Popen``.
            stdout: the same.
            stderr: the same.
            dies_with_thread: let the kernel kill the program when the thread that starts it ends
                (``PR_SET_PDEATHSIG`` is tied to the thread): start it in the thread that waits for it. Needs a
                fork of this process, 2 ms and more with a large heap; ``False`` leaves it to the guard.

        Raises:
            WorkspaceError: the program or *cwd* is not there or may not be used.
        """
        supervising = supervisor()
        self._number = supervising.next_number()
        above = os.environ.get(RUN_ID, "")  # we may ourselves run inside a tree, which must find ours too
        self.marker = f"{above}.{self._number}" if above else str(self._number)
        setup = supervising.child_setup() if dies_with_thread or not supervising.guard else None
        try:
            with ctrl_c_waits(), supervising.marking(self._number):
                self.process: subprocess.Popen[bytes] = subprocess.Popen(  # a string asks for it
                    command if isinstance(command, str) else list(command),
                    shell=isinstance(command, str),
                    cwd=cwd,
                    env={**environment, RUN_ID: self.marker},
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                    preexec_fn=setup,  # noqa: PLW1509  # see child_setup
                )
        except (OSError, ValueError, IndexError) as error:
            raise WorkspaceError(_why_not_started(command, cwd, error)) from error
        except BaseException:  # whatever a handler raises
            if "process" in vars(self):  # it has started, and nobody else knows of it
                self.sweep()
            raise

    def survivors(self) -> list[psutil.Process]:
        """Return everything of this tree that is alive, children that called ``setsid`` too."""
        import psutil

        found = []
        for process in self._alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(process))
        return found

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the started program alone; return its exit code, or ``None`` when time is up."""
        if self.process.poll() is None:
            with end_of(self.process) as ended:
                if ended >= 0:
                    poller = select.poll()  # Popen.wait looks at intervals and answers up to 50 ms late
                    poller.register(ended, select.POLLIN)
                    for _ in range(_SLICES):
                        if poller.poll(None if seconds is None else 1000 * seconds / _SLICES):
                            break
                    return self.process.poll()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def stop(self, ladder: Ladder = POLITE) -> int:
        """Ask the program to end, more firmly each time, and sweep what is left.

        One that was stopped (SIGSTOP) hears no request, and is killed without any.

        Args:
            ladder: signals for the program's process group, each with the seconds it gets to end.

        Returns:
            How many processes had to be killed; 0 when asking was enough.
        """
        for number, seconds in ladder:
            if self.process.poll() is not None or is_stopped(self.process.pid):
                break
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
            if self.wait(seconds) is not None:
                break
        return self.sweep()

    def sweep(self, seconds: float = _SWEEP_SECONDS) -> int:
        """Kill whatever of the tree is alive, the program too, and reap its zombies.

        Returns:
            How many processes were ended; 0, after well under 2 ms, when nothing was left.

        Raises:
            WorkspaceError: something does not die within *seconds* (stuck in the kernel, or of another user).
        """
        ended: set[int] = set()
        deadline = time.monotonic() + seconds
        quiet_looks = looks = 0
        while quiet_looks < 2:  # noqa: PLR2004  # the kernel's list may skip one while another thread reaps
            looks += 1
            alive = self._alive()
            ended.update(process for process in alive if not is_zombie(process))
            for process in alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            quiet_looks = 0 if alive else quiet_looks + 1
            if alive and looks > _SWEEP_LOOKS and time.monotonic() > deadline:
                raise WorkspaceError(f"processes {alive} do not end even by SIGKILL; end them by hand")
            if alive:
                time.sleep(_PAUSE)
        return len(ended)

    def _alive(self) -> list[int]:
        """Return the ids of all that is alive; reap the tree's zombies on the way."""
        self.process.poll()
        if not supervisor().sees_orphans:
            return self._alive_by_search()
        found: list[int] = []
        for child in children(os.getpid()):
            if not is_marked(child, self.marker, self._number, self.process.pid):
                continue
            if is_zombie(child):
                found += [] if self._is_reaped(child) else [child]
            found += [process for process in descendants(child) if not is_zombie(process)]
        return found

    def _is_reaped(self, child: int) -> bool:
        """Reap a zombie; one whose other threads are still ending cannot be reaped yet, and counts as alive."""
        if child == self.process.pid:
            return self.process.poll() is not None
        with contextlib.suppress(ChildProcessError):
            return os.waitpid(child, os.WNOHANG)[0] == child
        return True

    def _alive_by_search(self) -> list[int]:
        """Look at every process of the system: some 20 ms, where orphans do not come to us."""
        import psutil

        found: set[int] = set()
        if self.process.returncode is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.update(item.pid for item in psutil.Process(self.process.pid).children(recursive=True))
            found.add(self.process.pid)
        for item in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if item.environ().get(RUN_ID, "").startswith(self.marker):
                    found.add(item.pid)
        return sorted(found)


def _why_not_started(command: Sequence[str] | str, cwd: Path, error: Exception) -> str:
    program = "/bin/sh" if isinstance(command, str) else (command[0] if command else "")
    if not cwd.is_dir():
        return f"cannot run {program!r}: its folder {cwd} is not there (any more); prepare the workspace again"
    if isinstance(error, FileNotFoundError):
        if os.sep in program and (cwd / program).is_file():
            return f"cannot run {program!r}: the interpreter named in its first line is not there; install it anew"
        return f"cannot run {program!r}: no such program on PATH; install it or give its full path"
    reason = getattr(error, "strerror", None) or error
    return f"cannot run {program!r} in {cwd}: {reason}; check the command and its permissions"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult(Record):
    """How a command ended."""

    exit_code: int | None
    """As the shell counts: negative is minus the signal; ``None`` when the time limit ended it."""
    output: str
    """Standard output and error together, head and tail within the limit."""
    timed_out: bool
    seconds: float
    swept: int
    """Processes that it left behind, or that had to be killed."""


def run_command(
    command: Sequence[str] | str,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float,
    max_output: int,
) -> CommandResult:
    """Run a command to its end or to its time limit, and end everything it started in both cases.

    Args:
        command: program and arguments, or a line for ``/bin/sh``. Its standard input is empty.
        cwd: the folder to run in.
        environment: all of its environment, see :func:`clean_environment`.
        timeout: seconds.
        max_output: characters of output that are kept, head and tail; all of it is read.

    Raises:
        WorkspaceError: the program or *cwd* is not there.
    """
    started = time.monotonic()
    kept = KeptOutput(max_output)
    with ExitStack() as ends:
        with ctrl_c_waits():
            tree = ProcessTree(
                command,
                cwd=cwd,
                environment=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                dies_with_thread=False,
            )
            pipe: IO[bytes] = tree.process.stdout  # type: ignore[assignment]  # there is one: it was asked for
            ends.callback(pipe.close)
            ends.callback(tree.sweep)
        in_time = read_until_ended(pipe.fileno(), tree.process, kept, started + timeout)
        swept = tree.sweep() if in_time else tree.stop(BRISK)
        read_the_rest(pipe.fileno(), kept)
    return CommandResult(
        exit_code=tree.process.returncode if in_time else None,
        output=kept.text(),
        timed_out=not in_time,
        seconds=time.monotonic() - started,
        swept=swept,
    )
