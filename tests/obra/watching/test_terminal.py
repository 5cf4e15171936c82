"""The command in a real terminal: what stands there is read back, cell by cell."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pexpect = pytest.importorskip("pexpect")
pyte = pytest.importorskip("pyte")

SECONDS = 90
pytestmark = pytest.mark.timeout(300)


class Terminal:
    """A terminal of our own with a program in it."""

    def __init__(
        self, folder, *words, size=(80, 24), program=("-m", "obra", "watch"), preexec_fn=None, **variables
    ):
        self.raw = b""
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OBRA", "NO_COLOR", "LC_"))}
        self.program = pexpect.spawn(
            sys.executable, [*program, *words], cwd=str(folder), dimensions=size[::-1],
            timeout=SECONDS, preexec_fn=preexec_fn,
            env={**kept, "HOME": str(folder), "TERM": "xterm-256color", "LANG": "C.UTF-8",
                 "COLUMNS": "80", "LINES": "24", **variables},  # as a shell may have exported them
        )  # fmt: skip

    @property
    def text(self):
        """What stands there now."""
        return "\n".join(self.screen.display)

    def wait_for(self, condition):
        """Read until the screen is as it should be."""
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, self.text
            try:
                found = self.program.read_nonblocking(65536, timeout=0.2)
            except pexpect.TIMEOUT:
                continue
            self.raw += found
            self._stream.feed(found)

    def drag(self, *sizes):
        """Resize it as a hand does, in steps; what was painted for the size before is read before each."""
        for lines, columns in sizes:
            settled = time.monotonic() + 0.7  # it paints again and again, so it is never quiet for long
            while time.monotonic() < settled:
                with contextlib.suppress(pexpect.TIMEOUT):
                    found = self.program.read_nonblocking(65536, timeout=0.1)
                    self.raw += found
                    self._stream.feed(found)
            self.screen.resize(lines, columns)
            self.program.setwinsize(lines, columns)

    def quit(self):
        """Press q, and return the exit code."""
        self.program.send("q")
        self.raw += self.program.read()
        self.program.wait()
        return self.program.exitstatus


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder in which two scenarios ran."""
    folder = tmp_path_factory.mktemp("project")
    scenarios = [shutil.copy(path, folder) for path in ROOT.glob("scenarios/*.obra.yaml") if path.stem in WANTED]
    names = [Path(path).name for path in sorted(scenarios)]
    subprocess.run([sys.executable, "-m", "obra", "run", *names], cwd=folder, check=True, capture_output=True)
    return folder


ROOT = Path(__file__).parents[3]
WANTED = {"hello_world.obra", "vague_task.obra"}


@pytest.fixture
def terminal(project):
    """Open terminals, and close them."""
    opened = []

    def open_one(*words, folder=project, **settings):
        opened.append(Terminal(folder, *words, **settings))
        return opened[-1]

    yield open_one
    for one in opened:
        one.program.close(force=True)


def test_eighty_by_twenty_four(terminal):
    """Four panes and the keys; a diff opens; resizing leaves nothing broken; the terminal is given back."""
    watching = terminal()
    watching.wait_for(lambda: "Improve the code" in watching.text and "breakpoint  1" in watching.text)
    panes = [f"─ {name}" for name in ("execution", "log", "database", "workspace")]
    watching.wait_for(lambda: all(pane in watching.text for pane in panes))  # a screen is painted piece by piece
    watching.wait_for(lambda: watching.screen.display[-1].startswith("q Quit ? Help d Diff b Answer"))
    watching.program.send("d")
    watching.wait_for(lambda: "attempt 1 of 1: escalate" in watching.text and "+++ b/app.py" in watching.text)
    watching.program.send("\x1b")
    watching.wait_for(lambda: "─ execution" in watching.text)
    watching.drag((16, 60), (12, 48), (10, 40))
    watching.wait_for(lambda: "─ database" not in watching.text and "─ execution" in watching.text)
    assert watching.quit() == 0
    assert watching.raw.rstrip().endswith(b"\x1b[?25h") or b"\x1b[?1049l" in watching.raw[-500:]


def test_without_colours(terminal):
    """NO_COLOR is obeyed: no cell has a colour."""
    watching = terminal(NO_COLOR="1")
    watching.wait_for(lambda: "Improve the code" in watching.text)
    cells = [cell for row in watching.screen.buffer.values() for cell in row.values()]
    assert {(cell.fg, cell.bg) for cell in cells} == {("default", "default")}
    assert watching.quit() == 0


def test_a_terminal_that_knows_ascii_alone(terminal):
    """Frames are drawn with plain signs, and no byte is beyond ASCII."""
    watching = terminal(LC_ALL="C", size=(100, 30))
    watching.wait_for(lambda: re.search(r"\+- execution -+\+", watching.text))
    assert watching.quit() == 0
    assert watching.raw.isascii()


def test_ctrl_c_and_a_closed_terminal_end_it(terminal):
    """Both end the program, not what it watches."""
    watching = terminal()
    watching.wait_for(lambda: "Improve the code" in watching.text)
    watching.program.sendcontrol("c")
    watching.program.read()
    assert watching.program.wait() == 0
    watching = terminal()
    watching.wait_for(lambda: "Improve the code" in watching.text)
    watching.program.ptyproc.fileobj.close()  # pexpect's own close() gives it 0.4 s
    end = time.monotonic() + SECONDS
    while watching.program.isalive():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_attaches_to_a_run_of_another_terminal(terminal, tmp_path):
    """It waits for the first run; stage, acts and files appear while the agent is at work, and the end too."""
    watching = terminal(folder=tmp_path, size=(120, 36))
    watching.wait_for(lambda: "nothing is stored yet" in watching.text.replace("\n", " "))
    (tmp_path / "slow.obra.yaml").write_text(
        "name: slow\ntask: {title: Take your time}\nchecks: [{file: done.txt}]\n"
        "script:\n  - {say: Not yet., write: {first.txt: one}}\n"
        f"  - {{say: Done., write: {{done.txt: two}}, run: 'until test -e {tmp_path}/go; do sleep 0.05; done'}}\n"
        "reviewer: [{score: 40, issues: [no done.txt]}, {score: 90}]\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "obra", "run", "slow.obra.yaml"], cwd=tmp_path, stdout=subprocess.DEVNULL
    ) as running:
        try:
            watching.wait_for(
                lambda: "task 1 agent  attempt 2" in watching.text and "created   first.txt" in watching.text
            )
            watching.wait_for(
                lambda: (
                    "prompt: the prompt is sent" in watching.text and "tool_call: until test -e " in watching.text
                )
            )
        finally:
            (tmp_path / "go").touch()
        watching.wait_for(lambda: "task 1 completed  attempt 2" in watching.text)
        assert running.wait() == 0
    assert watching.quit() == 0
    assert list((tmp_path / ".obra/live").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "shown", "not_shown"),
    [
        (["1"], "Create Hello World", "Improve the code"),
        (["--latest"], "Improve the code", "Create Hello World"),
        (["--database", "sqlite:///.obra/obra.db"], "Improve the code", "nothing is stored"),
    ],
)
def test_what_is_asked_for_is_shown(terminal, words, shown, not_shown):
    """One task, the newest, another database."""
    watching = terminal(*words, size=(120, 36))
    watching.wait_for(lambda: shown in watching.text)
    assert not_shown not in watching.text
    assert watching.quit() == 0


def test_one_run_of_pytest_is_shown(terminal, tmp_path):
    """By 'last': the tasks of that run, and not those that ran before it."""
    for name in ("hello_world", "vague_task"):
        shutil.copy(ROOT / f"scenarios/{name}.obra.yaml", tmp_path)
    for words in (
        ["obra", "run", "vague_task.obra.yaml"],
        ["pytest", "-q", "-p", "no:cacheprovider", "hello_world.obra.yaml"],
    ):
        subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, check=True, capture_output=True)
    watching = terminal("last", folder=tmp_path, size=(120, 36))
    watching.wait_for(lambda: "Create Hello World" in watching.text)
    assert "Improve the code" not in watching.text
    assert "| run 2" in watching.text
    assert watching.quit() == 0


BREAKS = """
from obra.cli import main
from obra.watching.{module} import {owner}

def broken(self, *given):
    password = "geheim-4711"
    raise ZeroDivisionError("nobody foresaw this")

{owner}.{function} = broken
main(["watch"])
"""


@pytest.mark.parametrize(
    ("broken", "key"),
    [("screen WatchScreen action_help", "?"), ("view View take", "")],
    ids=["in what a key does", "in the looking"],
)
def test_a_screen_that_breaks_ends_as_every_crash_does(terminal, tmp_path, broken, key):
    """One sentence, a log with the traceback, exit code 3; no variable's value is shown."""
    module, owner, function = broken.split()
    project = tmp_path / "project"
    project.mkdir()
    code = BREAKS.format(module=module, owner=owner, function=function)
    watching = terminal(folder=project, program=("-c", code), size=(300, 24))
    if key:
        watching.wait_for(lambda: "nothing is stored yet" in watching.text)
        watching.program.send(key)
    watching.raw += watching.program.read()
    assert watching.program.wait() == 3
    said = re.sub(rb"\s+", b" ", watching.raw.rpartition(b"\x1b")[2]).decode()
    assert "ZeroDivisionError: nobody foresaw this; all of it stands in" in said, watching.raw[-3000:]
    assert b"geheim" not in watching.raw
    assert b"Traceback" not in watching.raw
    (log,) = (project / ".obra").glob("error-*.log")
    assert "in broken" in log.read_text()


def become_ordinary():
    """Take root's right to write everywhere away from this process and what it becomes."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def test_a_database_in_a_folder_that_may_not_be_written_is_read(terminal, project, tmp_path):
    """All is shown; a run by somebody who may write there appears; nothing is left behind."""
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    (copy / ".obra").chmod(0o555)
    try:
        watching = terminal(folder=copy, size=(120, 36), preexec_fn=become_ordinary)
        watching.wait_for(lambda: "Improve the code" in watching.text and "Create He" in watching.text)
        (copy / ".obra").chmod(0o755)
        subprocess.run(
            [sys.executable, "-m", "obra", "task", "create", "1", "Seen later"],
            cwd=copy,
            check=True,
            capture_output=True,
        )
        (copy / ".obra").chmod(0o555)
        watching.wait_for(lambda: "Seen later" in watching.text)
        assert watching.quit() == 0
    finally:
        (copy / ".obra").chmod(0o755)
