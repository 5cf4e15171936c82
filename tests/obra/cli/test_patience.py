"""A person at a terminal sees within about a second that a command is at work."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click
import pytest
from real_terminal import Terminal

from obra.cli.commands import Command
from obra.cli.program import obra as program

MAY_TAKE_LONG = (
    "run", "resume", "record", "calibrate", "doctor", "report", "export", "compare", "review", "history",
    "rejudge", "scenario validate", "llm list", "llm check", "database downgrade",
)  # fmt: skip
"""Verbs that ask a server, run something or read whole runs; ``llm pull`` has a bar of its own."""


def find(words: str) -> click.Command:
    """The command of that name."""
    found: click.Command = program
    for word in words.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), word)
        assert inner is not None
        found = inner
    return found


@pytest.fixture
def silent_server():
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def terminal(tmp_path):
    """Open a terminal in the test's folder."""
    opened = []

    def open_terminal(*arguments):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OBRA")}
        opened.append(Terminal(tmp_path, *arguments, variables={**kept, "HOME": str(tmp_path)}, size=(24, 80)))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


@pytest.mark.parametrize("words", MAY_TAKE_LONG)
def test_a_verb_that_may_take_long_says_what_it_does(words):
    """Each has its word."""
    found = find(words)
    assert isinstance(found, Command)
    assert found.waits


def test_a_command_that_waits_for_a_server_shows_it(terminal, silent_server):
    """With the seconds; on Ctrl-C the line is gone again."""
    here = terminal("doctor", "-o", "llm.type=ollama", "-o", f"llm.api_url={silent_server}")
    here.see(r"looking \.\.\. [1-9]\d* s")
    here.type("\x03")
    here.end()
    assert "looking ..." not in here.text()


def test_a_run_shows_that_a_turn_takes_long_and_leaves_no_trace(terminal, tmp_path):
    """Between the lines of the run, and not in its words."""
    waiting = f"until test -e {tmp_path}/go; do sleep 0.05; done"
    text = (
        "name: s\ntask: {title: Wait}\nchecks: [{file: a}]\n"
        f"script: [{{say: ok, write: {{a: b}}, run: '{waiting}'}}]\n"
    )
    (tmp_path / "s.obra.yaml").write_text(f"{text}reviewer: [{{score: 90}}]\n")
    here = terminal("run", "s.obra.yaml")
    here.see(r"at work \.\.\. \d+ s")
    (tmp_path / "go").touch()
    assert here.end() == 0
    assert "at work" not in here.text()
    assert "task 1 completed" in here.text()


def test_nothing_of_it_reaches_a_file(obra, write):
    """Only a terminal sees it."""
    name = write("s.obra.yaml", "name: s\ntask: {title: Wait}\nscript: [{say: ok, run: sleep 1.8}]\n").name
    ended = obra("run", name)
    assert "at work" not in ended.out + ended.err


def test_every_verb_that_prints_a_table_can_print_json():
    """So that programs need not read columns; a calibration writes its JSON beside its page."""
    lacking = []
    for path in sorted(Path(__file__).parents[3].glob("obra/cli/*.py")):
        if " table(" in path.read_text() and path.stem not in {"output", "calibrate", "live_verbs"}:
            module = __import__(f"obra.cli.{path.stem}", fromlist=["*"])
            made = [one for one in vars(module).values() if isinstance(one, click.Command)]
            leaves = [one for one in made if not isinstance(one, click.Group)]
            tells = [
                one
                for one in leaves
                if " table(" in _source(one) and not any(p.name == "in_json" for p in one.params)
            ]
            lacking += [f"{path.stem}: {one.name}" for one in tells]
    assert lacking == []


def _source(command: click.Command) -> str:
    import inspect

    assert command.callback is not None
    return inspect.getsource(inspect.unwrap(command.callback))
