"""``obra doctor``: is everything there that a run needs?"""

from __future__ import annotations

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, agent_option, json_option, settings_options
from obra.cli.output import as_json, counted, say, styled


@click.command(
    cls=Command, waits="looking", examples=["obra doctor", "obra doctor --agent real", "obra doctor --json"]
)
@json_option
@agent_option
@settings_options
def doctor(in_json: bool, chosen: Chosen) -> int:
    """Look for everything that a run with these settings needs, and say how to get it.

    Exits with 1 when something needed is missing.
    """
    from obra.examination import examine

    found = examine(chosen.load())
    lacking = [one for one in found if one.needed and not one.ok]
    if in_json:
        as_json(found)
        return 1 if lacking else 0
    width = max(len(one.name) for one in found)
    for one in found:
        if one.ok:
            mark = styled("ok       ", "green")
        else:
            mark = styled("MISSING  ", "red") if one.needed else styled("optional ", "yellow")
        say(mark, f"{one.name:<{width}}  {one.found}")
        if one.cure:
            say(" " * 9, f"{'':<{width}}  -> {one.cure}")
    say(f"{counted(len(lacking), 'thing')} missing" if lacking else "everything needed is there")
    return 1 if lacking else 0
