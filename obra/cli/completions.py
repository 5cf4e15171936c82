"""What click completes in a shell and at the prompt: ids, and names of agents, settings, errors and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
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


def setting_words(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the keys of all settings, ready for a value: ``agent.type=``."""
    from obra.config import setting_keys

    return [CompletionItem(f"{key}=") for key in setting_keys() if key.startswith(incomplete)]


def setting_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the sections of the settings, or the keys of the section that is being typed."""
    from obra.config import setting_keys

    depth = incomplete.count(".")
    keys = (key.split(".") for key in setting_keys() if key.startswith(incomplete))
    return [CompletionItem(name) for name in dict.fromkeys(".".join(steps[: depth + 1]) for steps in keys)]


def error_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what ``obra explain`` knows."""
    from obra.cli.explain import headings

    return [CompletionItem(name) for name in headings() if name.lower().startswith(incomplete.lower())]


def run_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return ``last`` and the ids of the runs in the folder of reports, the newest first; else files."""
    reports = ctx.params.get("reports") or Path("reports")
    names = ["last", *sorted((path.parent.name for path in reports.glob("*/results.jsonl")), reverse=True)]
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found[:_MOST] or [CompletionItem(incomplete, type="file")]
