"""What one look shows, as plain records: the screen paints these and asks for nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from obra.domain import Breakpoint, Control, FileChange, Project, Record, Task, TaskStatus
from obra.state.glimpses import AttemptLine, UnderWay, Usage

STAGES: Mapping[str, str] = {
    "run": "preparing",
    "Gathered": "agent",
    "Retried": "agent",
    "Turn": "checks",
    "Looked": "review",
    "Reviewed": "decision",
}
"""What happens after each step that is done, in the words of pytest's live view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(Record):
    """Something that the agent did, as the run tells it while it is under way."""

    at: datetime
    attempt: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine(Record):
    """One task as a line."""

    task: Task
    usage: Usage
    under_way: UnderWay | None = None
    """Set only while it runs."""
    act: str = ""
    """The agent's latest act, in one line; empty where it cannot be seen from here."""

    @property
    def is_running(self) -> bool:
        """True while somebody works on it."""
        return self.task.status is TaskStatus.RUNNING

    @property
    def attempt(self) -> int:
        """Number of the attempt under way, else of the last one; 0 before the first."""
        return self.under_way.number if self.under_way else self.task.iterations

    @property
    def stage(self) -> str:
        """What happens now; empty when nothing does."""
        return STAGES.get(self.under_way.step, self.under_way.step) if self.under_way else ""

    def seconds(self, now: datetime) -> float:
        """Return what the run has taken: until now while it runs, else what all attempts took."""
        if self.under_way is None:
            return self.usage.seconds
        return self.under_way.seconds + max(0.0, (now - self.under_way.at).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Record):
    """What is seen of a task's workspace."""

    where: str
    """The folder, and whether it is looked at now or as an attempt left it."""
    is_live: bool
    changes: tuple[FileChange, ...] = ()
    patch: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail(Record):
    """All that is shown of the chosen task."""

    line: TaskLine
    project: Project
    attempts: tuple[AttemptLine, ...]
    acts: tuple[Act, ...]
    controls: tuple[Control, ...]
    """What people asked of its run, oldest first."""
    work: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Record):
    """All that one look shows."""

    tasks: tuple[TaskLine, ...] = ()
    detail: Detail | None = None
    breakpoints: tuple[Breakpoint, ...] = ()
    """Of the tasks that are shown, the newest first."""
    events: tuple[Mapping[str, Any], ...] = ()
    """Those that are new since the last look, oldest first."""
    log: tuple[str, ...] = ()
    """Lines of the log file that are new since the last look."""
    problem: str = ""
    """Why the database cannot be read now; then all else is as it was last seen."""
