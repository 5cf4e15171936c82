"""``obra watch``: a run as it stands, on one screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, settings_options

if TYPE_CHECKING:
    from obra.config import Config
    from obra.domain import Breakpoint
    from obra.watching.lookout import Places
    from obra.watching.scope import Scope

HELP = """Show runs as they stand, also those of another terminal or machine.

Four panes: the tasks with stage, time, cost and the agent's latest acts; the log; what the database holds; the
workspace with its diff. WHAT is the id of a task, the id or folder of a run of pytest, or 'last' for the newest of
these; without it all tasks are shown. Nothing in a run is changed but by a key that says so. '?' shows the keys.
"""
EXAMPLES = (
    "obra watch",
    "obra watch 1",
    "obra watch last",
    "obra watch --latest --database sqlite:////srv/build/.obra/obra.db",
)


@click.command(cls=Command, help=HELP, examples=EXAMPLES)
@click.argument("what", required=False)
@click.option("--latest", is_flag=True, help="Show the task that was made last, also when another is made.")
@click.option(
    "--database", metavar="URL", help="Another database than that of the settings, such as postgresql://..."
)
@settings_options
def watch(what: str | None, latest: bool, database: str | None, chosen: Chosen) -> None:
    """Show what was asked for until the person quits."""
    if what and latest:
        raise click.UsageError("name a task or a run, or say --latest, not both")
    config = chosen.load()
    if database:
        config.set("database.url", database)
    _require_screen()
    from obra.watching.lookout import Lookout
    from obra.watching.screen import Watch
    from obra.watching.terminals import knows_only_ascii

    lookout = Lookout(places_of(config), _scope_of(what, latest=latest))
    try:
        if not lookout.is_empty:
            lookout.open()  # what is wrong from the beginning is told before the screen is taken
        Watch(lookout, _answerer(config), only_ascii=knows_only_ascii(os.environ)).run()
    finally:
        lookout.close()


def places_of(config: Config) -> Places:
    """Return where what *config* names lies."""
    from obra.bootstrap import live_folder
    from obra.prerequisites import database_file
    from obra.watching.lookout import Places

    settings = config.settings
    file = database_file(settings.database.url)
    beside = (file or Path(settings.workspace.store)).absolute().parent
    store = Path(settings.workspace.store)
    return Places(
        database=settings.database.url,
        file=file,
        live=live_folder(file, settings),
        log=Path(settings.logging.file) if settings.logging.file else None,
        store=store if store.exists() else beside / store.name,
        ignore=settings.workspace.ignore,
    )


def _require_screen() -> None:
    """Refuse where Textual is missing, or where there is no terminal to show anything on.

    Raises:
        PrerequisiteError: the extra is not installed.
    """
    from importlib.util import find_spec

    from obra.errors import PrerequisiteError

    if find_spec("textual") is None:
        raise PrerequisiteError(["'obra watch' needs Textual: pip install 'obra[watch]'"])
    is_served = "TEXTUAL_DRIVER" in os.environ  # by textual-serve, to a browser
    if not is_served and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "there is no terminal to show it on; 'obra task show ID' prints what is known of a task"
        )


def _scope_of(what: str | None, *, latest: bool) -> Scope:
    from obra.watching.scope import Everything, Latest, OneRun, OneTask

    if latest:
        return Latest()
    if what is None:
        return Everything()
    if what.isdecimal():
        return OneTask(int(what))
    from obra.reports.stored_run import StoredRun

    return OneRun(StoredRun.find(what, Path("reports")).directory)


def _answerer(config: Config) -> Callable[[int, str], Breakpoint]:
    def answer(breakpoint_id: int, words: str) -> Breakpoint:
        from obra.cli.breakpoint import answered

        return answered(config, breakpoint_id, words)

    return answer
