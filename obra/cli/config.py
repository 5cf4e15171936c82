"""``obra config``: the settings in force."""

from __future__ import annotations

import click

from obra.cli.commands import Command
from obra.cli.completions import setting_names
from obra.cli.options import Chosen, agent_option, json_option, settings_options
from obra.cli.output import as_json, say


@click.command(
    cls=Command, examples=["obra config llm --config config/real.yaml", "obra config --default > mine.yaml"]
)
@click.argument("key", required=False, shell_complete=setting_names)
@click.option("--default", "is_default", is_flag=True, help="Print a whole settings file: every key, explained.")
@json_option
@agent_option
@settings_options
def config(key: str | None, is_default: bool, in_json: bool, chosen: Chosen) -> None:
    """Show the settings in force and where each comes from; secrets are masked.

    KEY is one setting or a section of them.
    """
    if is_default:
        if key or in_json:
            raise click.UsageError("--default prints the whole file: use it without KEY and --json")
        from obra.config import default_yaml

        say(default_yaml().rstrip("\n"))
        return
    found = chosen.load()
    rows = list(found.rows())
    if key:
        found.get(key)
        rows = [row for row in rows if row[0] == key or row[0].startswith(f"{key}.")]
    if in_json:
        import yaml

        as_json([{"key": name, "value": yaml.safe_load(value), "origin": origin} for name, value, origin in rows])
        return
    width = max((len(f"{name}: {value}") for name, value, _ in rows), default=0)
    for name, value, origin in rows:
        say(f"{f'{name}: {value}':<{min(width, 60)}}  # {origin}")
