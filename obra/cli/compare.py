"""``obra compare``: two runs, case by case."""

from __future__ import annotations

from pathlib import Path

import click

from obra.cli.commands import Command
from obra.cli.completions import run_names
from obra.cli.options import json_option
from obra.cli.output import as_json, say
from obra.cli.report import reports_option

HELP = """Compare two runs, case by case.

Each case is better, worse, or not to be told from chance.

BEFORE and AFTER are folders of runs, files in them, ids in the folder of reports, or "last". Where agent and
reviewer play a script any change counts; elsewhere Fisher's exact test decides at 5 %. The exit code is 1 on a
regression.
"""


@click.command(
    cls=Command,
    waits="comparing",
    help=HELP,
    examples=["obra compare reports/main last", "obra compare a b --json"],
)
@click.argument("before", shell_complete=run_names)
@click.argument("after", shell_complete=run_names, default="last")
@reports_option
@json_option
def compare(*, before: str, after: str, reports: Path, in_json: bool) -> int:
    """Print the cases that changed; return 1 when the later run is worse."""
    from obra.reports.statistics import comparison_lines
    from obra.reports.stored_run import StoredRun
    from obra.statistics.comparison import compare as compare_rows

    old, new = StoredRun.find(before, reports), StoredRun.find(after, reports)
    found = compare_rows(old.rows(), new.rows())
    data = {"baseline": old.name, "run": new.name, **found.as_data()}
    if in_json:
        as_json(data)
    else:
        for line in comparison_lines(data):
            say(line)
    return 1 if found.is_regression else 0
