"""``obra run``: scenario files, or one stored task."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from obra.cli.broken_off import stop_in_order
from obra.cli.commands import Command
from obra.cli.completions import task_ids
from obra.cli.options import (
    Chosen,
    agent_option,
    audience_options,
    json_option,
    settings_options,
    stored,
    writable,
)

if TYPE_CHECKING:
    from obra.config import Config
    from obra.scenarios.scenario import Scenario
    from obra.scenarios.scenario_run import ScenarioReport
    from obra.state.state_manager import StateManager

Row = dict[str, Any]
"""What reports keep of one scenario: :mod:`obra.reports.rows`."""

HELP = """Run scenarios, or one stored task, and show what happens.

Each scenario runs in a fresh folder under the setting workspace.root. A task works in its own folder or its
project's; when it failed or escalated, a new run goes on from its last attempt. 'obra resume' goes on with a run
that was interrupted.
"""


EXAMPLES = (
    "obra run scenarios/hello_world.obra.yaml",
    "obra run --agent replay scenarios/*.obra.yaml",
    "obra run --json scenarios/hello_world.obra.yaml > outcome.json",
    "obra run --task 3 --max-iterations 2 -o agent.max_turns=20",
)
_ONE_FOLDER = "--workspace is the folder of one scenario; run them one by one, or leave it out"


@click.command(cls=Command, waits="at work", help=HELP, examples=EXAMPLES)
@click.argument("files", nargs=-1, type=click.Path(), metavar="[SCENARIO_FILE]...")
@click.option(
    "--task", "task_id", type=int, shell_complete=task_ids, metavar="ID", help="Run a stored task instead."
)
@click.option("--max-iterations", type=click.IntRange(min=1), help="Attempts at each task in this run.")
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to work in: a new or empty one for a scenario.",
)
@agent_option
@json_option
@audience_options
@settings_options
def run(
    *,
    files: tuple[str, ...],
    task_id: int | None,
    max_iterations: int | None,
    workspace: Path | None,
    in_json: bool,
    chosen: Chosen,
) -> int:
    """Run what was asked for; return 0 when all of it ended well."""
    if bool(files) == (task_id is not None):
        raise click.UsageError("name one or more scenario files, or --task ID")
    if workspace and len(files) > 1:
        raise click.UsageError(_ONE_FOLDER)
    stop_in_order()
    config = chosen.load()
    if task_id is not None:
        return _run_task(task_id, max_iterations, workspace, config, chosen, in_json=in_json)
    from obra.prerequisites import require
    from obra.scenarios.scenario import Scenario

    scenarios = [_with_limit(case, max_iterations) for file in files for case in Scenario.load_cases(file)]
    if workspace and len(scenarios) > 1:
        raise click.UsageError(_ONE_FOLDER)
    require(config)
    return run_each(scenarios, workspace, config, chosen, in_json=in_json)


def run_each(
    scenarios: Sequence[Scenario],
    workspace: Path | None,
    config: Config,
    chosen: Chosen,
    *,
    in_json: bool = False,
) -> int:
    """Run scenarios one by one and tell of each; return the exit code.

    Args:
        scenarios: what to run.
        workspace: the folder to work in, for one scenario; ``None`` makes a fresh one for each.
        config: the settings.
        chosen: what was asked for, to tell what to type next.
        in_json: print a list with one row for each scenario, as reports hold them; what happens goes to
            standard error.

    Raises:
        ObraError: there is only one, and what was asked for is wrong or cannot be had here.
    """
    from obra.cli.output import as_json, aside, say
    from obra.statistics.exit_codes import Ending, exit_of

    rows: list[Row] = []
    alone = len(scenarios) == 1
    with aside(asked=in_json):
        ends = [_survives(one, workspace, config, chosen, alone=alone, rows=rows) for one in scenarios]
        if len(ends) > 1:
            say(f"\n{ends.count(True)} of {len(ends)} scenarios passed")
    if in_json:
        as_json(rows)
    return exit_of(Ending(failed=False in ends, machinery_broke=None in ends))


def _run_task(
    task_id: int,
    max_iterations: int | None,
    workspace: Path | None,
    config: Config,
    chosen: Chosen,
    *,
    in_json: bool,
) -> int:
    from obra.cli.broken_off import explained_end, require_heard
    from obra.cli.outcome import tell_outcome
    from obra.cli.output import as_json, aside
    from obra.cli.progress import Progress
    from obra.domain import TaskStatus
    from obra.orchestrator import Orchestrator
    from obra.prerequisites import require

    require(config)
    with stored(config) as state, aside(asked=in_json):
        _choose_folder(task_id, workspace, config, state)
        progress = Progress(in_full=chosen.conversation)
        with (
            Orchestrator(
                config, state_manager=state, observers=[progress], on_permission=chosen.people()
            ) as orchestrator,
            explained_end(state, progress, chosen),
        ):
            outcome = orchestrator.execute_task(task_id, max_iterations)
        require_heard(progress)
        tell_outcome(outcome, state, chosen)
    if in_json:
        as_json(outcome)
    return 0 if outcome.status is TaskStatus.COMPLETED else 1


def _choose_folder(task_id: int, workspace: Path | None, config: Config, state: StateManager) -> None:
    """Let a task that has no folder of its own work in *workspace*."""
    task = state.get_task(task_id)
    if workspace is None:
        return
    folder = task.working_dir or state.get_project(task.project_id).working_dir
    if folder and Path(folder).resolve() != workspace.resolve():
        raise click.UsageError(f"task {task_id} works in {folder}; run it without --workspace")
    config.set("agent.local.workspace_dir", str(workspace.absolute()))


def _with_limit(scenario: Scenario, iterations: int | None) -> Scenario:
    if iterations is None:
        return scenario
    limits = scenario.form.limits.model_copy(update={"iterations": iterations})
    return scenario.changed(limits=limits)


def _survives(
    scenario: Scenario,
    workspace: Path | None,
    config: Config,
    chosen: Chosen,
    *,
    alone: bool,
    rows: list[Row],
) -> bool | None:
    """Run one scenario and tell if it passed; ``None`` is for broken machinery, and the others run then, too.

    What is to be known of it is added to *rows*.

    Raises:
        ObraError: it is the only one, and what was asked for is wrong or cannot be had here.
    """
    from obra.cli.failures import FAILED, exit_code_for, explained
    from obra.cli.output import say
    from obra.errors import ObraError
    from obra.reports.rows import error_row, row_of

    try:
        report = _run_scenario(scenario, workspace, config, chosen)
    except ObraError as error:
        name = chosen.agent or config.settings.agent.type
        rows.append(
            error_row(
                scenario=scenario.name,
                case=scenario.case,
                path=str(scenario.path),
                agent=name,
                node="",
                message=str(error),
            )
        )
        if alone and exit_code_for(error) != FAILED:
            raise
        if alone:
            explained(error)
            return None
        for line in (f"scenario {scenario.case} ERROR: {error}", *getattr(error, "__notes__", ())):
            say(line, error=True)
        return None
    rows.append(row_of(report))
    return report.passed


def _run_scenario(scenario: Scenario, workspace: Path | None, config: Config, chosen: Chosen) -> ScenarioReport:
    from obra.cli.broken_off import explained_end, require_heard
    from obra.cli.outcome import tell_outcome, tell_report
    from obra.cli.progress import Progress
    from obra.orchestrator import Orchestrator
    from obra.scenarios.scenario_run import run_scenario
    from obra.scenarios.scenario_settings import with_settings

    progress = Progress(in_full=chosen.conversation)
    config = with_settings(config, scenario)
    parts: dict[str, Any] = {
        "permissions": scenario.permissions,
        "faults": scenario.faults,
        "tape": None if scenario.is_several else scenario.tape(config),
        "observers": [progress],
        "on_permission": chosen.people(),
    }
    name = chosen.agent or config.settings.agent.type
    with writable(config) as state:
        root = workspace.absolute() if workspace else _fresh_folder(config, scenario.slug)
        progress.announce(scenario.case, f"with {name} in {root}")
        with (
            Orchestrator(config, state_manager=state, **parts) as orchestrator,
            explained_end(state, progress, chosen),
        ):
            report = run_scenario(scenario, orchestrator, root=root, agent=name)
        require_heard(progress)
        tell_outcome(report.outcome, state, chosen)
        tell_report(report)
    return report


def _fresh_folder(config: Config, name: str) -> Path:
    """Make a folder that no other run has, even one that starts at the same moment.

    Raises:
        WorkspaceError: it cannot be made.
    """
    from obra.errors import WorkspaceError

    parent = Path(config.settings.workspace.root).absolute()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for count in itertools.count(1):
            folder = parent / f"{name}-{count}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            break
    except OSError as error:
        raise WorkspaceError(
            f"no folder can be made under {parent}: {error.strerror}; set workspace.root to another place"
        ) from error
    return folder
