"""What ``obra watch`` refuses, and how it says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name.startswith("textual") else find(name, *more)
from obra.cli import main
main(["watch"])
"""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["1", "--latest"], "name a task or a run, or say --latest, not both"),
        (["--port", "8017"], "--port is the port of --web"),
        ([], "there is no terminal to show it on; 'obra task show ID' prints what is known of a task"),
    ],
)
def test_a_wrong_use_is_refused(obra, words, why):
    """In one line, with exit code 2."""
    ended = obra("watch", *words)
    assert (ended.code, why in ended.err) == (2, True), ended.err


def test_a_terminal_that_cannot_show_a_screen_is_told(terminal):
    """An editor's shell, for one, would get rubbish."""
    here = terminal("watch", TERM="dumb")
    here.see(r"a terminal with TERM=dumb cannot show a screen; 'obra watch --web' shows it in a browser")
    assert here.end() == 2


def test_a_run_that_is_not_there_is_told(obra):
    """With what would be taken."""
    ended = obra("watch", "20200101-000000-aaaaaa")
    assert (ended.code, "there is no run '20200101-000000-aaaaaa'" in ended.err) == (1, True), ended.err


def test_the_missing_extra_is_told_with_the_command(tmp_path):
    """Where Textual is not installed."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, "pip install 'obra[watch]'" in done.stderr) == (2, True), done.stderr
