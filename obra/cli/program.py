"""The command ``obra`` and its verbs."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from obra import __version__
from obra.cli.commands import LazyGroup, Verb
from obra.cli.failures import exit_code_of
from obra.cli.output import open_closed_streams

VERBS = {
    "init": Verb("obra.cli.init:init", "Make a folder a project: settings, a first scenario, a CI job."),
    "run": Verb("obra.cli.run:run", "Run scenarios, or one stored task, and show what happens."),
    "resume": Verb("obra.cli.resume:resume", "Go on with runs that were interrupted."),
    "watch": Verb("obra.cli.watch:watch", "Show runs as they stand, also those of another terminal."),
    "submit": Verb("obra.cli.submit:submit", "Put scenarios on the queue, for workers to run."),
    "submission": Verb(
        "obra.cli.submission:submission", "List, show, await, cancel and prune what was submitted."
    ),
    "worker": Verb("obra.cli.worker:worker", "Take cases from the queue and run them."),
    "workers": Verb("obra.cli.workers:workers", "List the workers and what each is doing."),
    "record": Verb("obra.cli.record:record", "Run scenarios and keep what the model said, to be played back."),
    "scenario": Verb("obra.cli.scenario:scenario", "Write, check and describe scenario files."),
    "project": Verb("obra.cli.project:project", "Create and list projects."),
    "task": Verb("obra.cli.task:task", "Create, list, show, pause, stop and steer tasks."),
    "breakpoint": Verb("obra.cli.breakpoint:breakpoint_", "List the places where a person must look, and answer."),
    "database": Verb("obra.cli.database:database", "Take the database back to what an older Obra can read."),
    "config": Verb("obra.cli.config:config", "Show the settings in force and where each comes from."),
    "doctor": Verb("obra.cli.doctor:doctor", "Look for everything that a run needs, and say how to get it."),
    "checklist": Verb("obra.cli.checklist:checklist", "Go through the points that a first real run should show."),
    "calibrate": Verb("obra.cli.calibrate:calibrate", "Measure on known work how often the verdict is right."),
    "review": Verb("obra.cli.review:review", "Show what an attempt was judged by: evidence, review, scores."),
    "report": Verb("obra.cli.report:report", "Show a run that is over, as a page or a summary."),
    "compare": Verb("obra.cli.compare:compare", "Compare two runs, case by case."),
    "history": Verb("obra.cli.history:history", "Show how cases fared in the runs before."),
    "export": Verb("obra.cli.export:export", "Write a run in a format that other viewers read."),
    "rejudge": Verb("obra.cli.rejudge:rejudge", "Judge the attempts of a run again, without an agent."),
    "llm": Verb("obra.cli.llm:llm", "Fetch, list and check the models that review."),
    "plugins": Verb("obra.cli.plugins:plugins", "List the agents, LLMs and checks that can be used here."),
    "explain": Verb("obra.cli.explain:explain", "Say what a kind of error means, and what to do about it."),
    "interactive": Verb("obra.cli.interactive:interactive", "Work at a prompt, with runs in the background."),
    "completion": Verb("obra.cli.completion:completion", "Print what makes a shell complete obra's words."),
}

HELP = """Prove that a coding agent's work is what it claims to be.

\b
Exit codes:
  0    completed; for a scenario: it ended as it should
  1    escalated or failed, or an error that says what to do
  2    wrong usage, settings or scenario, or something needed is missing
  3    unexpected; a log file is named
  12   no verdict: no scenario failed, but the machinery of one broke
  130  interrupted; what was done is kept
"""


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    help=HELP,
    examples=["obra run scenarios/hello_world.obra.yaml"],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="obra", message="%(prog)s %(version)s")
def obra() -> None:
    """Hold the verbs."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command with *arguments* (those of the process when ``None``) and exit with its code."""
    open_closed_streams()
    if "_OBRA_COMPLETE" in os.environ:
        from obra.cli import shells  # noqa: F401  # tells click how our shells ask
    atexit.register(gc.freeze)  # or Python searches all for garbage again, a quarter of a short command's time
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given and sys.stdin.isatty() and sys.stdout.isatty():
        given = ["interactive"]
    sys.exit(exit_code_of(lambda: obra.main(given, prog_name="obra", standalone_mode=False), given))
