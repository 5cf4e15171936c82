"""The part of StateManager that hands tasks out to workers."""

from __future__ import annotations

from collections.abc import Mapping

from obra.domain import Claim, Project, Task
from obra.scheduler import Capacity
from obra.state import claims, journal
from obra.state.owners import this_process
from obra.state.story import Story


class TaskQueue(Story):
    """Tasks that wait for a worker, and claims on them; every method is one transaction.

    A task waits when it was created with ``task_data["queued"]`` true. A worker does this, over and over::

        claim = state.claim_task(lease=60, agent="mock", llm="scripted")
        if claim is None: wait a little, and ask again
        outcome = run_claimed(claim, orchestrator)     # obra.claimed_run: runs it with a heartbeat

    and by hand: ``with Heartbeat(state, claim): orchestrator.resume_task(claim.task.id)``. The task must be run
    by the process that claimed it: ``start_task()`` in another one is refused.

    A claim ends with the run: ``record_attempt(status=...)`` and ``finish_task()`` clear it. A run that failed
    makes the task wait again, after a pause, as often as its ``retries`` say; one that was interrupted waits
    again at once. A task whose worker died, or is frozen, can be claimed by others as soon as its lease is out:
    it is ``interrupted`` then, its finished attempts and steps stand, and whatever the former owner still writes
    is refused with TaskBusy (its fence is too old).
    """

    def claim_task(
        self,
        *,
        lease: float,
        agent: str = "",
        llm: str = "",
        total: int | None = None,
        per_agent: Mapping[str, int] | None = None,
        per_llm: Mapping[str, int] | None = None,
        project_id: int | None = None,
    ) -> Claim | None:
        """Give this process the next task, as :mod:`obra.scheduler` chooses it; ``None`` when there is none.

        Of any number of processes that ask at once each gets another task. The task's status does not change
        (but from running to interrupted when another worker's lease ran out): ``resume_task`` begins a pending
        and goes on with an interrupted one, ``execute_task`` runs a failed one again. Tasks whose deadline
        passed leave the queue, with the reason in ``status_reason`` and an event ``deadline_missed``.

        Args:
            lease: seconds that the claim holds, unless :meth:`renew_claim` lets it run anew.
            agent: name of the agent that will do the work, counted for *per_agent*.
            llm: name of the LLM that will review, counted for *per_llm*.
            total: how many claims may hold at once, in all.
            per_agent: the same for each agent by name; one that is not named is not limited.
            per_llm: the same for each LLM.
            project_id: only a task of this project.

        Raises:
            StateError: *lease* is not more than 0.
        """
        asked = claims.Asked(
            owner=this_process(),
            lease=lease,
            agent=agent,
            llm=llm,
            capacity=Capacity(total=total, agents=dict(per_agent or {}), llms=dict(per_llm or {})),
            project_id=project_id,
        )
        return self._database.write(claims.claim, asked)

    def renew_claim(self, claim: Claim) -> None:
        """Let the lease run from now on again, by the server's clock where there is one.

        Raises:
            TaskBusy: the claim is lost; the message says who works on the task now. Whoever held it must stop.
        """
        self._database.write(claims.renew, claim)

    def release_claim(self, claim: Claim) -> None:
        """Give a claimed task back that was not begun; when its run has ended there is nothing left to do.

        Raises:
            TaskBusy: the claim is lost.
            IllegalStatus: the task runs; end its run with ``finish_task()``.
        """
        self._database.write(claims.release, claim)

    def pause_task(self, task_id: int, *, paused: bool = True) -> Task:
        """Keep a task from being taken up by workers, or with ``paused=False`` let it be, and return it.

        One that runs goes on to the end of its run.

        Raises:
            NotFound: there is none with that id.
        """
        return self._database.write(claims.pause, task_id, paused=paused)

    def pause_project(self, project_id: int, *, paused: bool = True) -> Project:
        """Do the same for all tasks of a project; ``paused=False`` makes it ``active`` again.

        Raises:
            NotFound: there is none with that id.
        """
        return self._database.write(journal.pause_project, project_id, paused=paused)
