"""``obra scenario``: write a first one, look over files, print the schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from obra.cli.commands import Group
from obra.cli.failures import WRONG
from obra.cli.options import json_option
from obra.cli.output import as_json, counted, say

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = (
    "obra scenario new calculator --folder scenarios",
    "obra scenario validate scenarios/",
    "obra scenario schema --out scenarios/schema.json",
)


@click.group(cls=Group, examples=EXAMPLES)
def scenario() -> None:
    """Write, check and describe scenario files."""


@scenario.command(examples=["obra scenario new calculator --folder scenarios"])
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the file is written; made when missing. Default: scenarios, where that folder is, else here.",
)
def new(name: str, folder: Path | None) -> None:
    """Write NAME.obra.yaml: a scenario that runs and passes, to be changed into yours.

    The schema for editors is written beside it where there is none. Nothing is ever overwritten.
    """
    from obra.scenarios.skeleton import write_skeleton

    if folder is None:
        folder = Path("scenarios") if Path("scenarios").is_dir() else Path()
    made = write_skeleton(folder, name)
    for path in made:
        say(f"written: {path}")
    say(f"  run it:  pytest {made[0]}")


@scenario.command(
    waits="reading",
    examples=["obra scenario validate scenarios/", "obra scenario validate --json a.obra.yaml b.obra.yaml"],
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def validate(paths: tuple[Path, ...], in_json: bool) -> int:
    """Look over files, and folders with all *.obra.yaml below them, and tell every problem of every file.

    Nothing is run. Exits with 2 when there is a problem.
    """
    files = list(scenario_files(paths))
    found = [_looked_over(file) for file in files]
    problems = sum(len(one["problems"]) for one in found)
    if in_json:
        as_json(found)
    else:
        for one in found:
            for line in one["problems"]:
                say(line)
        cases = sum(one["cases"] for one in found)
        told = counted(problems, "problem") if problems else f"no problem, {counted(cases, 'case')}"
        say(f"{counted(len(found), 'file')}: {told}")
    return WRONG if problems else 0


@scenario.command(examples=["obra scenario schema", "obra scenario schema --out scenarios/schema.json"])
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file instead.")
def schema(out: Path | None) -> None:
    """Print the JSON Schema of scenario files, with the kinds of check that are installed here.

    Editors with a YAML language server complete and check by it.
    """
    from obra.evidence.kinds import installed_kinds
    from obra.reports.atomic_file import write_whole
    from obra.scenarios.schema import schema_text

    text = schema_text(installed_kinds())
    if out is None:
        say(text.rstrip())
        return
    write_whole(out, (text,))
    say(f"written: {out}")


def scenario_files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Yield files as they are, and of folders all scenario files below them."""
    from obra.scenarios.scenario import SUFFIX

    for path in paths:
        if path.is_dir():
            below = sorted(path.rglob(f"*{SUFFIX}"))
            if not below:
                raise click.UsageError(f"there is no *{SUFFIX} in {path}")
            yield from below
        else:
            yield path


def _looked_over(path: Path) -> dict[str, Any]:
    from obra.errors import ScenarioError
    from obra.scenarios.scenario import Scenario

    try:
        return {"path": str(path), "cases": len(Scenario.load_cases(path)), "problems": []}
    except ScenarioError as error:
        return {"path": str(path), "cases": 0, "problems": str(error).splitlines()}
