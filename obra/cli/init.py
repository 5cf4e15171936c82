"""``obra init``: a project of one's own in a minute."""

from __future__ import annotations

from pathlib import Path

import click

from obra.cli.commands import Command
from obra.cli.options import json_option
from obra.cli.output import as_json, say


@click.command(cls=Command, examples=["obra init", "obra init shop --ci gitlab", "obra init --ci none --json"])
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "none"]),
    default="github",
    show_default=True,
    help="The service that the CI job is for.",
)
@json_option
def init(folder: Path, ci: str, in_json: bool) -> None:
    """Make a folder a project: settings, a first scenario, a CI job.

    FOLDER is the current one by default, and made when missing. Nothing that is there is overwritten; only
    .gitignore gets the lines that it lacks.
    """
    from obra.new_project import start_project

    started = start_project(folder, None if ci == "none" else ci)
    if in_json:
        as_json(
            {
                "folder": str(folder.absolute()),
                "written": [path.as_posix() for path in started.written],
                "kept": [path.as_posix() for path in started.kept],
                "next": started.following,
                "misplaced": started.misplaced,
            }
        )
        return
    for path in started.written:
        say(f"written: {folder / path}")
    for path in started.kept:
        say(f"kept:    {folder / path}, as it was")
    if started.misplaced:
        say(f"note:    {started.misplaced}")
    say("next:" if folder == Path() else f"next, in {folder}:")
    for line in started.following:
        say(f"  {line}")
