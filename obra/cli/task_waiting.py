"""Tasks that wait for a worker: when each can be taken up, and ``obra task run``, which takes them up."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, agent_option, json_option, project_option, settings_options, stored
from obra.cli.output import as_json, say

if TYPE_CHECKING:
    from obra.config import Config
    from obra.domain import Claim, Outcome, Task
    from obra.state.state_manager import StateManager


def next_of(tasks: Sequence[Task], state: StateManager) -> list[str]:
    """Return what a worker would do with each task now: ``ready``, why not, or ``-`` where none ever would."""
    from obra.domain import TaskStatus
    from obra.scheduler import RUNNABLE, Moment, TaskScheduler, is_to_be_retried

    waiting = [one for one in tasks if one.queued_at and (one.status in RUNNABLE or is_to_be_retried(one))]
    if not waiting:
        return ["-"] * len(tasks)
    needed = {key for one in waiting for key in one.after}
    done = {key for key in needed if state.get_task(key).status is TaskStatus.COMPLETED}
    paused = [project.id for project in state.projects() if project.status != "active"]
    scheduler, moment = TaskScheduler(), Moment(now=datetime.now(UTC), paused=paused)
    words = {
        one.id: "a worker has it" if one.claimed_by else scheduler.why_not(one, done, moment) or "ready"
        for one in waiting
    }
    return [words.get(one.id, "-") for one in tasks]


@click.command(cls=Command, examples=["obra task run", "obra task run --once --project 1 --json"])
@click.option("--once", is_flag=True, help="One task at the most.")
@project_option("Only tasks of one project.")
@agent_option
@json_option
@settings_options
def run(*, once: bool, project_id: int | None, in_json: bool, chosen: Chosen) -> int:
    """Take up tasks that wait, the most urgent first, until none can run now.

    Priority counts first, and waiting makes a task more urgent; projects take turns, the nearest deadline breaks
    ties. Any number of these may run at once, on one machine or on many with one database: each task goes to one
    of them. When one is killed, its task can be taken up again once its lease (queue.lease) is out, and goes on
    where it was.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job is stored like Ctrl-C
    config = chosen.load()
    from obra.domain import TaskStatus
    from obra.prerequisites import require

    require(config)
    ends: list[Outcome | None] = []
    with stored(config) as state:
        if project_id is not None:
            state.get_project(project_id)
        while not (once and ends) and (claim := _claimed(config, state, project_id)):
            ends.append(_run(claim, state, config, chosen, in_json=in_json))
        if not ends and not in_json:
            _tell_why_none(state, project_id)
    if in_json:
        as_json([one for one in ends if one is not None])
    return 0 if all(one is not None and one.status is TaskStatus.COMPLETED for one in ends) else 1


def _claimed(config: Config, state: StateManager, project_id: int | None) -> Claim | None:
    settings = config.settings
    return state.claim_task(
        lease=settings.queue.lease,
        agent=settings.agent.type,
        llm=settings.llm.type,
        per_agent=settings.queue.per_agent,
        per_llm=settings.queue.per_llm,
        project_id=project_id,
    )


def _run(claim: Claim, state: StateManager, config: Config, chosen: Chosen, *, in_json: bool) -> Outcome | None:
    """Work on one task; one whose machinery broke, or that was lost, is told, and the next one follows."""
    from obra.claimed_run import run_claimed
    from obra.cli.broken_off import explained_end, require_heard
    from obra.cli.outcome import tell_outcome
    from obra.cli.progress import Progress
    from obra.errors import ObraError
    from obra.orchestrator import Orchestrator

    progress = Progress()
    progress.task = claim.task
    try:
        with (
            Orchestrator(config, state_manager=state, observers=[] if in_json else [progress]) as orchestrator,
            explained_end(state, progress, chosen),
        ):
            outcome = run_claimed(claim, orchestrator)
    except ObraError as error:
        for line in (f"task {claim.task.id} ERROR: {error}", *getattr(error, "__notes__", ())):
            say(line, error=True)
        return None
    require_heard(progress)
    if not in_json:
        tell_outcome(outcome, state, chosen)
    return outcome


def _tell_why_none(state: StateManager, project_id: int | None) -> None:
    say("no task can be taken up now")
    tasks = [one for one in state.list_tasks(project_id) if one.queued_at]
    for one, word in zip(tasks, next_of(tasks, state), strict=True):
        if word != "-":
            say(f"  task {one.id}: {'others of its kind run already' if word == 'ready' else word}")
