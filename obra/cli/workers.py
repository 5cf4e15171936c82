"""``obra workers``: who lives, and what each is doing."""

from __future__ import annotations

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, json_option, settings_options
from obra.cli.output import as_json, say, table
from obra.cli.submit import database_option


@click.command(cls=Command, examples=["obra workers", "obra workers --json"])
@database_option
@json_option
@settings_options
def workers(*, database: str | None, in_json: bool, chosen: Chosen) -> None:
    """List the workers and what each is doing."""
    from obra.cli.submission import opened

    with opened(chosen, database) as runner:
        found = runner.workers()
    if in_json:
        as_json([{**dict(one), "is_alive": one.is_alive} for one in found])
    elif not found:
        say("no worker is there; start one: obra worker")
    else:
        rows = (
            (
                one.id,
                one.host,
                one.pid,
                "yes" if one.is_alive else "no",
                f"{one.silent:.1f} s ago",
                one.doing or "-",
            )
            for one in found
        )
        table(("worker", "host", "pid", "alive", "last beat", "doing"), rows)
