"""Verbs of the interactive mode for the run under way; each does what the command of the same name does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.completions import task_ids
from obra.cli.options import Chosen, stored
from obra.cli.output import say, table
from obra.cli.task_control import ACTIONS, ask

if TYPE_CHECKING:
    from obra.cli.live_runs import LiveRuns
    from obra.domain import Task
    from obra.state.state_manager import StateManager


class Session:
    """What the verbs share: the runs, the task that they mean when none is named, and the settings.

    Attributes:
        chosen: the agent and settings that hold for each line; what a line says itself wins.
    """

    def __init__(self, runs: LiveRuns, chosen: Chosen) -> None:
        self.runs = runs
        self.chosen = chosen
        self.chosen_task: int | None = None

    def stored(self) -> AbstractContextManager[StateManager]:
        """Open the session's database to look things up."""
        return stored(self.chosen.without_agent().load())

    def task(self, state: StateManager) -> Task:
        """Return the task that a verb without an id means: the chosen one, else that of the newest run.

        Raises:
            UsageError: nothing runs.
        """
        if self.chosen_task is not None:
            return state.get_task(self.chosen_task)
        for run in reversed(self.runs.running()):
            if found := run.task(state):
                return found
        raise click.UsageError("no task is running here; 'run FILE' starts one, 'use ID' chooses one that runs")


_session = click.make_pass_decorator(Session)


def _ask(session: Session, act: str, words: Sequence[str] = (), action: str = "") -> int:
    with session.stored() as state:
        task_id = session.task(state).id
    ask(session.chosen.without_agent(), task_id, act, text=" ".join(words), action=action)
    return task_id


@click.command(cls=Command, examples=["pause let me look"])
@click.argument("reason", nargs=-1)
@_session
def pause(session: Session, reason: tuple[str, ...]) -> None:
    """Let the run wait behind the step under way; a turn of the agent comes to its end first."""
    say(f"task {_ask(session, 'pause', reason)} pauses behind the step under way")


@click.command(cls=Command, examples=["stop wrong branch"])
@click.argument("reason", nargs=-1)
@_session
def stop(session: Session, reason: tuple[str, ...]) -> None:
    """Break the run off, also in the middle of a turn; it can be resumed."""
    task_id = _ask(session, "stop", reason)
    say(f"task {task_id} is told to stop; go on with: resume --task {task_id}")


@click.command(name="say", cls=Command, examples=["say use the decimal module"])
@click.argument("message", nargs=-1, required=True)
@_session
def say_(session: Session, message: tuple[str, ...]) -> None:
    """Add a message to the next prompt."""
    say(f"task {_ask(session, 'say', message)} will be told in its next prompt")


@click.command(cls=Command, examples=["override retry the tests miss the empty list"])
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("reason", nargs=-1, required=True)
@_session
def override(session: Session, action: str, reason: tuple[str, ...]) -> None:
    """Decide the attempt under way instead of Obra; it is recorded as your decision, with the reason."""
    say(f"task {_ask(session, 'override', reason, action)}: the attempt under way will {action}")


@click.command(cls=Command, examples=["answer allow", "answer deny: work without it"])
@click.argument("words", nargs=-1, required=True)
@_session
def answer(session: Session, words: tuple[str, ...]) -> None:
    """Answer the newest open question: allow or deny what the agent asks for, or tell it what it wants to know."""
    with session.stored() as state:
        chosen = session.chosen_task
        asked = state.breakpoints(task_id=chosen, status="open", limit=1)
        if not asked:
            raise click.UsageError("nobody has asked anything; 'breakpoint list --all' shows what was answered")
        resolved = state.resolve_breakpoint(asked[0].id, " ".join(words))
    say(f"breakpoint {resolved.id} of task {resolved.task_id} resolved: {resolved.answer}")
    if not resolved.is_permission:
        say(f"  next: run --task {resolved.task_id}")


@click.command(cls=Command, examples=["use 3"])
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="ID", required=False)
@_session
def use(session: Session, task_id: int | None) -> None:
    """Let the verbs for a run mean task ID, also one of another terminal; without ID, the newest run here."""
    if task_id is not None:
        with session.stored() as state:
            state.get_task(task_id)
    session.chosen_task = task_id
    say("the newest run is meant" if task_id is None else f"task {task_id} is meant from now on")


@click.command(cls=Command, examples=["runs"])
@_session
def runs(session: Session) -> None:
    """List the runs in the background."""
    with session.stored() as state:
        found = [(run, run.task(state)) for run in session.runs.running()]
    table(
        ("PROCESS", "TASK", "TITLE", "STARTED WITH"),
        [
            (run.process.pid, task.id if task else "-", task.title if task else "-", " ".join(run.words))
            for run, task in found
        ],
    )


def resume_paused(session: Session) -> bool:
    """Let the run that is meant go on when it is paused; return False when there is none to go on here."""
    from obra.domain import TaskStatus

    with session.stored() as state:
        try:
            task = session.task(state)
        except click.UsageError:
            return False
        is_running = state.get_task(task.id).status is TaskStatus.RUNNING
    if is_running:
        ask(session.chosen.without_agent(), task.id, "resume")
        say(f"task {task.id} goes on")
    return is_running


LIVE_VERBS = {one.name or "": one for one in (pause, stop, say_, override, answer, use, runs)}
