"""Commands in processes of their own, what they took, and the small projects that they run in."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PLUGIN = ("-p", "pytest_obra.plugin")
_NOT_HANDED_ON = ("OBRA__", "PYTEST_", "PYTHONDONTWRITEBYTECODE")
"""Beginnings of variables that commands do not see: without byte code, each start would compile Obra anew."""
_SCENARIO = """\
name: case-{number:05}
task:
  title: Write a greeting
  description: Create hello.txt with a greeting.
checks:
  - {check}
script:
  - say: Done.
    write:
      hello.txt: "hello {number}"
reviewer:
  - {{score: 90}}
expect:
  status: completed
"""
FILE, COMMAND = "file: hello.txt", """command: python -c "open('hello.txt')\""""
"""What scenarios check: that a file is there, or that a program of its own, started for that, can read it."""
_LARGER = Path(__file__).parents[2] / "scenarios" / "hello_world.obra.yaml"


@dataclass(frozen=True)
class Usage:
    """What one command took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system time, of the command and what it waited for."""
    peak: float
    """MiB of memory at most, of the command itself."""


def run(command: list[str], folder: Path, *, exits: tuple[int, ...] = (0,)) -> Usage:
    """Run *command* in *folder*, without plugins that it does not name, and return what it took.

    It finds no state, no report and no temporary file of a run before. Those are kept beside *folder* until all is
    measured: to remove them meanwhile would be paid by whoever makes the next files.

    Raises:
        RuntimeError: it ended with another exit code.
    """
    mine = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
    kept = Path(tempfile.mkdtemp(prefix="run-", dir=folder.parent))
    for name in (".obra", "reports"):
        if (folder / name).exists():
            (folder / name).rename(kept / name)
    environment = {**mine, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TMPDIR": str(kept)}
    began = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)  # it is reaped: Popen must not wait for it again
    if child.returncode not in exits:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode} in {folder}")
    return Usage(wall=wall, cpu=used.ru_utime + used.ru_stime, peak=used.ru_maxrss / 1024)


def at_once(command: list[str], folders: Sequence[Path]) -> float:
    """Run *command* in all of *folders* at the same time; return the seconds until the last of them ended.

    Raises:
        RuntimeError: one of them failed.
    """
    began = time.perf_counter()
    with ThreadPoolExecutor(len(folders)) as threads:
        list(threads.map(lambda folder: run(command, folder), folders))
    return time.perf_counter() - began


def obra() -> list[str]:
    """Return the command that runs obra: the program beside this Python, or else the module."""
    program = Path(sys.executable).with_name("obra")
    return [str(program)] if program.exists() else [sys.executable, "-m", "obra"]


def pytest(*arguments: str) -> list[str]:
    """Return the command that runs pytest quietly."""
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


def empty_project(folder: Path) -> Path:
    """Make a project without tests."""
    folder.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return folder


def scenarios(folder: Path, count: int, *, check: str = FILE) -> Path:
    """Make a project with *count* scenarios that make one *check* each."""
    made = empty_project(folder)
    for number in range(count):
        text = _SCENARIO.format(number=number, check=check)
        (made / f"case_{number:05}.obra.yaml").write_text(text, encoding="utf-8")
    return made


def larger_scenarios(folder: Path, count: int) -> Path:
    """Make a project with *count* copies of ``scenarios/hello_world.obra.yaml``, each called differently."""
    made, text = empty_project(folder), _LARGER.read_text(encoding="utf-8")
    for number in range(count):
        own = text.replace("name: hello_world", f"name: hello_{number}")
        (made / f"hello_{number}.obra.yaml").write_text(own, encoding="utf-8")
    return made


def plain_tests(folder: Path, count: int) -> Path:
    """Make a project with one module that holds *count* tests which do nothing."""
    made = empty_project(folder)
    text = "".join(f"def test_{number}():\n    assert True\n\n\n" for number in range(count))
    (made / "test_plain.py").write_text(text, encoding="utf-8")
    return made


def plain_modules(folder: Path, count: int) -> Path:
    """Make a project with *count* modules that hold one test each."""
    made = empty_project(folder)
    for number in range(count):
        (made / f"test_{number}.py").write_text("def test_it():\n    assert True\n", encoding="utf-8")
    return made
