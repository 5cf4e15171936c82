"""The runner as it is uploaded, with small programs for an agent; no SSH: its link is a pair of pipes."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from ever_longer import with_time
from hypothesis import given
from hypothesis import strategies as st

from obra.agents.far_side.attachment import Frames, frame
from obra.agents.ssh_far_side import packed_runner

ECHO = "import sys\nfor line in sys.stdin: print('heard', line.strip(), flush=True)\n"
SLEEPY = "import time; print('here', flush=True); time.sleep(60)"
SOURCES = sorted(Path(__file__).parents[4].glob("obra/agents/far_side/*.py"))


class Link:
    """One attachment, and all that it has sent."""

    def __init__(self, far: Far, out_at: int = 0, claim: str = "first") -> None:
        """Attach after *out_at* bytes of output, as the Obra with that claim."""
        words = ["attach", str(far.folder), str(out_at), "0", "0.1", claim]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(far.command(*words), stdin=pipe, stdout=pipe, stderr=pipe)
        self.out, self.err = b"", b""
        self.status: dict = {}
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def say(self, kind: str, body: bytes = b"", **header) -> None:
        """Send one frame."""
        self.process.stdin.write(frame({"kind": kind, **header}, body))
        self.process.stdin.flush()

    def until(self, condition, seconds: float = 90.0) -> None:
        """Wait for something that is seen through this link."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.status, self.out[-200:], self.err[-200:])
            time.sleep(0.01)

    def until_ended(self) -> dict:
        """Wait for the end of the agent, and return how it ended."""
        self.until(lambda: self.status.get("state", "runs") != "runs")
        return self.status

    def kill(self) -> None:
        """End it as a broken link would."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """End its input; it goes."""
        self.process.stdin.close()
        self.process.wait()
        self._thread.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def _read(self) -> None:
        frames = Frames()
        while data := os.read(self.process.stdout.fileno(), 65536):
            for header, body in frames.feed(data):
                if header["kind"] == "status":
                    self.status = header
                else:
                    setattr(self, header["kind"], getattr(self, header["kind"]) + body)


class Far:
    """A far side in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        """Upload."""
        root.mkdir(exist_ok=True)
        self.root, self.folder, self.marker = root, root / "run-1", f"obra-test-{root.parent.name}-{os.getpid()}"
        (root / "runner.pyz").write_bytes(packed_runner())
        (root / "owner").write_text("first")
        self.links: list[Link] = []

    def command(self, *words: str) -> list[str]:
        """Return the command line for *words*."""
        return [sys.executable, "-E", "-s", str(self.root / "runner.pyz"), *words]

    def start(self, program: str, *, expect: int = 0, **job) -> str:
        """Start a runner with a Python *program* for its agent; return what it complained."""
        whole = {
            "command": [sys.executable, "-c", program],
            "cwd": str(self.root),
            "environment": {"GREETING": "Servus"},
            "keep": ["PATH"],
            "marker": self.marker,
            "lease": 30,
            "relay": "",
            **job,
        }
        done = subprocess.run(
            self.command("start", str(self.folder)),
            input=json.dumps(whole).encode(),
            env={**os.environ, "OBRA_RUN_ID": self.marker},
            capture_output=True,
            check=False,
        )
        assert done.returncode == expect, done.stderr
        return done.stderr.decode()

    def attach(self, out_at: int = 0, claim: str = "first") -> Link:
        """Open a link."""
        self.links.append(Link(self, out_at, claim))
        return self.links[-1]

    def processes(self) -> list[psutil.Process]:
        """Return what carries the marker."""
        found = []
        for one in psutil.process_iter():
            try:
                if one.environ().get("OBRA_RUN_ID") == self.marker:
                    found.append(one)
            except (psutil.Error, OSError):
                continue
        return found

    def sweep(self) -> int:
        """Give the command that ends everything."""
        return subprocess.run(self.command("sweep", self.marker), check=False).returncode


@pytest.fixture
def far(tmp_path: Path):
    """A far side; nothing of it is left afterwards."""
    found = Far(tmp_path / "far")
    yield found
    for link in found.links:
        if not link.process.stdout.closed:
            link.close()
    assert found.sweep() == 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_what_is_uploaded_is_python_of_3_8_and_alone(path: Path):
    """It parses as Python 3.8, annotations are not evaluated, and it imports the standard library and itself."""
    text = path.read_text()
    tree = ast.parse(text, feature_version=(3, 8))
    imports = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imports |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    known = set(sys.stdlib_module_names) | {"obra.agents.far_side"}
    assert all(name.partition(".")[0] in known or name.startswith("obra.agents.far_side") for name in imports)
    assert len(tree.body) < 2 or "from __future__ import annotations" in text
    assert "removeprefix" not in text
    assert "removesuffix" not in text


@given(
    messages=st.lists(st.tuples(st.dictionaries(st.text(max_size=5), st.integers()), st.binary(max_size=200))),
    size=st.integers(min_value=1, max_value=50),
)
def test_frames_are_the_same_however_they_are_cut(messages, size):
    """Every header and body arrives whole and in order, for any pieces."""
    stream = b"".join(frame(header, body) for header, body in messages)
    frames = Frames()
    found = [one for start in range(0, len(stream), size) for one in frames.feed(stream[start : start + size])]
    assert found == [({**header, "size": len(body)}, body) for header, body in messages]


def test_output_and_input_go_on_at_their_byte_over_another_link(far):
    """What one link has sent is not sent by the next; what was sent twice, or too late, is heard once."""
    far.start(ECHO)
    one = far.attach()
    one.say("input", b"first\n", at=0)
    one.until(lambda: one.out == b"heard first\n")
    one.kill()
    two = far.attach(out_at=len(one.out))
    two.say("input", b"first\nsecond\n", at=0)
    two.until(lambda: two.out == b"heard second\n")
    two.say("input", b"first\n", at=0)
    two.say("input", b"out of reach\n", at=100)
    two.say("orders", serial=2, input_ends=13)
    two.say("orders", serial=1, stop="hopeless")
    assert two.until_ended() | {"why": "", "code": 0, "state": "ended"} == two.status
    assert two.out == b"heard second\n"
    assert far.processes() == []


def test_only_the_obra_that_owns_the_folder_is_heard(far):
    """One that was taken over is told so and changes nothing, and the other one reads how it stands."""
    far.start(ECHO)
    old = far.attach()
    old.say("orders", serial=1, turn=1, prompt=1, input_at=6)
    old.say("input", b"first\nsecond\nthi", at=0)
    old.until(lambda: old.out == b"heard first\nheard second\n")
    (far.root / "owner").write_text("second")
    old.say("input", b"rd\n", at=16)
    assert old.process.wait() == 4
    assert b"taken this run over" in old.process.stderr.read()
    found = json.loads(subprocess.run(far.command("look", str(far.root)), capture_output=True, check=True).stdout)
    assert (found["said"], found["input_size"], found["lives"]) == ("second\nthi", 16, True)
    assert (found["folder"], found["orders"]["prompt"]) == (str(far.folder), 1)
    new = far.attach(out_at=len(old.out), claim="second")
    new.say("input", b"ng\n", at=16)
    new.until(lambda: new.out == b"heard thing\n")
    new.say("orders", serial=2, input_ends=19)
    assert new.until_ended()["code"] == 0
    found = json.loads(subprocess.run(far.command("look", str(far.root)), capture_output=True, check=True).stdout)
    assert found["lives"] is False


def test_where_nothing_was_begun_nothing_is_found(far):
    """A folder without a run is told as that."""
    assert subprocess.run(far.command("look", str(far.root)), capture_output=True, check=True).stdout == b"{}"


def test_the_agent_gets_its_variables_and_no_others(far, monkeypatch):
    """What the job names is handed over; nothing else of the login is, and standard error is kept apart."""
    monkeypatch.setenv("SECRET", "x")
    far.start("import os, sys, json; print(json.dumps(dict(os.environ))); sys.stderr.write('loud'); sys.exit(7)")
    link = far.attach()
    assert link.until_ended()["code"] == 7
    seen = json.loads(link.out)
    assert {"GREETING", "PATH", "OBRA_RUN_ID"} <= set(seen)
    assert "SECRET" not in seen
    assert link.err == b"loud"


def test_a_program_that_is_not_there_is_told_at_once(far):
    """The start fails with the reason, and leaves no runner."""
    assert "No such file" in far.start("", expect=1, command=["/no/such/program"])
    assert far.processes() == []


def test_an_attachment_to_no_run_says_so(far):
    """It is no broken link, which would be tried again."""
    link = far.attach()
    assert link.process.wait(60) == 3
    assert b"there is no run in" in link.process.stderr.read()


@pytest.mark.parametrize(
    ("orders", "why"),
    [
        ({"turn": 1, "total": 0.5}, "the turn was not done after 0.5 s"),
        ({"turn": 1, "idle": 0.5, "total": 50}, "it was silent for 0.5 s"),
        ({"stop": "hopeless"}, ""),
    ],
)
def test_the_runner_keeps_time_alone(far, orders, why):
    """Its own clocks end the agent, although the link lives and says nothing about it."""
    far.start(SLEEPY)
    link = far.attach()
    link.until(lambda: link.out == b"here\n")
    link.say("orders", serial=1, **orders)
    assert link.until_ended()["why"] == why
    assert link.status["code"] != 0
    assert far.processes() == []


def test_clocks_stand_still_while_somebody_decides(far):
    """A pause longer than both limits ends nothing; after it, they count on."""
    far.start(SLEEPY)
    link = far.attach()
    link.until(lambda: link.out == b"here\n")
    link.say("orders", serial=1, turn=1, idle=0.5, total=0.6, paused=True)
    time.sleep(0.9)
    link.say("orders", serial=2, turn=1, idle=0.4, total=50, paused=False)
    assert link.until_ended()["why"] == "it was silent for 0.4 s"  # and not ended by the limits of the pause


def test_a_lease_that_is_not_renewed_ends_everything(far):
    """Nobody attaches: the agent, and a child of it that fled from it, are ended, and the reason is kept."""
    flee = "child = subprocess.Popen(['sleep', '3600'], start_new_session=True, env={}); "
    tell = "open('fled', 'w').write(str(child.pid)); "

    def leave_alone(lease: float) -> None:
        far.folder = far.root / f"run-{lease:g}"
        (far.root / "fled").unlink(missing_ok=True)
        far.start(f"import subprocess; {flee}{tell}{SLEEPY}", lease=lease)
        end = time.monotonic() + 90
        while far.processes():
            assert time.monotonic() < end
            time.sleep(0.02)
        told = far.root / "fled"
        assert told.exists()
        assert told.read_text()  # so far it came within its lease
        number = int(told.read_text())
        assert not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE
        assert far.attach().until_ended()["why"] == f"nothing was heard of Obra for {lease:g} s"

    with_time(leave_alone, 0.7, 5, 30)


def test_a_link_renews_the_lease_only_while_obra_speaks(far):
    """Signs of life keep the agent; an open link without any does not."""

    def speak(lease: float) -> None:
        far.folder = far.root / f"run-{lease:g}"
        far.start(SLEEPY, lease=lease)
        link = far.attach()
        for _ in range(8):
            link.say("alive")
            time.sleep(lease / 4)
        assert link.status.get("state") == "runs"
        assert "nothing was heard" in link.until_ended()["why"]

    with_time(speak, 0.8, 5, 30)


def test_an_agent_that_ignores_all_requests_is_killed(far):
    """Deaf to the end of its input, to SIGINT and to SIGTERM: SIGKILL."""
    deaf = "import signal; signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN); "
    far.start(deaf + SLEEPY)
    link = far.attach()
    link.until(lambda: link.out == b"here\n")
    link.say("orders", serial=1, stop="hopeless")
    assert link.until_ended()["code"] == -signal.SIGKILL


def test_what_an_agent_leaves_behind_is_swept(far):
    """It ends well, and a server of its own that holds its output does not outlive it."""
    far.start("import subprocess, sys; subprocess.Popen(['sleep', '60']); print('over')")
    link = far.attach()
    assert link.until_ended()["code"] == 0
    assert link.out == b"over\n"
    assert far.processes() == []


def test_a_killed_runner_is_told_and_its_agent_dies(far):
    """The kernel ends the agent; the link says that nobody keeps it."""
    far.start(SLEEPY)
    link = far.attach()
    link.until(lambda: link.out == b"here\n")
    for one in far.processes():  # the one that started it and detached it from us may not be gone yet
        with contextlib.suppress(psutil.NoSuchProcess):
            if "start" in one.cmdline():
                one.kill()
    assert link.until_ended()["state"] == "gone"
    assert "its runner was killed" in link.status["why"]


def test_the_sweep_ends_runner_and_agent(far):
    """By the marker alone, whatever is there."""
    far.start(SLEEPY)
    assert far.processes() != []
    assert far.sweep() == 0
    assert far.processes() == []


def test_a_megabyte_each_way_arrives_whole(far):
    """A line longer than any pipe, in both directions, while the agent reads slowly."""
    far.start("import sys, time; time.sleep(0.3); line = sys.stdin.readline(); print(line, end='', flush=True)")
    link = far.attach()
    text = b"x" * 1_000_000 + b"\n"
    link.say("input", text, at=0)
    assert link.until_ended()["code"] == 0
    assert link.out == text


def test_a_full_disk_there_ends_the_agent_with_that_reason(far, tmp_path):
    """What it prints cannot be written down any more: it is ended, and the reason still arrives."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("no file system of a small size can be mounted here; needs root and mount")
    try:
        far.folder = disk / "run"
        far.start("while True: print('x' * 1000)")
        link = far.attach()
        assert "No space left" in link.until_ended()["why"]
        link.close()
        assert far.processes() == []
    finally:
        subprocess.run([umount, disk], check=True)


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Say hello."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_the_relay_waits_for_a_port_and_changes_with_it(far):
    """The agent's address stays the same; where it leads is told later, and anew after each link."""
    ask = (
        "import os, sys, urllib.request\n"
        "for line in sys.stdin: print(urllib.request.urlopen(os.environ['DOOR']).read(), flush=True)"
    )
    far.start(ask, relay="DOOR", environment={"no_proxy": "*"})
    link = far.attach()
    link.say("input", b"1\n", at=0)
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _Hello) for _ in range(2)]
    threads = [threading.Thread(target=one.serve_forever, args=(0.02,)) for one in servers]
    for thread in threads:
        thread.start()
    try:
        link.say("orders", serial=1, port=servers[0].server_port)
        link.until(lambda: link.out.count(b"hello") == 1)
        servers[0].shutdown()
        servers[0].server_close()
        link.say("input", b"2\n", at=2)
        time.sleep(0.2)
        assert link.out.count(b"hello") == 1
        link.say("orders", serial=2, port=servers[1].server_port)
        link.until(lambda: link.out.count(b"hello") == 2)
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
