"""Where an interrupted run stands, for whoever makes the scripted parts of the one that goes on.

A scripted agent and a scripted reviewer begin anew in every process. What they have played already in the run that
was interrupted is cut off here, so that the first prompt that is sent now meets the step that it met before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from obra.attempt_steps import kept
from obra.domain import Fault, Record

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played(Record):
    """How much of its scripts a task has used up, in all its runs."""

    prompts: int = 0
    """Prompts whose turn is over; one that was broken off will be sent again, and does not count.

    Each attempt of an earlier run counts as one, as in :attr:`obra.task_run.TaskRun.steps_played`.
    """
    reviews: int = 0

    def rest_of_script(self, script: Sequence[Item] | None) -> tuple[Item, ...] | None:
        """Return the agent's steps that are left."""
        return None if script is None else tuple(script[self.prompts :])

    def rest_of_faults(self, faults: Sequence[Fault]) -> tuple[Fault, ...]:
        """Return the faults that are still to come, numbered from the first prompt that is sent now."""
        return tuple(
            replace(fault, prompt=fault.prompt - self.prompts) for fault in faults if fault.prompt > self.prompts
        )


def played(state: StateManager, task_id: int) -> Played:
    """Return what a task that was interrupted, or is over, has played of its scripts; nothing when it never began.

    Raises:
        NotFound: there is no such task.
        StateError: what is kept of it cannot be read.
    """
    task = state.get_task(task_id)
    left = kept(state.steps(task_id), task.iterations + 1)
    if left is None:
        return Played(prompts=task.iterations, reviews=task.iterations)
    return Played(prompts=left.spent.earlier + left.spent.prompts, reviews=task.iterations + left.reviews)
