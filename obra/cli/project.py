"""``obra project``: folders of work."""

from __future__ import annotations

from pathlib import Path

import click

from obra.cli.commands import Group
from obra.cli.options import Chosen, json_option, settings_options, stored, writable
from obra.cli.output import as_json, say, table


@click.group(cls=Group, examples=["obra project create shop --dir ./shop"])
def project() -> None:
    """Create and list projects."""


@project.command(examples=['obra project create shop --dir ./shop --description "The web shop"'])
@click.argument("name")
@click.option("--description", default="", help="What it is about.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that its tasks work in; made when missing.",
)
@settings_options
def create(name: str, description: str, folder: Path | None, chosen: Chosen) -> None:
    """Create a project."""
    if not name.strip():
        raise click.BadParameter("it is empty; give the project a name", param_hint="NAME")
    with writable(chosen.load()) as state:
        made = state.create_project(name, description, folder.absolute() if folder else "")
    say(f"project {made.id} created: {made.name}")
    if folder is None:
        say("  it has no folder yet: name one with --workspace when you run its tasks")
    following = chosen.again(f"obra task create {made.id} 'WHAT IS TO BE DONE'")
    say(f"  next: {following}")


@project.command(name="list", examples=["obra project list --json"])
@json_option
@settings_options
def list_(in_json: bool, chosen: Chosen) -> None:
    """List all projects, the oldest first."""
    with stored(chosen.load()) as state:
        found = state.projects()
    if in_json:
        as_json(found)
    else:
        table(
            ("ID", "STATUS", "NAME", "FOLDER"),
            [(one.id, one.status, one.name, one.working_dir or "-") for one in found],
        )
