"""``obra checklist``: what a first real run has shown, and what is left for a person."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.completions import task_ids
from obra.cli.options import Chosen, json_option, settings_options, stored
from obra.cli.output import as_json, counted, say, styled

if TYPE_CHECKING:
    from obra.validation_checklist import Point


@click.command(
    cls=Command, examples=["obra checklist", "obra checklist --task 1 --out checklist.md", "obra checklist --json"]
)
@click.option(
    "--task", "task_id", type=int, shell_complete=task_ids, metavar="ID", help="Only what this task shows."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write it as Markdown.")
@json_option
@settings_options
def checklist(task_id: int | None, out: Path | None, in_json: bool, chosen: Chosen) -> int:
    """Go through the points that a first real run should show.

    What the stored tasks prove is marked with the proof. On a terminal the rest is asked for, and a note is an
    answer; elsewhere it is listed with what to do. Exits with 1 while a point is open.
    """
    from obra.validation_checklist import checklist as all_points
    from obra.validation_checklist import write_markdown

    with stored(chosen.load()) as state:
        points = list(all_points(state, task_id))
    try:
        if not in_json:
            asks = sys.stdin.isatty() and sys.stdout.isatty()
            for number, one in enumerate(points):
                points[number] = _told(one, asks=asks)
    except (click.Abort, KeyboardInterrupt) as error:
        if out is not None:
            write_markdown(points, out)
            error.add_note(f"what was noted stands in {out}")
        raise
    if out is not None:
        write_markdown(points, out)
    left = [one for one in points if not one.seen]
    if in_json:
        as_json(points)
    else:
        say(f"{len(points) - len(left)} of {counted(len(points), 'point')} are shown")
    return 1 if left else 0


def _told(point: Point, *, asks: bool) -> Point:
    """Print a point; an open one is asked for, and what a person notes is its proof."""
    if point.seen:
        say(styled("[x] ", "green"), f"{point.name}: {point.seen}")
        return point
    say(styled("[ ] ", "yellow"), point.name)
    say(f"    -> {point.todo}")
    if not asks:
        return point
    note = click.prompt("    seen? a note, or nothing while it is open", default="", show_default=False)
    return replace(point, seen=f"seen by a person: {note.strip()}") if note.strip() else point
