"""The beginning of a run: what is known of the task, its folder, and, after an interruption, where to go on."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from obra.asking import NOBODY_WAITS
from obra.attempt_steps import Kept, Spent, kept
from obra.domain import LEGAL_STATUS_CHANGES, Attempt, Breakpoint, BreakpointStatus, Project, Task, TaskStatus
from obra.errors import ConfigError, IllegalStatus, WorkspaceError
from obra.logbook import logger
from obra.plugins import TakenUp
from obra.prompting.requirements import is_checkable
from obra.settings import Settings
from obra.task_run import TaskRun

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager
    from obra.workspace.workspace import Workspace

_REPOSITORY = "repository"
"""Kind of the event that keeps the state of the workspace's own repository at a task's start."""


def root_of(task: Task, project: Project, settings: Settings) -> Path:
    """Return the folder that *task* of *project* works in, made when missing.

    Raises:
        WorkspaceError: none is named anywhere, or it cannot be made.
    """
    folder = task.working_dir or project.working_dir or settings.agent.local.workspace_dir
    if not folder:
        raise WorkspaceError(
            f"task {task.id} has no folder to work in: give project {project.id} a working_dir "
            f"or set agent.local.workspace_dir"
        )
    root = Path(folder)
    try:
        if not root.is_dir():
            root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"the workspace {root} cannot be made: {error.strerror}") from error
    return root


def require_writable(root: Path) -> None:
    """Refuse a folder that nothing can be written into, before an agent is paid for a turn that comes to nothing.

    Raises:
        WorkspaceError: its mode or its file system says no.
    """
    if not os.access(root, os.W_OK | os.X_OK):
        raise WorkspaceError(
            f"the workspace {root} cannot be written into: its mode or its file system forbids it. Give yourself "
            f"the right to write there (chmod u+rwx), or name another folder, then run the task again"
        )


def begin(
    task: Task, workspace: Workspace, state: StateManager, settings: Settings, max_iterations: int | None
) -> TaskRun:
    """Set *task* running in a new run.

    Raises:
        ConfigError: *max_iterations* is less than 1.
        StateError: the task may not be run, or somebody else works on it.
    """
    if max_iterations is not None and max_iterations < 1:
        raise ConfigError(f"max_iterations={max_iterations}: a run makes at least 1 attempt")
    spent = unspent(task, settings, max_iterations)
    may_run = TaskStatus.RUNNING in LEGAL_STATUS_CHANGES[task.status]  # else start_task refuses it
    if may_run and task.base_snapshot and not any(workspace.root.iterdir()):
        _put_back(task, workspace, state)
    base = task.base_snapshot or workspace.snapshot()
    repository = _repository_at_base(task, workspace, state)
    task = state.start_task(task.id, base_snapshot=base, run=dict(spent))
    return _run_of(task, workspace, state, settings, repository=repository, spent=spent)


def _put_back(task: Task, workspace: Workspace, state: StateManager) -> None:
    """Fill the empty folder of a task that was worked on before with what its last attempt left.

    Somebody removed the folder between two runs, as pytest does with those of old runs. The agent, who would find
    nothing, did not delete what stood there.
    """
    attempts = state.attempts(task.id)
    wanted = attempts[-1].snapshot_after if attempts else task.base_snapshot
    if wanted and wanted != workspace.snapshot():
        workspace.restore(wanted)
        logger.warning("task %d: its folder %s was empty, and is again as it was left", task.id, workspace.root)
        state.record_event(task.id, "restored", {"folder": str(workspace.root), "snapshot": wanted})


def unspent(task: Task, settings: Settings, max_iterations: int | None) -> Spent:
    """Return what a new run of *task* may use up."""
    return Spent(
        earlier=task.iterations,
        iterations=max_iterations or task.limits.iterations or settings.orchestration.max_iterations,
        retries_left=settings.agent.max_retries,
    )


def go_on(
    task: Task, workspace: Workspace, state: StateManager, settings: Settings, max_iterations: int | None
) -> TaskRun:
    """Set *task* running where an interrupted run stopped; one that never began is begun.

    Raises:
        IllegalStatus: its run was not interrupted.
        StateError: somebody else works on it, or what is kept of it cannot be read.
    """
    if task.status is TaskStatus.PENDING:
        return begin(task, workspace, state, settings, max_iterations)
    if task.status is not TaskStatus.INTERRUPTED:
        state.require_free(task.id)
        raise IllegalStatus(
            f"task {task.id} is {task.status}: there is no interrupted run to go on with; "
            f"'obra run --task {task.id}' begins a new one where that is possible"
        )
    left = kept(state.steps(task.id), task.iterations + 1)
    if left is None:  # it was interrupted by an Obra that kept no steps
        return begin(task, workspace, state, settings, max_iterations)
    repository = _repository_at_base(task, workspace, state)
    task = state.start_task(task.id)
    return _run_of(task, workspace, state, settings, repository=repository, spent=left.spent, left=left)


def restore(run: TaskRun, state: StateManager, taken: TakenUp) -> None:
    """Make the workspace of a run that goes on what the record says.

    The task's story tells what was found there, and which session of the agent the next prompt goes on with, or
    why it begins a new one (*taken*).

    Raises:
        WorkspaceError: it cannot be read or put back.
    """
    wanted = (run.kept.workspace if run.kept else "") or run.snapshot
    root = run.workspace.root
    if root.is_symlink():
        root.unlink()
    found = run.workspace.snapshot() if root.is_dir() else ""
    if found != wanted:
        run.workspace.restore(wanted)
    how = f"the agent's session {taken.session}" if taken.session else f"a new session of the agent: {taken.why}"
    logger.info("task %d, attempt %d: with %s", run.task.id, run.number, how)
    told = {"attempt": run.number, "found": found, "restored": wanted}
    state.record_event(run.task.id, "resumed", {**told, "session": taken.session, "why": taken.why})


def names_nothing(task: Task) -> bool:
    """Tell whether nothing in the task can be checked: no check, and no word that says what is wanted."""
    return not task.checks and not is_checkable((task.title, task.description, *task.acceptance))


def _run_of(
    task: Task,
    workspace: Workspace,
    state: StateManager,
    settings: Settings,
    *,
    repository: str,
    spent: Spent,
    left: Kept | None = None,
) -> TaskRun:
    attempts = list(state.attempts(task.id)) if task.iterations else []
    was_started_before = task.fence > 1  # else there was nobody who could have opened a breakpoint
    opened = state.breakpoints(task_id=task.id, limit=None) if was_started_before else ()
    for one in opened:
        if one.is_permission and one.status is BreakpointStatus.OPEN:  # whoever asked died before the answer came
            state.resolve_breakpoint(one.id, NOBODY_WAITS)
    asked = [one for one in opened if not one.is_permission]
    return TaskRun(
        task=task,
        workspace=workspace,
        repository=repository,
        attempts=attempts,
        iterations=spent.iterations,
        retries_left=spent.retries_left,
        seconds=task.limits.seconds or settings.orchestration.task_timeout,
        cost_limit=task.limits.cost_usd or settings.orchestration.max_cost_usd,
        answer=_answer_to_last(asked, attempts[: spent.earlier]),
        is_vague=names_nothing(task) and not any(one.answer for one in asked),
        started=time.monotonic() - spent.seconds,
        earlier=spent.earlier,
        prompts=spent.prompts,
        handle=spent.handle,
        kept=left,
        position=left.position if left else 0,
    )


def _repository_at_base(task: Task, workspace: Workspace, state: StateManager) -> str:
    """Return the state of the workspace's own git repository when the task began, also in a later run."""
    found = "" if task.base_snapshot else workspace.git_state()
    if not found and not task.base_snapshot:
        return ""
    known = [one["data"]["state"] for one in state.events(task.id) if one["kind"] == _REPOSITORY]
    if found and not known:
        state.record_event(task.id, _REPOSITORY, {"state": found})
    return str(known[-1]) if known else found


def _answer_to_last(newest: Sequence[Breakpoint], attempts: Sequence[Attempt]) -> str:
    """Return what a person answered to the breakpoint of the last attempt; older answers were given before."""
    if not newest or newest[0].status is not BreakpointStatus.RESOLVED:
        return ""
    return newest[0].answer if newest[0].attempt_number == len(attempts) else ""
