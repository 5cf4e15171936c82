"""The run of a task that this process has claimed: with a heartbeat, and to a stored end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obra.domain import Claim, Outcome, TaskStatus

if TYPE_CHECKING:
    from obra.orchestrator import Orchestrator


def run_claimed(claim: Claim, orchestrator: Orchestrator) -> Outcome:
    """Work on the task of *claim* and return how it ended; call it in the main thread.

    A pending task is begun, an interrupted one is gone on with behind its last step, and a failed one is run
    again. While it is worked on the lease is renewed three times in each of its lengths.

    Raises:
        TaskBusy: the claim was lost to another process, whose record stands; the agent was ended.
        ObraError: as :meth:`obra.orchestrator.Orchestrator.execute_task` raises it; the task is stored as failed.
        KeyboardInterrupt: a person stopped it; the task is stored as interrupted and waits for the next worker.
    """
    from obra.state.heartbeat import Heartbeat

    orchestrator.initialize()
    state, task = orchestrator.state_manager, claim.task
    with Heartbeat(state, claim):
        if task.status is TaskStatus.FAILED:
            outcome = orchestrator.execute_task(task.id)
        else:
            outcome = orchestrator.resume_task(task.id)
    state.release_claim(claim)
    return outcome
