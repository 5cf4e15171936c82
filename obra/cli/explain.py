"""``obra explain``: what a kind of error means, and what to do about it."""

from __future__ import annotations

import difflib
import re

import click

from obra.cli.commands import Command
from obra.cli.completions import error_names
from obra.cli.options import json_option
from obra.cli.output import as_json, say

_SECTION = re.compile(r"^## (\S+)\n\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def headings() -> dict[str, str]:
    """Return what stands below each heading of docs/troubleshooting.md."""
    from obra.new_project import kit_text

    return {title: text.strip() for title, text in _SECTION.findall(kit_text("troubleshooting.md"))}


@click.command(cls=Command, examples=["obra explain", "obra explain AgentTimeout"])
@click.argument("name", required=False, shell_complete=error_names)
@json_option
def explain(name: str | None, in_json: bool) -> None:
    """Say what a kind of error means, and what to do about it.

    NAME is the one that stands behind an error's message; without it, all names are listed. It is the text of
    docs/troubleshooting.md.
    """
    sections = headings()
    if name is None:
        if in_json:
            as_json(sections)
            return
        for title in sections:
            say(title)
        return
    known = {title.lower(): title for title in sections}
    found = known.get(name.lower())
    if found is None:
        close = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {known[close[0]]}?" if close else "'obra explain' lists all names"
        raise click.UsageError(f"no error is called {name!r}; {hint}")
    if in_json:
        as_json({"name": found, "text": sections[found]})
    else:
        say(f"{found}\n\n{sections[found]}")
