"""``obra database``: the version of the tables. Upwards it goes by itself; downwards a person must want it."""

from __future__ import annotations

import click

from obra.cli.commands import Group
from obra.cli.options import Chosen, settings_options
from obra.cli.output import say


@click.group(cls=Group, examples=["obra database downgrade 0001"])
def database() -> None:
    """Take the database back to what an older Obra can read."""


@database.command(waits="changing the tables", examples=["obra database downgrade 0001"])
@click.argument("version")
@settings_options
def downgrade(version: str, chosen: Chosen) -> None:
    """Go back to schema version VERSION, so that the Obra which knows no more than that can open the database.

    An older Obra names the version that it knows when it refuses a database. What the older tables have no place
    for is lost; an SQLite file is copied first. Every other process that uses the database must have ended.
    """
    from obra.logbook import configure_logging
    from obra.state.migrating import migrate

    config = chosen.load()
    configure_logging(config)
    backup = migrate(config.settings.database.url, version)
    say(f"the database has schema version {version}")
    if backup is not None:
        say(f"  as it was before: {backup}")
