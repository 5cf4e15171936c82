import getpass
import os
import platform
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from obra.reports.environment import environment


def test_it_names_the_versions_of_this_run():
    """Python, pytest, git and SQLite are those that are here."""
    found = environment()

    assert list(found) == ["obra", "python", "platform", "git", "sqlite", "pytest"]
    assert found["python"].endswith(platform.python_version())
    assert found["pytest"] == pytest.__version__
    assert found["sqlite"] == sqlite3.sqlite_version
    said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    assert found["git"] in said


def test_it_names_neither_person_nor_machine_nor_path():
    """A report can be shown to anyone."""
    values = " ".join(environment().values())

    assert platform.node() not in values.split()
    assert getpass.getuser() not in values.split()
    assert str(Path.home()) not in values
    assert str(Path.cwd()) not in values


@pytest.mark.parametrize(
    ("program", "said"), [(None, "not found"), ("#!/bin/sh\nexit 3\n", "does not answer"), ("", "does not answer")]
)
def test_a_git_that_is_missing_or_broken_is_told_as_it_is(program, said, tmp_path):
    """The environment of a report is never worth an error."""
    if program is not None:
        (tmp_path / "git").write_text(program)
        (tmp_path / "git").chmod(0o755)
    code = "from obra.reports.environment import environment; print(environment()['git'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == said
