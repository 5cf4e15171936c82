"""``obra submit``: scenarios for workers to run."""

from __future__ import annotations

from pathlib import Path

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, agent_option, json_option, settings_options

HELP = """Put scenarios on the queue, for workers to run.

Prints the name of the submission.

PATHS are scenario files, or folders with all *.obra.yaml below them. What a scenario names beside it (template,
archive, local repository, cassette) travels with it. Workers use the settings of their own machine; what was set
here by --config, -o or the environment travels where a scenario could set it, too.
"""
database_option = click.option("--database", metavar="URL", help="Short for -o database.url=URL.")


def with_database(chosen: Chosen, database: str | None) -> Chosen:
    """Return what was chosen, with the database that was named."""
    if database is None:
        return chosen
    return Chosen(agent=chosen.agent, file=chosen.file, overrides=(*chosen.overrides, f"database.url={database}"))


@click.command(
    cls=Command,
    help=HELP,
    examples=[
        "obra submit scenarios/",
        "obra submit --agent replay --repeat 5 --wait scenarios/hello_world.obra.yaml",
    ],
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--repeat", type=click.IntRange(min=1), help="Runs of each case, whatever its own 'repeat:' says.")
@click.option("--wait", "waits", is_flag=True, help="Follow it to its end and write the reports, as pytest does.")
@agent_option
@database_option
@json_option
@settings_options
def submit(
    *,
    paths: tuple[Path, ...],
    repeat: int | None,
    waits: bool,
    database: str | None,
    in_json: bool,
    chosen: Chosen,
) -> int:
    """Submit what was asked for; with --wait return how it ended."""
    from obra.cli.output import as_json, counted, say
    from obra.cli.scenario import scenario_files
    from obra.scale.durable_runner import DurableRunner, cases_of
    from obra.scenarios.scenario import Scenario

    chosen = with_database(chosen, database)
    config = chosen.load()
    scenarios = [case for file in scenario_files(paths) for case in Scenario.load_cases(file)]
    agent = chosen.agent or config.settings.agent.type
    with DurableRunner(config) as runner:
        name, ids = runner.submit(list(cases_of(scenarios, agent, config, repeat)))
        if in_json:
            as_json({"submission": name, "cases": ids})
        else:
            say(name)
            say(f"  {counted(len(ids), 'case')} for {agent}; follow them: obra submission wait {name}", error=True)
        if not waits:
            return 0
        from obra.cli.submission import follow

        return follow(runner, name, start=chosen.again("obra worker"), quiet=in_json)
