"""``obra report``: a run that is over, as a page for people."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.completions import run_names
from obra.cli.output import hand_over, say

if TYPE_CHECKING:
    from obra.reports.stored_run import StoredRun

HELP = """Show a run that is over, as a page or a summary.

RUN is the folder of a run, its id in the folder of reports, or "last" (the default).

\b
Formats:
  html        one page with everything; needs no network and no other file
  markdown    a summary for CI pages, within the limit of GitHub's (1 MiB)
  validation  a test report for people who decide
"""
EXAMPLES = (
    "obra report",
    "obra report reports/20261122-141500-ab12cd --out report.html",
    "obra report --format markdown --out - > summary.md",
)
STANDARD_OUTPUT = "-"


def _html(run: StoredRun) -> Iterator[str]:
    from obra.reports.html_page import page_parts

    return page_parts(run)


def _markdown(run: StoredRun) -> Iterator[str]:
    from obra.reports.step_summary import step_summary

    yield step_summary(run)


def _validation(run: StoredRun) -> Iterator[str]:
    from obra.reports.validation import validation_parts

    return validation_parts(run)


_FORMATS: dict[str, tuple[str, Callable[[StoredRun], Iterator[str]]]] = {
    "html": ("report.html", _html),
    "markdown": ("summary.md", _markdown),
    "validation": ("REAL_ORCHESTRATION_TEST_REPORT.md", _validation),
}

reports_option = click.option(
    "--reports",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Where runs are looked for by their id.",
)


@click.command(cls=Command, waits="writing", help=HELP, examples=EXAMPLES)
@click.argument("run", shell_complete=run_names, default="last")
@click.option("--format", "form", type=click.Choice(tuple(_FORMATS)), default="html", show_default=True)
@click.option(
    "--out",
    type=click.Path(),
    metavar="FILE",
    help="Where to write; '-' is standard output. By default, beside the run.",
)
@click.option("--open", "show", is_flag=True, help="Open it in a browser.")
@reports_option
def report(*, run: str, form: str, out: str | None, show: bool, reports: Path) -> None:
    """Write one page."""
    from obra.reports.atomic_file import write_whole
    from obra.reports.stored_run import StoredRun

    found = StoredRun.find(run, reports)
    name, parts = _FORMATS[form]
    if out == STANDARD_OUTPUT:
        hand_over(parts(found))
        return
    path = Path(out) if out else found.directory / name
    write_whole(path, parts(found))
    say(f"wrote {path}")
    if show:
        webbrowser.open(path.resolve().as_uri())
