"""The command itself: help, version, examples, what it imports."""

from __future__ import annotations

import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from obra.cli.commands import LazyGroup
from obra.cli.program import VERBS, obra
from obra.cli.task import STATUSES
from obra.domain import TaskStatus

HEAVY = {
    "pydantic",
    "sqlalchemy",
    "yaml",
    "httpx",
    "pygit2",
    "psutil",
    "obra.config",
    "obra.settings",
    "obra.domain",
}


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    """Every command and group there is, by its words."""
    yield before
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        if isinstance(found, click.Group):
            yield from commands(found, *before, name)
        else:
            yield (*before, name)


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words mean, and the rest of them."""
    found: click.Command = obra
    while isinstance(found, click.Group) and words:
        inner = found.get_command(click.Context(found), words[0])
        assert inner is not None, words
        found, words = inner, words[1:]
    return found, words


@pytest.mark.parametrize("words", list(commands(obra)), ids=" ".join)
def test_every_help_has_a_description_and_examples_that_can_be_parsed(words):
    """Each --help says what the command does and shows lines that the command itself accepts."""
    result = CliRunner().invoke(obra, [*words, "--help"], prog_name="obra")
    assert result.exit_code == 0
    description, _, examples = result.output.partition("\nExample")
    assert len(description.splitlines()[2].strip()) > 15
    lines = [line.strip() for line in examples.splitlines() if line.startswith("  ")]
    assert lines
    for line in lines:
        typed = shlex.split(line.partition(" < ")[0].partition(" > ")[0])
        assert typed[0] == "obra"
        command, rest = command_of(typed[1:])
        assert not isinstance(command, click.Group)
        command.make_context("obra", rest)


def test_the_list_of_verbs_says_what_each_verb_says_of_itself():
    """The summaries, which are written down twice so that nothing need be imported, agree."""
    for name, verb in VERBS.items():
        command = obra.get_command(click.Context(obra), name)
        assert command is not None
        assert command.name == name
        assert verb.summary in (command.help or "").replace("; secrets are masked.", ".").replace(
            "that a run with these settings needs", "that a run needs"
        )


def test_help_imports_nothing_heavy():
    """`obra --help` loads neither the libraries nor the settings."""
    code = (
        "import sys\nfrom obra.cli import main\ntry: main(['--help'])\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: obra" in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_the_statuses_that_can_be_asked_for_are_those_there_are():
    """`--status` lists the statuses without importing them; the list is complete."""
    assert list(TaskStatus) == list(STATUSES)


def test_version(obra):
    """--version names the product and its version."""
    ended = obra("--version")
    assert (ended.code, ended.out) == (0, "obra 0.1.0\n")


def test_an_unknown_verb_is_refused_with_the_nearest_one(obra, tmp_path):
    """A typo is a usage error that names the right word, and nothing is written."""
    ended = obra("taks", "list")
    assert ended.code == 2
    assert "No such command 'taks'; did you mean 'task'?" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_verb_that_is_near_nothing_gets_the_list():
    """Without a near word, all verbs are named."""
    result = CliRunner().invoke(obra, ["xyzzy"])
    assert result.exit_code == 2
    assert "there are: init, run, " in result.output


def test_an_unknown_option_of_the_group_is_a_usage_error():
    """An option that does not exist is click's to explain."""
    result = CliRunner().invoke(obra, ["--frobnicate"])
    assert result.exit_code == 2
    assert "--frobnicate" in result.output


def test_a_lazy_group_answers_nothing_for_an_unknown_name():
    """As click's contract asks."""
    group = LazyGroup("g", verbs={})
    assert group.get_command(click.Context(group), "run") is None


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize(("words", "code"), [("run hello.obra.yaml", 0), ("rn", 2), ("interactive", 2), ("", 2)])
def test_a_stream_that_is_closed_breaks_nothing(closed, words, code, hello, tmp_path):
    """As a service manager may start it: the command does what it does, and nothing gets into the database."""
    line = f"exec {sys.executable} -m obra {words} {closed}"
    ended = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert "Unexpected" not in ended.stderr
    assert not list(tmp_path.glob(".obra/error-*"))
    if code == 0:
        database = sqlite3.connect(tmp_path / ".obra/obra.db")
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()


def test_python_exits_without_a_search_for_garbage():
    """What is there when a command exits is set aside, and not gone through again."""
    told = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000))"  # later than ours
    program = f"{told}; from obra.cli import main; main(['--version'])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "True"
