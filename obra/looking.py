"""The look step: what really happened in the workspace, and what the checks find there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from obra.attempt_steps import Turn
from obra.domain import CheckResult, Evidence, Reply
from obra.errors import WorkspaceError
from obra.settings import EvidenceSettings
from obra.task_run import TaskRun

if TYPE_CHECKING:
    from obra.evidence.collector import EvidenceCollector

_CHECKS_CHANGED_WORKSPACE = CheckResult(
    name="checks leave the workspace alone",
    kind="unchanged",
    passed=False,
    implied=True,
    message="expected the workspace to be the same after the checks; it was changed while they ran (restored)",
)


def photographed(run: TaskRun, reply: Reply, before: str) -> Turn:
    """Return the turn that just ended, with the workspace as the agent left it."""
    try:
        return Turn(reply=reply, after=run.workspace.snapshot())
    except WorkspaceError as error:
        return Turn(reply=reply, after=before, ruined=str(error) or type(error).__name__)


def look(
    run: TaskRun, before: str, turn: Turn, collector: EvidenceCollector, settings: EvidenceSettings
) -> Evidence:
    """Compare the workspace with *before*, run the checks, and make sure that they changed nothing.

    Raises:
        WorkspaceError: it can neither be read nor put back.
        CheckError: a check broke.
    """
    from obra.evidence.scene import Scene
    from obra.workspace.repository_state import planted_hooks

    if turn.ruined:
        return _put_back(run, before, turn.ruined, collector)
    workspace, after = run.workspace, turn.after
    step = workspace.diff(before, after)
    total = step if before == run.task.base_snapshot else workspace.diff(run.task.base_snapshot, after)
    scene = Scene(
        root=workspace.root,
        changes=total.changes,
        before=partial(workspace.read, run.task.base_snapshot),
        timeout=settings.timeout,
        max_output=settings.max_output,
    )
    text = "\n".join([run.task.title, run.task.description, *run.task.acceptance])
    checks = collector.collect(run.task.checks, scene, text)
    if checks and workspace.snapshot() != after:
        workspace.restore(after)
        checks = (*checks, _CHECKS_CHANGED_WORKSPACE)
    return Evidence(
        changes=step.changes,
        total_changes=total.changes,
        patch=total.patch,
        checks=checks,
        # Since the task began: what was planted stays a reason until it is gone, whoever tries again.
        tampering=(
            *workspace.tampering(total.changes),
            *planted_hooks(run.repository, workspace.git_state()),
        ),
        files=workspace.files(after),
    )


def _put_back(run: TaskRun, before: str, why: str, collector: EvidenceCollector) -> Evidence:
    """Put back a workspace that the agent removed or made unreadable, and hold that against it."""
    root = run.workspace.root
    if root.is_symlink() or root.is_file():
        root.unlink()
    run.workspace.restore(before, keep_empty=False)  # nested too deep they ruin it, too
    seen = "the workspace could not be looked at after the turn"
    return Evidence(
        tampering=(f"{seen}, and was put back: {why}",),
        checks=tuple(
            CheckResult(name=sentence, passed=False, message=f"expected that {sentence}; {seen}")
            for sentence in collector.describe(run.task.checks)
        ),
        files=run.workspace.files(before),
    )
