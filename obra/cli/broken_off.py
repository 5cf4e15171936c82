"""A run that is broken off: what is kept of it, and what to type to go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obra.cli.options import Chosen
    from obra.cli.progress import Progress
    from obra.state.state_manager import StateManager


def stop_in_order() -> None:
    """Store a run like Ctrl-C does when its job is cancelled or its terminal closed, unless that is ignored."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)


@contextmanager
def explained_end(state: StateManager, progress: Progress, chosen: Chosen) -> Iterator[None]:
    """Let Ctrl-C and every error say what is kept of the task and how to go on."""
    try:
        yield
    except (KeyboardInterrupt, Exception) as end:
        if progress.task:
            end.add_note(_kept(progress.task.id, state, chosen))
        raise


def _kept(task_id: int, state: StateManager, chosen: Chosen) -> str:
    """Say how a task that was broken off is stored, and how to go on."""
    from obra.domain import TaskStatus
    from obra.errors import ObraError

    try:
        status = state.get_task(task_id).status
    except ObraError as error:
        return f"how task {task_id} is stored cannot be read: {error}"
    kept = f"task {task_id} is stored as {status}"
    if status is TaskStatus.COMPLETED:
        return kept
    verb = "resume" if status is TaskStatus.INTERRUPTED else "run"
    return f"{kept}; go on with: {chosen.again(f'obra {verb} --task {task_id}', agent=True)}"


def require_heard(progress: Progress) -> None:
    """Raise when the run could not be shown; it has ended and is stored all the same."""
    if progress.lost:
        raise progress.lost
