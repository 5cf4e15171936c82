"""``obra breakpoint``: where a person must look, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from obra.cli.commands import Group
from obra.cli.completions import breakpoint_ids
from obra.cli.options import Chosen, json_option, settings_options, stored
from obra.cli.output import as_json, say, table

if TYPE_CHECKING:
    from obra.config import Config
    from obra.domain import Breakpoint


@click.group(name="breakpoint", cls=Group, examples=['obra breakpoint resolve 1 "Yes, delete the old page"'])
def breakpoint_() -> None:
    """List the places where a person must look, and answer."""


@breakpoint_.command(name="list", examples=["obra breakpoint list --all"])
@click.option("--all", "every", is_flag=True, help="Also those that are answered.")
@json_option
@settings_options
def list_(every: bool, in_json: bool, chosen: Chosen) -> None:
    """List the open breakpoints, the newest first."""
    with stored(chosen.load()) as state:
        found = state.breakpoints(status=None if every else "open", limit=None)
    if in_json:
        as_json(found)
    else:
        table(
            ("ID", "TASK", "ATTEMPT", "STATUS", "TRIGGER", "REASON"),
            [(one.id, one.task_id, one.attempt_number, one.status, one.trigger, one.reason) for one in found],
        )


@breakpoint_.command(examples=['obra breakpoint resolve 1 "Use the decimal module"'])
@click.argument("breakpoint_id", type=int, shell_complete=breakpoint_ids, metavar="ID")
@click.argument("answer")
@settings_options
def resolve(breakpoint_id: int, answer: str, chosen: Chosen) -> None:
    """Answer a breakpoint; the next run of its task shows the answer to the agent."""
    if not answer.strip():
        raise click.BadParameter("it is empty; the agent will be shown these words", param_hint="ANSWER")
    resolved = answered(chosen.load(), breakpoint_id, answer)
    say(f"breakpoint {resolved.id} resolved: {resolved.answer}")
    say(f"  next: {chosen.again(f'obra run --task {resolved.task_id}')}")


def answered(config: Config, breakpoint_id: int, answer: str) -> Breakpoint:
    """Store a person's answer in the database that *config* names, and return the breakpoint.

    Raises:
        StateError: it is not open, or the database cannot be written.
    """
    with stored(config) as state:
        return state.resolve_breakpoint(breakpoint_id, answer)
