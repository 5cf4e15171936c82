"""Run a program so that it can write its workspace and nothing else: bubblewrap, its paths and its network.

Inside, the whole file system is read-only; the folders where people keep secrets and other programs their sockets
(the home, ``/tmp``, ``/run``) are empty but for what the program needs to start. It sees its own processes only,
and all of them end with it. What it may reach over the network is the caller's choice, see :class:`Sandbox`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from obra.domain import Record
from obra.errors import WorkspaceError

INSTALL_HINT = "apt-get install bubblewrap (or dnf install bubblewrap)"
PROGRAM = "bwrap"
_LOOK_SECONDS = 10.0
_HIDDEN = ("/tmp", "/var/tmp", "/run", "/home", "/root")  # noqa: S108  # hidden, not used
_NEEDED_OF_RUN = ("/run/systemd/resolve", "/run/NetworkManager")
"""Where /etc/resolv.conf often points to; without it no name is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox(Record):
    """What a program may touch.

    ``network`` is ``host``, which means that of the machine without any limit, loopback and its services included,
    or ``model``: no network at all but one way out, see :mod:`obra.workspace.model_door`.
    """

    workspace: Path
    writable: tuple[Path, ...] = ()
    """Further folders and files that it may change; those that are missing are left out."""
    readable: tuple[Path, ...] = ()
    """What it needs of the folders that are hidden from it; of an npm package's program, all of its packages."""
    network: Literal["host", "model"] = "host"

    def command(self, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """Return the arguments that run *command*, whose program is an absolute path, inside."""
        hidden = [folder for folder in _hidden_folders() if folder.is_dir()]
        arguments = [
            PROGRAM,
            "--die-with-parent",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--cap-drop",
            "ALL",
            *(["--unshare-net"] if self.network == "model" else []),
            *("--ro-bind", "/", "/"),
            *("--dev", "/dev"),
            *("--proc", "/proc"),
        ]
        for folder in hidden:
            arguments += ["--tmpfs", str(folder)]
        given = [one for path in self.readable for one in (*_package_of(path), *_package_of(path.resolve()))]
        needed = dict.fromkeys([*_needed_to_start(Path(command[0]), environment), *given])
        for path in needed:
            if any(path.is_relative_to(folder) for folder in hidden):
                arguments += ["--ro-bind-try", str(path), str(path)]
        for path in (*self.writable, self.workspace):
            arguments += ["--bind-try", str(path), str(path)]
        return [*arguments, "--chdir", str(self.workspace), "--", *command]


@cache
def bubblewrap() -> str:
    """Return name and version, such as ``bubblewrap 0.8.0``, after a look whether it works here.

    Raises:
        WorkspaceError: it is not installed, or this machine does not let it work.
    """
    if shutil.which(PROGRAM) is None:
        raise WorkspaceError(
            f"agent.sandbox is bubblewrap, but {PROGRAM!r} is not on PATH; install it: {INSTALL_HINT}, "
            f"or set agent.sandbox: none"
        )
    try:
        told = _run([PROGRAM, "--version"])
        _run([PROGRAM, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "true"])
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise WorkspaceError(
            f"agent.sandbox is bubblewrap, but it does not work on this machine: {said}; allow unprivileged user "
            f"namespaces (sysctl kernel.unprivileged_userns_clone=1, or a container that permits them), "
            f"or set agent.sandbox: none"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkspaceError(f"{PROGRAM!r} does not start: {error}; install it anew: {INSTALL_HINT}") from error
    return told.decode(errors="replace").strip()


def _run(command: Sequence[str]) -> bytes:
    return subprocess.run(command, capture_output=True, timeout=_LOOK_SECONDS, check=True).stdout


def _hidden_folders() -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(one) for one in (*_HIDDEN, str(Path.home()))))


def _needed_to_start(program: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield what must be seen even in a hidden folder: the program, our Python, PATH, the resolver."""
    yield from _package_of(program)
    yield from _package_of(program.resolve())
    yield from {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent}
    for folder in environment.get("PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder)
    yield from map(Path, _NEEDED_OF_RUN)


def _package_of(program: Path) -> Iterable[Path]:
    """Return the program's folder, or the whole tree of npm packages that it stands in."""
    for folder in reversed(program.parents):
        if folder.name == "node_modules":
            return (folder,)
    return (program,)
