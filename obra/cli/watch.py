"""``obra watch``: a run as it stands, on one screen."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, settings_options

if TYPE_CHECKING:
    from obra.config import Config
    from obra.domain import Action, Control, ControlAct
    from obra.watching.doors import Doors
    from obra.watching.lookout import Places
    from obra.watching.scope import Scope

HELP = """Show runs as they stand, also those of another terminal.

Four panes: the tasks with stage, time, cost and the agent's latest acts; the log; what the database holds; the
workspace with its diff. WHAT is the id of a task, the id or folder of a run of pytest, or 'last' for the newest of
these; without it all tasks are shown. --database may be one that another machine writes. Nothing in a run is
changed but by a key that says so. '?' shows the keys.
"""
EXAMPLES = (
    "obra watch",
    "obra watch --web",
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
@click.option("--web", is_flag=True, help="Show it in a browser of this machine; an address is printed.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port for --web; without it any that is free.")
@settings_options
def watch(
    *, what: str | None, latest: bool, database: str | None, web: bool, port: int | None, chosen: Chosen
) -> None:
    """Show what was asked for until the person quits."""
    if what and latest:
        raise click.UsageError("name a task or a run, or say --latest, not both")
    if port is not None and not web:
        raise click.UsageError("--port is the port of --web")
    config = chosen.load()
    if database:
        config.set("database.url", database)
    _require_extra()
    scope = _scope_of(what, latest=latest)
    if web:
        _serve(what, latest=latest, database=database, port=port or 0, chosen=chosen)
        return
    _require_screen()
    _show(config, scope)


def _show(config: Config, scope: Scope) -> None:
    from obra.watching.application import Watch
    from obra.watching.lookout import Lookout
    from obra.watching.screen import PARENT
    from obra.watching.terminals import knows_only_ascii

    if PARENT not in os.environ:  # a browser tells its size by these
        for name in ("COLUMNS", "LINES"):  # exported by somebody, they hide the terminal's size and its changes
            os.environ.pop(name, None)
    lookout = Lookout(places_of(config), scope)
    try:
        if not lookout.is_empty:
            lookout.open()  # what is wrong from the beginning is told before the screen is taken
        screen = Watch(lookout, _doors(config), only_ascii=knows_only_ascii(os.environ))
        screen.run()
    finally:
        lookout.close()
    if screen.failure is not None:
        raise screen.failure


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


def _serve(what: str | None, *, latest: bool, database: str | None, port: int, chosen: Chosen) -> None:
    """Show it in a browser, for each page by a process with the same arguments, until SIGINT or SIGTERM."""
    from obra.cli.output import say
    from obra.watching.web import WatchServer

    words = [*([what] if what else []), *(["--latest"] if latest else [])]
    words += ["--database", database] if database else []
    words += ["--config", chosen.file] if chosen.file else []
    words += [word for override in chosen.overrides for word in ("-o", override)]
    server = WatchServer([sys.executable, "-P", "-m", "obra", "watch", *words], port)
    say(server.address)
    say("only this machine can open it, and only with that address; Ctrl-C ends it", error=True)
    server.serve()


def _require_extra() -> None:
    """Refuse where the extra is not installed.

    Raises:
        PrerequisiteError: it is not.
    """
    from importlib.util import find_spec

    from obra.errors import PrerequisiteError

    if missing := [name for name in ("textual", "textual_serve") if find_spec(name) is None]:
        raise PrerequisiteError([f"'obra watch' needs {' and '.join(missing)}: pip install 'obra[watch]'"])


def _require_screen() -> None:
    is_served = "TEXTUAL_DRIVER" in os.environ  # by textual-serve, to a browser
    if not is_served and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "there is no terminal to show it on; 'obra task show ID' prints what is known of a task"
        )
    if not is_served and os.environ.get("TERM") == "dumb":
        raise click.UsageError(
            "a terminal with TERM=dumb cannot show a screen; 'obra watch --web' shows it in a browser, and "
            "'obra task show ID' prints what is known of a task"
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


def _doors(config: Config) -> Doors:
    """Return what the keys of the screen do: the same as the verbs."""
    from obra.cli.breakpoint import answered
    from obra.cli.task_control import asked, person
    from obra.domain import Control
    from obra.watching.doors import Doors

    def ask(task_id: int, act: ControlAct, text: str, action: Action | None) -> Control:
        return asked(config, Control(task_id=task_id, act=act, by=person(), text=text, action=action))

    return Doors(answer=partial(answered, config), ask=ask)
