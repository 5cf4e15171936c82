"""``obra export``: a run that is over, in the formats that other viewers read."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.completions import run_names
from obra.cli.output import counted, say
from obra.cli.report import reports_option

if TYPE_CHECKING:
    from obra.reports.stored_run import StoredRun

HELP = """Write a run in a format that other viewers read.

RUN is the folder of a run, its id in the folder of reports, or "last" (the default).

\b
Formats:
  atif     a folder of trajectories, one JSON file for each scenario (Harbor)
  otlp     traces, one request of OTLP/JSON a line (OpenTelemetry collectors)
  inspect  one log (inspect view)
"""
EXAMPLES = ("obra export last --to otlp", "obra export reports/20261122-141500-ab12cd --to inspect --out log.json")
_NAMES = {"atif": "atif", "otlp": "otlp.jsonl", "inspect": "inspect.json"}
_LONGEST_NAME = 80


@click.command(cls=Command, waits="writing", help=HELP, examples=EXAMPLES)
@click.argument("run", shell_complete=run_names, default="last")
@click.option("--to", "form", type=click.Choice(tuple(_NAMES)), required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where to write. By default, beside the run.")
@reports_option
def export(*, run: str, form: str, out: Path | None, reports: Path) -> None:
    """Write one format."""
    from obra.reports.atomic_file import write_whole
    from obra.reports.stored_run import StoredRun

    found = StoredRun.find(run, reports)
    path = out or found.directory / _NAMES[form]
    if form == "atif":
        say(f"wrote {counted(_trajectories(found, path), 'trajectory file')} to {path}")
        return
    write_whole(path, _traces(found) if form == "otlp" else _log(found))
    say(f"wrote {path}")


def _traces(run: StoredRun) -> Iterator[str]:
    from obra.reports.exports.otlp import request_of

    for index, row in enumerate(run.rows()):
        yield json.dumps(request_of(row, run.name, index), separators=(",", ":")) + "\n"


def _log(run: StoredRun) -> Iterator[str]:
    from obra.reports.exports.inspect_log import log_parts

    return log_parts(run.rows(), run.summary())


def _trajectories(run: StoredRun, folder: Path) -> int:
    from obra.errors import ReportError
    from obra.reports.atomic_file import unwritable

    unfinished = folder.with_name(f".{folder.name}.unfinished")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ReportError(f"{folder} is not empty; name another folder with --out, or empty it")
        shutil.rmtree(unfinished, ignore_errors=True)  # of an export that was killed
        unfinished.mkdir(parents=True)
        count = _write_trajectories(run, unfinished)
        unfinished.replace(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return count


def _write_trajectories(run: StoredRun, folder: Path) -> int:
    from obra.reports.atomic_file import write_whole
    from obra.reports.exports.atif import trajectory_of

    count = 0
    for count, row in enumerate(run.rows(), start=1):
        name = re.sub(r"[^\w.-]+", "_", f"{row['case']}-{row['agent']}")[:_LONGEST_NAME]
        text = json.dumps(trajectory_of(row, run.name), indent=1) + "\n"
        write_whole(folder / f"{count:05d}-{name}.json", (text,))
    return count
