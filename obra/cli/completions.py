"""What click completes in a shell and at the prompt: ids of tasks and breakpoints, names of agents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

_MOST = 30
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _from_database(find: Callable[[StateManager], Iterable[tuple[int, str]]]) -> Complete:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from obra.cli.options import of_session
        from obra.errors import ObraError
        from obra.prerequisites import database_file
        from obra.state.state_manager import StateManager

        try:
            url = of_session(ctx).without_agent().load().settings.database.url
            file = database_file(url)
            if file is not None and not file.exists():
                return []
            with StateManager(url) as state:
                found = list(find(state))
        except ObraError:  # a word that is being typed is no place for an error; the command itself will tell
            return []
        return [CompletionItem(str(key), help=told) for key, told in found if str(key).startswith(incomplete)]

    return complete


task_ids = _from_database(
    lambda state: ((one.id, f"{one.status} {one.title}") for one in state.list_tasks(limit=_MOST))
)
project_ids = _from_database(lambda state: ((one.id, one.name) for one in state.projects()[-_MOST:]))
breakpoint_ids = _from_database(
    lambda state: ((one.id, one.reason) for one in state.breakpoints(status="open", limit=_MOST))
)


def agent_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the rungs and the installed agents."""
    from importlib.metadata import entry_points

    from obra.config import RUNGS
    from obra.plugins import AGENTS

    names = dict.fromkeys((*RUNGS, "real", *(one.name for one in entry_points(group=AGENTS))))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
