"""``obra worker``: one process, or several, that take cases from the queue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click

from obra.cli.commands import Command
from obra.cli.options import Chosen, settings_options
from obra.cli.output import counted, say
from obra.cli.submit import database_option, with_database

HELP = """Take cases from the queue and run them.

Each process has one case at a time. It runs as under pytest, with the settings of this machine, in a folder below
the setting workspace.root. Ctrl-C or SIGTERM lets the case under way come to its end; a second one breaks it off,
and other workers go on with it. A worker that is not heard of for its lease (scale.lease) has lost its case to
others, and ends with exit code 1.
"""


@click.command(
    cls=Command,
    help=HELP,
    examples=["obra worker", "obra worker --concurrency 4 --until-idle"],
)
@click.option("--concurrency", type=click.IntRange(min=1), default=1, help="How many processes. Default: 1.")
@click.option("--until-idle", is_flag=True, help="End when no case waits or runs anywhere.")
@database_option
@settings_options
def worker(*, concurrency: int, until_idle: bool, database: str | None, chosen: Chosen) -> int:
    """Work until told to end."""
    if concurrency > 1:
        return _several(concurrency)
    chosen = with_database(chosen, database)
    config = chosen.load()
    from obra.cli.failures import explained
    from obra.cli.options import writable
    from obra.errors import ObraError
    from obra.scale.durable_runner import DurableRunner

    with writable(config) as state, DurableRunner(config) as runner:
        folder = Path(config.settings.workspace.root).absolute().parent / "worker"
        made = runner.worker(
            lambda agent: Chosen(agent=agent, file=chosen.file, overrides=chosen.overrides).load(),
            state,
            lambda line: say(line, error=True),
            folder=folder,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: made.stop())
        say(f"worker {made.id} is ready", error=True)
        try:
            end = made.run(until_idle=until_idle)
        except ObraError as error:
            explained(error)
            os._exit(1)  # as below
        say(f"worker {made.id} ends after {counted(end.done, 'case')}", error=True)
        if end.broken_off:
            say(f"Error: worker {made.id} was broken off: {end.broken_off}; other workers go on", error=True)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)  # threads of the queue wait for an end that is not ours to tell
    return 0


def _several(count: int) -> int:
    """Run *count* workers as processes of their own, pass signals on, and return the worst exit code."""
    words = [word for word in sys.argv[1:] if not word.startswith("--concurrency=")]
    if "--concurrency" in words:
        at = words.index("--concurrency")
        del words[at : at + 2]
    command = [sys.executable, "-m", "obra", *words]
    made = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]

    def pass_on(number: int, _: object) -> None:
        for one in made:
            if one.poll() is None:
                one.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    return max(one.wait() for one in made)
