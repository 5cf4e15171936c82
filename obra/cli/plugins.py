"""``obra plugins``: who can be named in the settings and in scenarios, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import click

from obra.cli.commands import Command
from obra.cli.options import json_option
from obra.cli.output import as_json, first_line, say, styled, table


@click.command(cls=Command, examples=["obra plugins", "obra plugins --json"])
@json_option
def plugins(in_json: bool) -> int:
    """List the agents, LLMs and checks that can be used here.

    Each is shown with the class that it is and the package that it comes from. Those that cannot be loaded are
    told with the reason; exits with 1 when there are any.
    """
    found = sorted((*_named(), *_checks_of_ours()), key=lambda one: (one["kind"].lower(), one["name"]))
    broken = [one for one in found if one["problem"]]
    if in_json:
        as_json(found)
        return 1 if broken else 0
    columns = ("kind", "name", "class", "package")
    table([name.upper() for name in columns], [[one[name] for name in columns] for one in found])
    for one in broken:
        say(styled("cannot be loaded: ", "red"), f"{one['kind']} {one['name']}: {first_line(one['problem'], 300)}")
    return 1 if broken else 0


def _named() -> Iterator[dict[str, str]]:
    from obra.errors import PluginError
    from obra.evidence.kinds import installed_kind
    from obra.plugins import AGENTS, CHECKS, LLMS, entry_points_of, find_plugin

    for group, kind in ((AGENTS, "agent"), (LLMS, "LLM"), (CHECKS, "check")):
        for name, point in entry_points_of(group).items():
            problem = ""
            try:
                if group == CHECKS:
                    installed_kind(name)
                else:
                    find_plugin(group, name)
            except PluginError as error:
                problem = str(error)
            yield _row(kind, name, point.value, _package_of(point), problem)


def _checks_of_ours() -> Iterator[dict[str, str]]:
    from obra import __version__
    from obra.evidence.collector import KINDS

    for name, kind in KINDS.items():
        yield _row("check", name, f"{kind.__module__}:{kind.__qualname__}", f"obra {__version__}", "")


def _row(kind: str, name: str, home: str, package: str, problem: str) -> dict[str, str]:
    return {"kind": kind, "name": name, "class": home, "package": package, "problem": problem}


def _package_of(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
