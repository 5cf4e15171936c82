"""Every example that a --help shows does what it says, in a folder where what it names is there."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import prepared_programs
import pytest
from click.testing import CliRunner
from sqlite_queue import need_sqlite_queue

from obra.cli.failures import exit_code_of
from obra.cli.program import obra
from obra.config import Config
from obra.logbook import configure_logging
from obra.state.owners import this_process

ROOT = Path(__file__).parents[3]
NEEDS = {
    "obra interactive": "a terminal",
    "obra llm ": "an Ollama server",
    "--llm ollama": "an Ollama server",
    "--agent real": "Claude Code and its login",
    "--agent replay": "Claude Code",
    "obra resume --config config/real.yaml": "Claude Code and its login",
    "obra calibrate": "minutes",
    "obra record": "an agent to record",
    "obra watch": "a terminal, see tests/obra/watching",
    "obra submission show": "a submission of that name, see tests/obra/scale",
    "obra submission wait": "a submission of that name, see tests/obra/scale",
    "obra submission cancel": "a submission of that name, see tests/obra/scale",
    "obra worker ": "cases to wait for, see tests/obra/scale",
}
ENDS = {
    "obra run --task 3 --max-iterations 2 -o agent.max_turns=20": 1,  # a mock without a script changes nothing
    "obra checklist": 1,  # some points are left for a person
    "obra checklist --task 1 --out checklist.md": 1,
    "obra checklist --json": 1,
    "obra resume --task 3": 1,
    "obra resume --all --json": 1,
}
"""Exit codes that are not 0."""
STORED = """
import sys
from obra import Config, StateManager
with StateManager(Config().settings.database.url) as state:
    project = state.create_project(name="p", working_dir="work")
    state.create_task(project_id=project.id, task_data={"title": "second"})
    task = state.create_task(project_id=project.id, task_data={"title": "third"})
    state.start_task(task.id, base_snapshot="", run={})
    task = state.create_task(project_id=project.id, task_data={"title": "fourth"})
    state.start_task(task.id, owner=sys.argv[1], base_snapshot="", run={})
"""
"""Leaves task 3 in the hands of a process that is gone, and task 4 in those of one that lives."""
RUN = "20261122-141500-ab12cd"


def examples(group: click.Group) -> Iterator[str]:
    """Every example of a command and of those below it, once."""
    yield from getattr(group, "examples", ())
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from examples(found)
        else:
            yield from getattr(found, "examples", ())


def helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, str]]:
    """The help of a command and of those below it, as 80 columns show it."""
    yield context.command_path, command, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            below = click.Context(found, info_name=name, parent=context, terminal_width=80)
            yield from helps(found, below)


HELPS = tuple(helps(obra, click.Context(obra, info_name="obra", terminal_width=80)))
QUEUED = ("obra submit", "obra submission", "obra worker")
EXAMPLES = tuple(dict.fromkeys(examples(obra)))


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A folder with some work in it: task 1 escalated with a breakpoint, task 3 broken off, a run of pytest."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "scenarios").mkdir()
    for name in ("hello_world", "vague_task"):
        shutil.copy(ROOT / f"scenarios/{name}.obra.yaml", folder / "scenarios")
    for name in "ab":
        shutil.copy(ROOT / "scenarios/hello_world.obra.yaml", folder / f"{name}.obra.yaml")
    (folder / "description.txt").write_text("All of it.")
    done = prepared_programs.run(
        "obra", ["run", "scenarios/vague_task.obra.yaml"], folder=folder, variables=os.environ
    )
    assert done.code == 0, done.err
    subprocess.run([sys.executable, "-c", STORED, this_process()], cwd=folder, check=True, capture_output=True)
    words = ["-q", "-p", "no:cacheprovider", "scenarios"]
    done = prepared_programs.run("pytest", words, folder=folder, variables=os.environ)
    assert done.code == 0, done.out
    (made,) = (folder / "reports").iterdir()
    for copy in (f"reports/{RUN}", "reports/main", "a", "b"):
        shutil.copytree(made, folder / copy)
    return folder


@pytest.fixture
def folder(template, tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of that folder as the current one; afterwards this process is as it was."""
    copy = tmp_path / "work"
    shutil.copytree(template, copy, symlinks=True)
    monkeypatch.chdir(copy)
    before = signal.getsignal(signal.SIGTERM)
    yield copy
    signal.signal(signal.SIGTERM, before)
    configure_logging(Config())


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_works(line, folder):
    """It ends as expected, and what it was to write is there."""
    if lacking := next((why for words, why in NEEDS.items() if words in f"{line} "), None):
        pytest.skip(f"needs {lacking}")
    if line.startswith(QUEUED):
        need_sqlite_queue()
    typed, _, source = line.partition(" < ")
    typed = typed.partition(" > ")[0]
    words = shlex.split(typed)[1:]
    given = Path(source).read_text() if source else ""
    ends: list[int] = []

    @click.command()
    def call() -> None:
        ends.append(exit_code_of(lambda: obra.main(words, prog_name="obra", standalone_mode=False), words))

    result = CliRunner().invoke(call, [], input=given)
    assert ends == [ENDS.get(line, 0)], result.output
    if "--out" in words and (out := words[words.index("--out") + 1]) != "-":
        assert Path(out).exists()


def test_what_is_said_to_need_something_is_still_said():
    """Each reason above for not running an example has an example, but for verbs that this version lacks."""
    unused = {words for words in NEEDS if not any(words in line for line in EXAMPLES)}
    assert unused <= {"obra record"}


@pytest.mark.parametrize(("name", "command", "text"), HELPS, ids=[name for name, _, _ in HELPS])
def test_a_help_has_an_example_and_fits_a_small_terminal(name, command, text):
    """Plain ASCII in 80 columns, but for lines to be typed."""
    examples = getattr(command, "examples", ())
    assert examples, name
    assert text.isascii()
    assert [line for line in text.splitlines() if len(line) > 80 and line.strip() not in examples] == []
