"""``obra resume``: go on with runs that were interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from obra.cli.broken_off import stop_in_order
from obra.cli.commands import Command
from obra.cli.completions import task_ids
from obra.cli.options import Chosen, agent_option, audience_options, json_option, settings_options, stored

if TYPE_CHECKING:
    from obra.config import Config
    from obra.domain import Outcome
    from obra.state.state_manager import StateManager

HELP = """Go on with runs that were interrupted.

How they were interrupted does not matter: by Ctrl-C, kill -9, a crash or a power cut. What is done
is not done again: attempts that are recorded stand, and the one under way goes on behind its last finished step.
Where the agent was in the middle of a turn and does not live any more, its prompt is sent again, after the
workspace was put back to what it was before that turn. Use the same settings as for the run;
'obra run --task ID' begins a new run instead, with all its limits.
"""


@click.command(
    cls=Command,
    waits="at work",
    help=HELP,
    examples=["obra resume --task 3", "obra resume --all --json", "obra resume --config config/real.yaml"],
)
@click.option(
    "--task",
    "task_id",
    type=int,
    shell_complete=task_ids,
    metavar="ID",
    help="The task; the only interrupted one if left out.",
)
@click.option("--all", "all_of_them", is_flag=True, help="Every interrupted task, one by one, oldest first.")
@agent_option
@json_option
@audience_options
@settings_options
def resume(*, task_id: int | None, all_of_them: bool, in_json: bool, chosen: Chosen) -> int:
    """Go on with what was asked for; return 0 when all of it is completed."""
    if all_of_them and task_id is not None:
        raise click.UsageError("give --task ID or --all, not both")
    stop_in_order()
    config = chosen.load()
    from obra.cli.output import as_json, aside, say
    from obra.domain import TaskStatus
    from obra.prerequisites import require

    require(config)
    with stored(config) as state, aside(asked=in_json):
        ids = _chosen_tasks(task_id, state, all_of_them=all_of_them)
        ends = [_resumed(one, state, config, chosen, alone=len(ids) == 1) for one in ids]
        outcomes = [one for one in ends if one is not None]
    if in_json:
        as_json(outcomes)
    elif not ids:
        say("no task is interrupted")
    completed = [outcome for outcome in outcomes if outcome.status is TaskStatus.COMPLETED]
    return 0 if len(completed) == len(ids) else 1


def _chosen_tasks(task_id: int | None, state: StateManager, *, all_of_them: bool) -> list[int]:
    from obra.domain import TaskStatus

    if task_id is not None:
        return [task_id]
    found = sorted(task.id for task in state.list_tasks(status=TaskStatus.INTERRUPTED, limit=None))
    if len(found) > 1 and not all_of_them:
        named = ", ".join(map(str, found))
        raise click.UsageError(f"{len(found)} tasks are interrupted: {named}; choose one with --task ID, or --all")
    return found


def _resumed(task_id: int, state: StateManager, config: Config, chosen: Chosen, *, alone: bool) -> Outcome | None:
    """Go on with one task; of several, one whose machinery breaks is told, and the others go on all the same."""
    from obra.cli.output import say
    from obra.errors import ObraError

    try:
        return _resume(task_id, state, config, chosen)
    except ObraError as error:
        if alone:
            raise
        for line in (f"task {task_id} ERROR: {error}", *getattr(error, "__notes__", ())):
            say(line, error=True)
        return None


def _resume(task_id: int, state: StateManager, config: Config, chosen: Chosen) -> Outcome:
    from obra.cli.broken_off import explained_end, require_heard
    from obra.cli.outcome import tell_outcome
    from obra.cli.progress import Progress
    from obra.orchestrator import Orchestrator

    progress = Progress(in_full=chosen.conversation)
    progress.task = state.get_task(task_id)
    with (
        Orchestrator(
            config, state_manager=state, observers=[progress], on_permission=chosen.people()
        ) as orchestrator,
        explained_end(state, progress, chosen),
    ):
        outcome = orchestrator.resume_task(task_id)
    require_heard(progress)
    tell_outcome(outcome, state, chosen)
    return outcome
