"""What all tests share: no settings of the person who runs them, and the loopback servers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from obra.errors import AgentUnavailable
from obra.testing.ssh_server import SSHServer

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs us in the background has Ctrl-C ignored, and every program that we start would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # So has nohup the end of a terminal: what is called here, and does nothing, what we start inherits as obeyed.
    signal.signal(signal.SIGHUP, lambda *_: None)

# How long an example takes says nothing about a property where the machine is busy, and a gate must not draw other
# examples each time. `pytest --hypothesis-profile=searching` draws new ones.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("searching", PATIENT)
settings.register_profile("gate", PATIENT, derandomize=True)
settings.load_profile("gate")

ROOT = Path(__file__).parent.parent
TEST_SECONDS = 300
"""So long a machine may stand still in the middle of a test; no test that passes takes a tenth of it."""
COMMAND = "OBRA__AGENT__LOCAL__COMMAND"
"""The variable that names the real Claude Code binary, for Obra and for these tests."""


@pytest.fixture
def ctrl_c_elsewhere() -> Iterator[Callable[[Path], None]]:
    """Press Ctrl-C in another thread than the main one, as soon as a file is there."""
    threads = []

    def press(behind: Path) -> None:
        while not behind.exists():
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    def start(behind: Path) -> None:
        thread = threading.Thread(target=press, args=[behind])
        threads.append(thread)
        thread.start()

    yield start
    for thread in threads:
        thread.join()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test a limit, so that a hang is a failure with a stack and not a silent night."""
    for item in items:
        if item.config.pluginmanager.hasplugin("timeout") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the person at the keyboard has set, except where the real binary is."""
    for name in list(os.environ):
        if name.startswith("OBRA_") and name != COMMAND:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built once for all workers of this run."""
    from filelock import FileLock

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "wheel-of-this-run"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "building"):
        if not list(folder.glob("*.whl")):
            command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder), str(ROOT)]
            built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert built.returncode == 0, built.stdout + built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system with room for almost nothing; only root can make one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False) if shutil.which("mount") else None
    if made is None or made.returncode:
        pytest.skip(f"no small file system can be made here: {made.stderr.strip() if made else 'no mount'}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def ollama() -> Iterator[Any]:
    """A running loopback Ollama with the models ``llama3.2:latest`` and ``tiny:1b``."""
    from ollama_server import OllamaServer

    with OllamaServer() as server:
        yield server


@pytest.fixture(scope="session")
def claude() -> str:
    """Path of the real Claude Code binary; without one the test is skipped, and says how to get it."""
    found = shutil.which(os.environ.get(COMMAND, "claude"))
    if not found:
        pytest.skip(
            f"no Claude Code binary: npm install @anthropic-ai/claude-code@2.1.330 and name its path in {COMMAND}"
        )
    return found


def start_sshd(folder: Path, further: str = "") -> SSHServer:
    """Start a real OpenSSH server on loopback; the test is skipped, and says why, where that cannot be."""
    try:
        return SSHServer(folder, further)
    except AgentUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    """The server behind ``ssh_server``."""
    server = start_sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def ssh_server(shared_sshd: SSHServer) -> SSHServer:
    """A server that the tests share; they may break its connections, and one that was ended is started again."""
    if not shared_sshd.is_listening:
        shared_sshd.start()
    return shared_sshd


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Any]:
    """Start servers that only this test uses, each with further lines of configuration."""
    with ExitStack() as stack:

        def start(further: str = "") -> SSHServer:
            server = start_sshd(tmp_path / "own-sshd", further)
            stack.callback(server.stop)
            return server

        yield start
