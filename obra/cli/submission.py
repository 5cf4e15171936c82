"""``obra submission``: what was submitted to workers, and what became of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Group
from obra.cli.options import Chosen, json_option, settings_options
from obra.cli.output import as_json, counted, first_line, say, table
from obra.cli.submit import database_option, with_database

if TYPE_CHECKING:
    from obra.scale.durable_runner import DurableRunner
    from obra.scale.port import CaseStatus

EXAMPLES = ("obra submission list", "obra submission prune --older-than 30d")
_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.group(cls=Group, examples=EXAMPLES)
def submission() -> None:
    """List, show, await, cancel and prune what was submitted."""


def opened(chosen: Chosen, database: str | None) -> DurableRunner:
    """Return the open runner that was chosen."""
    from obra.scale.durable_runner import DurableRunner

    return DurableRunner(with_database(chosen, database).load())


@submission.command("list", examples=["obra submission list --json"])
@database_option
@json_option
@settings_options
def list_(*, database: str | None, in_json: bool, chosen: Chosen) -> None:
    """List submissions, newest first."""
    with opened(chosen, database) as runner:
        found = runner.submissions()
    if in_json:
        as_json(found)
        return
    rows = ((one.id, one.agent, _moment(one.created_at), _counts(one.states)) for one in found)
    table(("submission", "agent", "submitted", "cases"), rows)


@submission.command(examples=["obra submission show 20261122-205501-ab12cd"])
@click.argument("name")
@database_option
@json_option
@settings_options
def show(*, name: str, database: str | None, in_json: bool, chosen: Chosen) -> None:
    """Show the cases of the submission NAME, or the one case of that id."""
    with opened(chosen, database) as runner:
        found = runner.cases(name)
    if in_json:
        as_json([{**dict(one), "is_over": one.is_over} for one in found])
        return
    table(
        ("case", "scenario", "agent", "run", "state", "begun", "worker", "reason"),
        (
            (
                one.id,
                one.case,
                one.agent,
                one.repeat,
                one.state,
                f"{one.claims}x",
                one.worker,
                first_line(one.reason),
            )
            for one in found
        ),
    )


@submission.command(examples=["obra submission wait 20261122-205501-ab12cd"])
@click.argument("name")
@database_option
@settings_options
def wait(*, name: str, database: str | None, chosen: Chosen) -> int:
    """Follow the submission NAME to its end, and write its reports; exit codes are those of a pytest run."""
    with opened(chosen, database) as runner:
        return follow(runner, name, start=with_database(chosen, database).again("obra worker"))


@submission.command(examples=["obra submission cancel 20261122-205501-ab12cd"])
@click.argument("name")
@database_option
@settings_options
def cancel(*, name: str, database: str | None, chosen: Chosen) -> None:
    """Cancel what is not over of the submission NAME, or the one case of that id.

    A worker notices within its beat, and ends the agent.
    """
    with opened(chosen, database) as runner:
        found = runner.cancel(name)
    say(f"{counted(len(found), 'case')} cancelled")


@submission.command(examples=["obra submission prune --older-than 30d"])
@click.option("--older-than", "age", required=True, metavar="AGE", help="Such as 30d, 12h, 90m or 0s.")
@database_option
@json_option
@settings_options
def prune(*, age: str, database: str | None, in_json: bool, chosen: Chosen) -> None:
    """Remove submissions that are over and older than AGE: queue, cases and artefacts; tasks and attempts stay."""
    found = _AGE.fullmatch(age)
    if found is None:
        raise click.UsageError(f"--older-than {age}: write a number with s, m, h or d, such as 30d")
    with opened(chosen, database) as runner:
        gone = runner.prune(int(found[1]) * _UNITS[found[2]])
    if in_json:
        as_json(gone)
        return
    for one in gone.submissions:
        say(f"removed: {one}")
    say(
        f"{counted(len(gone.submissions), 'submission')}, {counted(gone.cases, 'case')}, "
        f"{counted(gone.files, 'file')} removed"
    )


def follow(runner: DurableRunner, name: str, *, start: str, quiet: bool = False) -> int:
    """Tell of each case as it ends, write the reports, and return the exit code of a pytest run."""
    from time import monotonic

    from obra.reports.environment import environment
    from obra.reports.rows import MACHINERY_BROKE
    from obra.reports.run_writer import RunWriter
    from obra.statistics.exit_codes import Ending, exit_of

    started, results, not_run = monotonic(), [], []
    writer = RunWriter(_report_folder(name))
    for case in runner.wait(name, lambda line: say(line, error=True), start=start):
        if case.row:
            writer.add(runner.row(case))
        else:
            not_run.append(case.case)
        results.append(case.state)
        if not quiet:
            say(_line(case))
    broke = [one for one in results if one in (MACHINERY_BROKE, "cancelled")]
    code = exit_of(Ending(failed=len(results) > results.count("passed") + len(broke), machinery_broke=bool(broke)))
    writer.finish(environment(), not_run=not_run, exit_status=code, seconds=monotonic() - started)
    if not quiet:
        say(f"{results.count('passed')} of {len(results)} passed; report: {writer.directory / 'report.md'}")
    return code


def _report_folder(name: str) -> Path:
    """Return a folder that no earlier look at the same submission has written."""
    folder = Path("reports") / name
    count = 1
    while folder.exists():
        count += 1
        folder = Path("reports") / f"{name}.{count}"
    return folder


def _line(case: CaseStatus) -> str:
    seconds = f" in {case.ended_at - case.begun_at:.1f} s" if case.begun_at and case.ended_at else ""
    again = f", begun {case.claims} times" if case.claims > 1 else ""
    where = f" on {case.worker}" if case.worker else ""
    reason = f": {first_line(case.reason)}" if case.state != "passed" and case.reason else ""
    return f"{case.id} {case.case} {case.agent} {case.state}{seconds}{where}{again}{reason}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _counts(states: object) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(dict(states).items()))  # type: ignore[call-overload]  # a mapping
