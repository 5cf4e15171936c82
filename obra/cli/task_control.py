"""What is asked of a running task, from any terminal: ``obra task pause, resume, stop, say, override``."""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.completions import task_ids
from obra.cli.options import Chosen, settings_options, stored
from obra.cli.output import say

if TYPE_CHECKING:
    from obra.config import Config
    from obra.domain import Control

ACTIONS = ("proceed", "retry", "clarify", "escalate")


def person() -> str:
    """Return who asks, as records name people: login name and host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@click.command(cls=Command, examples=["obra task pause 4"])
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="ID")
@click.argument("reason", default="")
@settings_options
def pause(task_id: int, reason: str, chosen: Chosen) -> None:
    """Let a running task wait behind the step under way. A turn of the agent comes to its end first.

    It waits as long as it takes, and the time counts against no limit. What Obra is about to decide is shown, and
    can be overridden. To break a turn off, stop the task and resume it later.

    A task that waits for a worker is kept from being taken up.
    """
    if _keep_from_workers(chosen, task_id, paused=True):
        say(f"task {task_id} is paused: no worker takes it up")
        say(f"  go on: {chosen.again(f'obra task resume {task_id}')}")
        return
    ask(chosen, task_id, "pause", text=reason)
    say(f"task {task_id} pauses behind the step under way")
    say(f"  go on: {chosen.again(f'obra task resume {task_id}')}")


@click.command(cls=Command, examples=["obra task resume 4"])
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="ID")
@settings_options
def resume(task_id: int, chosen: Chosen) -> None:
    """Let a task that was paused go on. For one whose process has ended there is 'obra resume'."""
    if _keep_from_workers(chosen, task_id, paused=False):
        say(f"task {task_id} waits for a worker again")
        return
    ask(chosen, task_id, "resume")
    say(f"task {task_id} goes on")


@click.command(cls=Command, examples=['obra task stop 4 "wrong branch"'])
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="ID")
@click.argument("reason", default="")
@settings_options
def stop(task_id: int, reason: str, chosen: Chosen) -> None:
    """Break a running task off, also in the middle of a turn; its agent is ended. It can be resumed.

    A worker does not take it up again before 'obra task resume ID'.
    """
    ask(chosen, task_id, "stop", text=reason)
    say(f"task {task_id} is told to stop")
    say(f"  go on: {chosen.again(f'obra resume --task {task_id}')}")


@click.command(name="say", cls=Command, examples=['obra task say 4 "Use the decimal module"'])
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="ID")
@click.argument("message")
@settings_options
def say_(task_id: int, message: str, chosen: Chosen) -> None:
    """Add a message to the next prompt of a task. It does not change what the work is judged by."""
    ask(chosen, task_id, "say", text=message)
    say(f"task {task_id} will be told in its next prompt")


@click.command(cls=Command, examples=['obra task override 4 retry "The tests miss the empty list"'])
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="ID")
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("reason")
@settings_options
def override(task_id: int, action: str, reason: str, chosen: Chosen) -> None:
    """Decide the attempt under way instead of Obra.

    It is stored and shown as the decision of a person, with who and why, beside what Obra had decided. A scenario
    whose task was decided so never passes: its run says nothing about Obra. Pause the task first to see what you
    decide about.
    """
    asked = ask(chosen, task_id, "override", text=reason, action=action)
    say(f"attempt {asked.attempt_number} of task {task_id} will {action}, as {asked.by} decided")


STEERING = (pause, resume, stop, say_, override)


def _keep_from_workers(chosen: Chosen, task_id: int, *, paused: bool) -> bool:
    """Pause a task that waits for a worker, or let it wait again; tell whether it is such a task."""
    from obra.domain import TaskStatus

    with stored(chosen.load()) as state:
        found = state.get_task(task_id)
        if found.queued_at is None or found.status is TaskStatus.RUNNING:
            return False
        state.pause_task(task_id, paused=paused)
    return True


def ask(chosen: Chosen, task_id: int, act: str, *, text: str = "", action: str = "") -> Control:
    """Store what is asked of a task.

    Raises:
        ObraError: the task is not running, or something is missing.
    """
    from obra.domain import Action, Control, ControlAct

    wanted = Control(
        task_id=task_id, act=ControlAct(act), by=person(), text=text, action=Action(action) if action else None
    )
    return asked(chosen.load(), wanted)


def asked(config: Config, wanted: Control) -> Control:
    """Store what a person asks of a task in the database that *config* names, and return it as stored.

    Raises:
        StateError: the task is not running, something is missing, or the database cannot be written.
    """
    with stored(config) as state:
        return state.ask(wanted)
