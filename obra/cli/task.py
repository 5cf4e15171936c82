"""``obra task``: pieces of work, and what each of them will be judged by."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from obra.cli.commands import Group
from obra.cli.completions import project_ids, task_ids
from obra.cli.moments import moment
from obra.cli.options import Chosen, json_option, project_option, settings_options, stored
from obra.cli.output import as_json, number, say, table
from obra.cli.task_control import STEERING
from obra.cli.task_waiting import next_of, run

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

STATUSES = ("pending", "running", "completed", "escalated", "failed", "interrupted")


@click.group(cls=Group, examples=['obra task create 1 "Add a search page" --check "file: search.py"'])
def task() -> None:
    """Create, list, show, pause, stop and steer tasks."""


@task.command(
    examples=[
        'obra task create 1 "Add a search page" --check "file: search.py" --accept "empty queries are refused"',
        'obra task create 1 "Test it" --check "{command: python -m pytest -q, timeout: 60}" --after 1',
        'obra task create 1 "As described" --description - < description.txt',
        'obra task create 1 "Tonight" --priority 7 --not-before 5h --deadline 12h --retries 2',
    ]
)
@click.argument("project", shell_complete=project_ids)
@click.argument("title")
@click.option("--description", default="", metavar="TEXT", help="The whole task; - reads standard input.")
@click.option("--accept", multiple=True, metavar="SENTENCE", help="A sentence that tells when it is done.")
@click.option("--check", multiple=True, metavar="YAML", help="A check, written as in a scenario's 'checks:'.")
@click.option("--priority", type=int, default=5, show_default=True, help="Higher comes first.")
@click.option(
    "--after",
    type=int,
    multiple=True,
    shell_complete=task_ids,
    metavar="ID",
    help="A task that must be completed before.",
)
@click.option(
    "--not-before", type=moment, metavar="TIME", help="No worker takes it up earlier: 90m, 2h, 3d or ISO 8601."
)
@click.option("--deadline", type=moment, metavar="TIME", help="It is not begun later.")
@click.option(
    "--retries", type=click.IntRange(min=0), default=0, show_default=True, help="Runs after runs that failed."
)
@settings_options
def create(
    *,
    project: str,
    title: str,
    description: str,
    accept: tuple[str, ...],
    check: tuple[str, ...],
    priority: int,
    after: tuple[int, ...],
    not_before: datetime | None,
    deadline: datetime | None,
    retries: int,
    chosen: Chosen,
) -> None:
    """Create a task in a project, named or by its id. --accept, --check and --after may be repeated.

    It waits for 'obra task run', or is run by 'obra run --task ID'. A run that failed is tried again after a
    pause.
    """
    if not title.strip():
        raise click.BadParameter("it is empty; say in one line what is to be done", param_hint="TITLE")
    checks = tuple(_check(text) for text in check)
    config = chosen.load()
    if description == "-":
        description = _standard_input()
    data = {
        "title": title,
        "description": description,
        "acceptance": accept,
        "checks": checks,
        "priority": priority,
        "after": after,
        "queued": True,
        "not_before": not_before,
        "deadline": deadline,
        "retries": retries,
    }
    with stored(config) as state:
        made = state.create_task(_project_id(project, state), data)
    say(f"task {made.id} created: {made.title}")
    say(f"  next: {chosen.again(f'obra run --task {made.id}')}")


@task.command(name="list", examples=["obra task list --status interrupted"])
@project_option("Only those of one project.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that stand so.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@json_option
@settings_options
def list_(project_id: int | None, status: str | None, limit: int, in_json: bool, chosen: Chosen) -> None:
    """List tasks as they truly stand, the last changed first.

    A task whose process is gone is shown as interrupted. FAILED is how many of its runs failed, and how many may;
    NEXT is what 'obra task run' would do with it now. Times are UTC.
    """
    with stored(chosen.load()) as state:
        if project_id is not None:
            state.get_project(project_id)
        found = state.list_tasks(project_id, status, limit)
        following = next_of(found, state)
    if in_json:
        as_json([{**dict(one), "next": word} for one, word in zip(found, following, strict=True)])
        return
    table(
        (
            "ID",
            "PROJECT",
            "STATUS",
            "PRIORITY",
            "ATTEMPTS",
            "QUALITY",
            "CONFIDENCE",
            "DEADLINE",
            "FAILED",
            "NEXT",
            "TITLE",
        ),
        [
            (
                one.id,
                one.project_id,
                one.status,
                one.priority,
                one.iterations,
                number(one.quality_score),
                number(one.confidence),
                f"{one.deadline:%Y-%m-%d %H:%M}" if one.deadline else "-",
                f"{one.tries} of {one.retries + 1}" if one.queued_at else "-",
                word,
                one.title,
            )
            for one, word in zip(found, following, strict=True)
        ],
    )


@task.command(examples=["obra task show 1 --diff"])
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="ID")
@click.option("--diff", is_flag=True, help="Show what changed since the task began.")
@json_option
@settings_options
def show(task_id: int, diff: bool, in_json: bool, chosen: Chosen) -> None:
    """Show all that is known of a task: attempts, checks, scores, decisions, breakpoints."""
    with stored(chosen.load()) as state:
        found = state.get_task(task_id)
        attempts = state.attempts(task_id)
        breakpoints = state.breakpoints(task_id=task_id, limit=None)
        asked = state.controls(task_id)
        failed = [one["data"] for one in state.events(task_id) if one["kind"] == "notification_failed"]
    if in_json:
        as_json(
            {"task": found, "attempts": attempts, "breakpoints": breakpoints, "not_told": failed, "asked": asked}
        )
        return
    from obra.cli.task_view import tell_diff, tell_task

    tell_task(found, attempts, breakpoints, asked)
    for one in failed:
        say(f"not told of {one['about']}: {one['channel']}: {one['problem']}")
    if diff:
        tell_diff(attempts)


@task.command(examples=["obra task release 3"])
@click.argument("task_id", type=int, shell_complete=task_ids, metavar="ID")
@settings_options
def release(task_id: int, chosen: Chosen) -> None:
    """Mark a running task as interrupted whose process is gone for good, such as that of a removed container.

    From another machine it cannot be seen whether a process still lives, so a person has to say so. Refused while
    the process lives on this machine. Should it live after all, it stops at its next write.
    """
    from obra.domain import TaskStatus

    with stored(chosen.load()) as state:
        found = state.finish_task(task_id, TaskStatus.INTERRUPTED, "released by a person")
    say(f"task {found.id} is interrupted; go on with: {chosen.again(f'obra resume --task {found.id}')}")


for _verb in (run, *STEERING):
    task.add_command(_verb)


def _project_id(text: str, state: StateManager) -> int:
    """Return the id of the project that *text* means: an id, or a name that only one project has.

    Raises:
        NotFound: there is none of that name.
    """
    from obra.errors import NotFound

    if text.isdecimal():
        return int(text)
    found = [one.id for one in state.projects() if one.name == text]
    if not found:
        raise NotFound(f"no project is called {text!r}; 'obra project list' shows those there are")
    if len(found) > 1:
        raise click.BadParameter(f"the projects {found} are called {text!r}; give one's id", param_hint="PROJECT")
    return found[0]


def _check(text: str) -> Mapping[str, Any]:
    """Return the check that *text* stands for; what is wrong with it is a wrong use of the command."""
    from obra.documents import Document, DocumentError
    from obra.errors import CheckError
    from obra.evidence.collector import parse_check

    try:
        raw: Mapping[str, Any] = Document.parse("--check", text).data
        parse_check(raw)
    except (CheckError, DocumentError) as error:
        raise click.BadParameter(f"{error} (it is {text!r})", param_hint="--check") from error
    return raw


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise click.BadParameter(
            f"standard input is not UTF-8 text (byte {error.start})", param_hint="--description"
        ) from error
