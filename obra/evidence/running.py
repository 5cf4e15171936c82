"""Run one program for a check: in a fresh private copy, in a clean environment, with nothing left behind."""

from __future__ import annotations

import signal
import site
from collections.abc import Sequence
from typing import TYPE_CHECKING

from obra.evidence.scene import Scene, Scratch

if TYPE_CHECKING:
    from obra.workspace.processes import CommandResult

JUDGED_OUTPUT = 1_000_000
"""Characters of output, head and tail, that a wish about the output is compared with."""


def run_in(scratch: Scratch, command: Sequence[str] | str, scene: Scene, timeout: float) -> CommandResult:
    """Run *command* in the copy and return how it ended, with up to :data:`JUDGED_OUTPUT` characters.

    Raises:
        WorkspaceError: it cannot be started at all.
    """
    from obra.workspace.processes import clean_environment, run_command

    # git must not find a repository that happens to lie above the copy.
    extra = {"GIT_CEILING_DIRECTORIES": str(scratch.workspace.parent)}
    if site.ENABLE_USER_SITE:  # Python looks for it below HOME, and HOME is another one here
        extra["PYTHONUSERBASE"] = site.getuserbase()
    return run_command(
        command,
        cwd=scratch.workspace,
        environment=clean_environment(scratch.home, extra),
        timeout=timeout,
        max_output=max(JUDGED_OUTPUT, scene.max_output),
    )


def exit_words(code: int | None) -> str:
    """Return an exit code in words: ``1``, or ``-9 (SIGKILL)``."""
    if code is None or code >= 0:
        return str(code)
    try:
        return f"{code} ({signal.Signals(-code).name})"
    except ValueError:
        return str(code)
