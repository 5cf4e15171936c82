"""The real command in a real folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import prepared_programs
import pytest
from real_terminal import Terminal

HELLO = """\
name: hello
task: {title: Say hello}
checks: [{file: hello.txt}]
script:
  - {say: Done., write: {hello.txt: "hello\\n"}}
reviewer:
  - {score: 95}
expect:
  truth: [{contains: {file: hello.txt, text: hello}}]
"""
VAGUE = """\
name: vague
task: {title: Make it better}
script:
  - {say: It is better now.}
  - {say: It is faster now.}
reviewer:
  - {score: 40}
  - {score: 40}
expect: {status: escalated}
"""


class Ended(prepared_programs.Ended):
    """How a command ended."""

    @property
    def data(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.out)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The test's own environment without Obra's settings, with a home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OBRA", "NO_COLOR"))}
    return {**kept, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **more}


@pytest.fixture
def obra(tmp_path: Path) -> Callable[..., Ended]:
    """Run ``obra`` with arguments in tmp_path."""

    def run(*arguments: str, stdin: str | bytes = "", **variables: str) -> Ended:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        everything = environment(tmp_path, **variables)
        if any(name.startswith(("PYTHON", "LANG", "LC_")) for name in variables):  # the interpreter reads them
            command = [sys.executable, "-m", "obra", *arguments]
            done = subprocess.run(
                command, cwd=tmp_path, env=everything, input=given, capture_output=True, timeout=250, check=False
            )
            return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
        done = prepared_programs.run("obra", arguments, folder=tmp_path, variables=everything, stdin=given)
        return Ended(done.code, done.out, done.err)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file in tmp_path."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Start ``obra`` with arguments in tmp_path and end it at the latest with the test."""
    started: list[subprocess.Popen[str]] = []

    def popen(*arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "obra", *arguments],
            cwd=tmp_path,
            env=environment(tmp_path, **(variables or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def hello(write: Callable[[str, str], Path]) -> str:
    """Name of a scenario file that ends completed."""
    return write("hello.obra.yaml", HELLO).name


@pytest.fixture
def vague(write: Callable[[str, str], Path]) -> str:
    """Name of a scenario file that ends escalated, as it should."""
    return write("vague.obra.yaml", VAGUE).name


@pytest.fixture
def slow(write: Callable[[str, str], Path], tmp_path: Path) -> tuple[str, str]:
    """Name of a scenario file whose second attempt waits for the file ``go``, and a word in its command line.

    It waits longer than any test does, so whatever ends before was ended.
    """
    word = f"sleeper-{tmp_path.name}-{os.getpid()}"
    waiting = f"timeout 600 sh -c 'until test -e {tmp_path}/go; do sleep 0.05; done' {word}"
    text = f"""\
name: slow
task: {{title: Take your time}}
checks: [{{file: done.txt}}]
script:
  - {{say: Not yet., write: {{first.txt: one}}}}
  - {{say: Done., write: {{done.txt: two}}, run: ": {word}; {waiting}"}}
reviewer: [{{score: 40, issues: [no done.txt]}}, {{score: 90}}]
"""
    return write("slow.obra.yaml", text).name, word


@pytest.fixture
def terminal(tmp_path):
    """Open a terminal in the test's folder."""
    opened = []

    def open_terminal(*arguments, size=(40, 160), **variables):
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OBRA", "NO_COLOR", "LC_"))
        }
        home = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
        found = Terminal(tmp_path, *arguments, variables={**kept, **home, **variables}, size=size)
        opened.append(found)
        return found

    yield open_terminal
    for one in opened:
        one.close()
