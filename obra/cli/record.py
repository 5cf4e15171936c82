"""``obra record``: run scenarios with a server between the agent and its model, and keep what is said there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.cli.commands import Command
from obra.cli.completions import agent_names
from obra.cli.options import Chosen, settings_options

if TYPE_CHECKING:
    from obra.config import Config
    from obra.scenarios.scenario import Scenario

HELP = """Run scenarios and keep what the model said, to be played back.

Each scenario leaves a cassette, NAME.AGENT.jsonl: lines of JSON to be read, reviewed and committed, without keys,
personal paths, and names of user and machine. It is written when the run came to its end, whatever that is. The
reviewer plays the scenario's script, as it does when the cassette is played: pytest --obra-agent=cassette.
"""
EXAMPLES = (
    "obra record scenarios/hello_world.obra.yaml",
    "obra record --upstream https://gateway.example --out tapes scenarios/*.obra.yaml",
    "obra record --agent replay scenarios/calculator.obra.yaml",
)
_CLAUDE_CODE = "claude_code_local"


@click.command(cls=Command, waits="at work", help=HELP, examples=EXAMPLES)
@click.argument("files", nargs=-1, type=click.Path(), required=True, metavar="SCENARIO...")
@click.option(
    "--agent",
    metavar="NAME",
    shell_complete=agent_names,
    help="Whose model to record: codex, gemini, opencode, acp (default: Claude Code). 'replay', or 'replay:codex' "
    "and so on, records the real program against the scenario's script.",
)
@click.option(
    "--upstream", metavar="URL", help="Where the model is (default: where the agent finds it by itself)."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the cassettes (default: the folder 'cassettes' beside the scenario).",
)
@settings_options
def record(*, files: tuple[str, ...], upstream: str | None, out: Path | None, chosen: Chosen) -> int:
    """Run and record; return 0 when every scenario ended as it should."""
    from obra.cli.run import run_each
    from obra.prerequisites import require
    from obra.scenarios.scenario import Scenario

    config = _settings(chosen, upstream, out)
    scenarios = [case for file in files for case in Scenario.load_cases(file)]
    for scenario in scenarios:
        if scenario.is_several:
            raise click.UsageError(f"{scenario.case} has several tasks, and a cassette is of one; leave it out")
    require(config)
    before = _written(scenarios, config)
    code = run_each(scenarios, None, config, chosen)
    return _tell(before, _written(scenarios, config)) or code


def _settings(chosen: Chosen, upstream: str | None, out: Path | None) -> Config:
    """Return the settings that a cassette is played with, except that the model is there.

    Raises:
        ConfigError: the file, a key or a value is wrong.
    """
    from obra.config import RUNGS, Config

    is_scripted = (chosen.agent or "").partition(":")[0] == "replay"
    if is_scripted and upstream:
        raise click.UsageError(
            f"--agent {chosen.agent} has the scenario's script for a model; leave out --upstream"
        )
    if is_scripted:
        rung = str(chosen.agent)
    else:
        rung = "cassette" if chosen.agent in (None, _CLAUDE_CODE) else f"cassette:{chosen.agent}"
    if rung not in RUNGS:
        names = [name.partition(":")[2] for name in RUNGS if name.startswith("cassette:")]
        raise click.UsageError(
            f"--agent {chosen.agent} cannot be recorded; there are {_CLAUDE_CODE}, {', '.join(names)}, and "
            f"'replay' or 'replay:NAME' to record against the scenario's script"
        )
    config = Config.load(chosen.file, overrides=chosen.overrides, rung=rung)
    if not is_scripted:
        config.set("replay.mode", "off")
    config.set("replay.record", value=True)
    if upstream:
        config.set("replay.upstream", upstream)
    if out:
        config.set("replay.cassettes", out)
    return config


def _written(scenarios: Sequence[Scenario], config: Config) -> dict[Path, int]:
    """Return when each cassette was written; 0 for one that is not there."""
    files = [scenario.tape(config).file for scenario in scenarios]
    return {file: file.stat().st_mtime_ns if file.exists() else 0 for file in files}


def _tell(before: dict[Path, int], after: dict[Path, int]) -> int:
    """Say which cassettes were written; return 1 when one was not."""
    from obra.cli.output import say

    for file, written in after.items():
        is_new = written != before[file]
        say(f"cassette {file}" if is_new else f"no cassette was written to {file}", error=not is_new)
    return int(after.items() & before.items() != set())
