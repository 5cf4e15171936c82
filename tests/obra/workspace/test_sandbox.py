"""A sandbox made by the real bubblewrap: what is inside cannot touch, see or survive what is outside."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from obra.errors import WorkspaceError
from obra.workspace.model_door import ModelDoor
from obra.workspace.processes import clean_environment, run_command
from obra.workspace.sandbox import Sandbox, bubblewrap


@pytest.fixture(scope="session")
def sandboxed() -> str:
    """Name and version of the real bubblewrap; without one the test is skipped, and says how to get it."""
    try:
        return bubblewrap()
    except WorkspaceError as error:
        pytest.skip(str(error))


@pytest.fixture
def inside(sandboxed: str, tmp_path: Path):
    """Run a shell line inside, in a workspace; returns what it printed."""
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    workspace.mkdir()
    home.mkdir()

    def run(line: str, **how) -> str:
        environment = clean_environment(home)
        command = Sandbox(workspace=workspace, writable=(home,), **how).command(
            ["/bin/sh", "-c", line], environment
        )
        done = run_command(command, cwd=workspace, environment=environment, timeout=90, max_output=20_000)
        return done.output

    return run


def test_it_says_its_name_and_version(sandboxed: str):
    """What reports show is what the program itself says."""
    assert sandboxed.startswith("bubblewrap ")


def test_only_the_workspace_and_the_private_home_can_be_written(inside, tmp_path: Path):
    """The workspace and home keep what is written; everything else is read-only or forgotten."""
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    system = "/usr/obra-test"
    said = inside(
        f"echo a >a.txt; echo b >$HOME/b.txt; echo c >{outside}; echo d >{system} || echo refused; "
        f"rm -rf {outside.parent}/outside.txt /etc/passwd; ls /etc/passwd"
    )
    assert (tmp_path / "workspace/a.txt").read_text() == "a\n"
    assert (tmp_path / "home/b.txt").read_text() == "b\n"
    assert outside.read_text() == "mine"
    assert not Path(system).exists()
    assert "refused" in said
    assert "/etc/passwd" in said.splitlines()[-1]


def test_secrets_and_sockets_of_the_machine_are_not_seen(inside, tmp_path: Path):
    """Other folders in /tmp, the person's home and /run are empty inside."""
    (tmp_path / "secret").write_text("key")
    said = inside(f"cat {tmp_path}/secret; ls -A {Path.home()} /run | grep -cE 'ssh|docker|bashrc'")
    assert "key" not in said
    assert said.splitlines()[-1] == "0"


def test_other_processes_are_neither_seen_nor_reached(inside):
    """Process ids are those of the sandbox: ours is not among them, and killing every one kills nobody outside."""
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            seen = inside("ls /proc | grep -c '^[0-9]'; trap '' TERM; kill -TERM -1; exit 0")
            assert int(seen.split()[0]) < 10
            assert other.poll() is None
        finally:
            other.kill()


def test_it_has_no_privileges_even_as_root(inside):
    """No capability is left, so that a read-only mount cannot be made writable again."""
    said = inside("grep CapEff /proc/self/status; mount -o remount,rw / 2>&1; echo $?")
    assert said.splitlines()[0].split()[1].strip("0") == ""
    assert said.splitlines()[-1] != "0"


def test_the_program_and_python_are_found_although_their_folders_are_hidden(inside):
    """``python`` of this environment starts, wherever it is installed."""
    assert inside("python -c 'import sys; print(sys.version_info[0])'").strip() == "3"


def test_a_daemon_ends_with_the_sandbox(inside):
    """What fled into a session of its own, with a clean environment, is dead when the program is."""
    marker = f"{7_000_000 + os.getpid()}"
    inside(f"setsid nohup env -i sleep {marker} >/dev/null 2>&1 & sleep 0.1")
    wait_for(lambda: not running(marker))


def test_nothing_is_left_after_kill_9_of_the_supervisor(sandboxed: str, tmp_path: Path):
    """The supervisor dies without a word, and everything inside dies with it."""
    marker = f"{8_000_000 + os.getpid()}"
    program = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from obra.workspace.processes import ProcessTree, clean_environment
        from obra.workspace.sandbox import Sandbox
        root = Path({str(tmp_path)!r})
        environment = clean_environment(root / "home")
        line = "setsid nohup env -i sleep {marker} & sleep {marker}"
        command = Sandbox(workspace=root).command(["/bin/sh", "-c", line], environment)
        ProcessTree(command, cwd=root, environment=environment)
        print("started", flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout
        assert supervisor.stdout.readline() == b"started\n"
        wait_for(lambda: len(running(marker)) >= 2)
        os.kill(supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not running(marker))


class Hello(BaseHTTPRequestHandler):
    """A model that says hello."""

    def do_GET(self) -> None:
        """Say it."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from the model")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def model() -> Iterator[int]:
    """Port of a loopback server that stands for the model."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def fetch(*ports: int) -> str:
    """Return a program that fetches from loopback ports and prints what came."""
    return (
        "import sys, urllib.request\n"
        f"for port in {ports}:\n"
        "    try:\n"
        "        print(urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=60).read().decode())\n"
        "    except OSError as error:\n"
        "        print('nothing')\n"
    )


def test_a_model_network_reaches_the_model_and_nothing_else(sandboxed: str, tmp_path: Path, model: int):
    """Through the door the model's port answers; another service of this machine does not."""
    home = tmp_path / "home"
    environment = clean_environment(home)
    python = shutil.which("python", path=environment["PATH"])
    door = ModelDoor(home, f"http://127.0.0.1:{model}")
    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as other:
        command = door.command([str(python), "-c", fetch(model, other.server_port, model)])
        sandbox = Sandbox(workspace=tmp_path, readable=door.readable, writable=(home,), network="model")
        done = run_command(
            sandbox.command(command, environment),
            cwd=tmp_path,
            environment=environment,
            timeout=90,
            max_output=9000,
        )
    threads = [one for one in threading.enumerate() if one.name == "obra-model-door"]
    door.close()
    assert done.output.splitlines() == ["hello from the model", "nothing", "hello from the model"]
    assert len(threads) >= 1
    assert not door.path.exists()


def test_the_door_of_a_model_behind_https_lets_only_that_host_through(tmp_path: Path):
    """As a proxy it connects to the one address and refuses every other, before anything is sent there."""
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        port = upstream.getsockname()[1]
        door = ModelDoor(tmp_path, f"https://127.0.0.1:{port}")
        try:
            assert door.variables == {"HTTPS_PROXY": "http://127.0.0.1:3128"}
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(door.path))
                client.sendall(b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 403")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(door.path))
                client.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
                assert client.recv(100).startswith(b"HTTP/1.1 200")
                client.sendall(b"hello")
                connection, _ = upstream.accept()
                with connection:
                    assert connection.recv(5) == b"hello"
        finally:
            door.close()


def test_without_bubblewrap_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Not on PATH is told with the command that installs it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap.cache_clear()
    with pytest.raises(WorkspaceError, match="apt-get install bubblewrap"):
        bubblewrap()
    bubblewrap.cache_clear()


def test_a_machine_that_forbids_it_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A bubblewrap that fails is not taken for one that works, and its own words are shown."""
    program = tmp_path / "bwrap"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "No permissions" >&2; exit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    bubblewrap.cache_clear()
    with pytest.raises(WorkspaceError, match=r"does not work on this machine: No permissions.*user namespaces"):
        bubblewrap()
    bubblewrap.cache_clear()


def running(marker: str) -> list[str]:
    """Return the live ``sleep`` processes with that number."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cmdline()[:2] == ["sleep", marker]:
                found.append(marker)
        except psutil.Error:
            continue
    return found


def wait_for(condition) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
