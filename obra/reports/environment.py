"""What a run was made with: versions only, nothing that names a person or a machine."""

from __future__ import annotations

import platform
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version

_LONGEST_WAIT = 10.0
"""Seconds for ``git --version``, which normally takes some milliseconds."""


def environment() -> dict[str, str]:
    """Return versions by name: ``obra, python, platform, pytest`` (when installed), ``git, sqlite``.

    No host name, user name or path is among them. Asking for git starts a process: call it once for each run.
    """
    from obra import __version__

    found = {
        "obra": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "git": _git_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    try:
        found["pytest"] = version("pytest")
    except PackageNotFoundError:
        return found
    return found


def _git_version() -> str:
    try:
        done = subprocess.run(
            ["git", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_WAIT,
            check=False,
        )
    except FileNotFoundError:
        return "not found"
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer"
    if done.returncode != 0:
        return "does not answer"
    return done.stdout.strip().removeprefix("git version ")
