"""The wheel, as a stranger gets it: installed into an empty environment and used in a folder of their own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from obra import __version__

ROOT = Path(__file__).parent.parent
INSTALL_SECONDS = 300
GOOD = """\
task: {title: Say hello}
checks: [{file: hello.txt}]
script: [{say: Done., write: {hello.txt: hello}}]
reviewer: [{score: 95}]
expect: {truth: [{contains: {file: hello.txt, text: hello}}]}
"""
LIE = GOOD.replace("write: {hello.txt: hello}", "write: {other.txt: hello}").replace("Done.", "All tests pass.")
EXTRAS = ("paramiko", "allure-pytest", "pytest-xdist", "pexpect", "pyte", "pytest-timeout", "coverage", "mypy")
HEAVY = ("sqlalchemy", "httpx", "pydantic", "pygit2", "pytest", "yaml")

pytestmark = pytest.mark.timeout(INSTALL_SECONDS)


def run(*command: object, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program far from the checkout and from the settings of whoever runs the tests."""
    variables = {
        name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "OBRA", "PYTEST"))
    }
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=variables, text=True, timeout=INSTALL_SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout
    return done


@pytest.fixture(scope="module")
def programs(wheel) -> Path:
    """The folder of programs of an environment that holds the wheel and what it needs, nothing else."""
    shared = wheel.parent  # of all workers: what is slow is done once
    environment, mark = shared / "environment", shared / "installed"
    with alone(shared):
        if not mark.exists():
            venv.create(environment, clear=True)
            install(wheel, environment)
            mark.touch()
    return environment / "bin"


def install(wheel: Path, environment: Path) -> None:
    """Install as a person would, with the versions that the gate uses."""
    constraints = ROOT / ".ci" / "constraints.txt"
    # What nobody imports here need not be compiled, and a pip of its own would take as long as all the rest.
    words = (*pip_for(environment / "bin" / "python"), "install", "-q", "--no-compile", "-c", constraints, wheel)
    done = run(*words, folder=environment, check=False)
    if done.returncode and is_unreachable(done.stdout):
        pytest.skip(f"the package index cannot be reached, so the wheel was not installed: {done.stdout[-300:]}")
    assert done.returncode == 0, done.stdout


def pip_for(python: Path) -> tuple[object, ...]:
    """Return our own pip, working on another interpreter's environment."""
    return (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other worker is in here."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_unreachable(said: str) -> bool:
    """Tell a missing network from a wheel that asks for something that does not exist."""
    signs = ("Failed to establish a new connection", "Name or service not known", "Temporary failure", "timed out",
             "ProxyError", "SSLError", "Network is unreachable", "ConnectionResetError")  # fmt: skip
    return any(sign in said for sign in signs)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A foreign folder with its own pytest settings and two scenarios, one of them a lie."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "good.obra.yaml").write_text(GOOD)
    (tmp_path / "lie.obra.yaml").write_text(LIE)
    return tmp_path


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel):
    """Types are declared; no tests, scenarios or settings travel along."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {"obra/py.typed", "pytest_obra/py.typed"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"obra", "pytest_obra", f"obra-{__version__}.dist-info"}
    assert not [name for name in names if name.endswith((".pyc", ".obra.yaml"))]
    sources = {
        str(path.relative_to(ROOT)) for room in ("obra", "pytest_obra") for path in ROOT.glob(f"{room}/**/*.py")
    }
    assert {name for name in names if name.endswith(".py")} == sources


def test_a_plain_installation_is_small(programs, folder):
    """What only an extra needs is not there."""
    words = (*pip_for(programs / "python"), "list", "--format=freeze")
    installed = run(*words, folder=folder).stdout.lower()
    assert f"obra=={__version__}" in installed
    names = {line.partition("==")[0] for line in installed.split()}
    assert [name for name in EXTRAS if name in names] == []


def test_the_command_answers(programs, folder):
    """The command tells its version and its verbs."""
    assert __version__ in run(programs / "obra", "--version", folder=folder).stdout
    assert "breakpoint" in run(programs / "obra", "--help", folder=folder).stdout


def test_importing_is_cheap(programs, folder):
    """No heavy library is loaded before it is needed, though all names are there."""
    code = f"import sys, obra; print([name for name in {HEAVY} if name in sys.modules]); print(obra.Orchestrator)"
    lines = run(programs / "python", "-c", code, folder=folder).stdout.splitlines()
    assert lines == ["[]", "<class 'obra.orchestrator.Orchestrator'>"]


def test_pytest_knows_the_plugin(programs, folder):
    """Its markers and options are explained."""
    markers = run(programs / "pytest", "--markers", folder=folder).stdout
    assert "obra_scenarios" in markers
    assert "obra_real" in markers
    assert "--obra-agent" in run(programs / "pytest", "--help", folder=folder).stdout


def test_a_scenario_passes_and_a_lie_fails(programs, folder):
    """The same words, one with the work done and one without."""
    good = run(programs / "pytest", "good.obra.yaml", folder=folder)
    assert "1 passed" in good.stdout
    both = run(programs / "pytest", folder=folder, check=False)
    assert both.returncode == 1
    assert "1 failed, 1 passed" in both.stdout


def test_a_scenario_runs_without_pytest(programs, folder):
    """The command runs the same file and exits with 0; with 1 for the lie."""
    run(programs / "obra", "run", "good.obra.yaml", folder=folder)
    lie = run(programs / "obra", "run", "lie.obra.yaml", folder=folder, check=False)
    assert lie.returncode == 1
