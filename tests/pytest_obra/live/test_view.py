"""Lines on a real terminal, plain lines without one, and the conversation."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from obra.statistics.exit_codes import RunExit
from pytest_obra.live.conversation import Conversation

UNASKED = ("-p", "no:allure_pytest", "-p", "no:anyio", "-p", "no:hypothesispytest")
"""Plugins that take as long to load as all the rest, and that no test asks for here."""


def slow(folder: Path, go: str = "go") -> list[dict[str, Any]]:
    """Return a script whose turn waits for a file in *folder*."""
    waiting = f"timeout 600 sh -c 'until test -e {folder}/{go}; do sleep 0.05; done'"
    return [{"say": "Done.", "write": {"hello.txt": "hello\n"}, "run": waiting}]


class Terminal:
    """A program on a terminal of its own, and the screen as a person sees it."""

    def __init__(self, folder: Path, *arguments: str, columns: int = 100, **environment: str) -> None:
        self.screen = pyte.Screen(columns, 24)
        self._stream = pyte.ByteStream(self.screen)
        kept = {name: value for name, value in os.environ.items() if name not in {"CI", "NO_COLOR"}}
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "pytest", "-p", "no:cacheprovider", *UNASKED, *arguments],
            cwd=str(folder),
            dimensions=(24, columns),
            env={**kept, "TERM": "xterm", **environment},
        )

    def read_until(self, seen: Callable[[str], bool], seconds: float = 200) -> str:
        """Return the screen once *seen* holds; the screen as it is when the program ends or time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self._stream.feed(self.child.read_nonblocking(65536, 0.1))
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                break
            if seen(self.text()):
                break
        return self.text()

    def read_to_end(self) -> str:
        """Return the last screen; the program has ended, with :attr:`child`.exitstatus."""
        text = self.read_until(lambda _: False)
        self.child.close()
        return text

    def text(self) -> str:
        """Return the screen, without what is empty at the ends of lines."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()


def test_a_running_scenario_has_a_line_until_it_ends(pytester, scenario_file):
    """The line names scenario, agent, attempt, stage and act; in the end pytest's own output is whole."""
    scenario_file("slow", script=slow(pytester.path))
    terminal = Terminal(pytester.path)
    live = terminal.read_until(lambda text: re.search("attempt 1  agent .*(write hello.txt|timeout 600)", text))
    (pytester.path / "go").touch()
    assert re.search("slow  mock  attempt 1  agent .*(write hello.txt|timeout 600)", live)
    end = terminal.read_to_end()
    assert "attempt 1  agent" not in end
    assert "slow.obra.yaml ." in end
    assert "1 passed" in end
    assert terminal.child.exitstatus == 0


def test_each_worker_s_scenario_has_a_line(pytester, scenario_file):
    """With -n 2 both scenarios under way are shown at once, and nothing of it stays in the temporary folder."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    for name in ("one", "two"):
        scenario_file(name, script=slow(pytester.path))
    private = pytester.mkdir("tmp")
    terminal = Terminal(pytester.path, "-n", "2", TMPDIR=str(private))
    live = terminal.read_until(lambda text: text.count("attempt 1  agent") == 2)
    (pytester.path / "go").touch()
    assert live.count("mock  attempt 1  agent") == 2
    end = terminal.read_to_end()
    assert "attempt 1  agent" not in end
    assert "2 passed" in end
    assert not list(private.glob("obra-live-*"))


def test_a_narrow_terminal_cuts_the_line(pytester, scenario_file):
    """The line of a long act takes one row of a terminal of 34 columns, however often it is painted."""
    scenario_file(
        "slow",
        script=[slow(pytester.path)[0] | {"write": {f"{'long' * 20}.txt": "x", "hello.txt": "hello\n"}}],
    )
    terminal = Terminal(pytester.path, columns=34)
    live = terminal.read_until(lambda text: re.search(r"attempt 1  agent +[1-9]", text))
    (pytester.path / "go").touch()
    assert live.count("attempt 1") == 1
    assert "passed" in terminal.read_to_end()


def test_ctrl_c_leaves_the_terminal_clean(pytester, scenario_file):
    """After Ctrl-C the lines are gone, the cursor is visible, and the summary says what did not run."""
    scenario_file("slow", script=slow(pytester.path))
    terminal = Terminal(pytester.path)
    terminal.read_until(lambda text: "attempt 1  agent" in text)
    terminal.child.sendintr()
    end = terminal.read_to_end()
    assert "attempt 1  agent" not in end
    assert "KeyboardInterrupt" in end
    assert not terminal.screen.cursor.hidden
    assert terminal.child.exitstatus == pytest.ExitCode.INTERRUPTED


def test_a_killed_worker_s_line_goes_away(pytester, scenario_file):
    """A worker that dies in the middle tells no end; its scenario is not shown as running for ever."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    scenario_file("dies", script=slow(pytester.path))
    scenario_file("lives", script=slow(pytester.path))
    pytester.makeconftest(
        """
        import os, pathlib
        def pytest_runtest_setup(item):
            if "dies" in item.nodeid:
                pathlib.Path("worker").write_text(str(os.getpid()))
        """
    )
    terminal = Terminal(pytester.path, "-n", "2", "--max-worker-restart=0")
    terminal.read_until(lambda text: text.count("attempt 1  agent") == 2)
    os.kill(int((pytester.path / "worker").read_text()), signal.SIGKILL)
    later = terminal.read_until(
        lambda text: (
            text.count("attempt 1  agent") == 1 and "dies  mock" not in text
        )  # it is painted piece by piece
    )
    (pytester.path / "go").touch()
    assert "dies  mock  attempt" not in later
    terminal.read_to_end()
    assert terminal.child.exitstatus == RunExit.MACHINERY_BROKE


def test_without_a_terminal_a_plain_line_comes_now_and_then(scenario_file, pytester):
    """In a log, a scenario that takes long has a line of its own each half minute; a short one has none."""
    scenario_file("quick")
    out = pytester.runpytest("--obra-live=plain").stdout.str()
    assert "obra: quick" not in out
    seen = f"timeout 90 sh -c 'until grep -q \"obra: slow\" {pytester.path}/stdout; do sleep 0.05; done'"
    scenario_file("slow", script=[slow(pytester.path)[0] | {"run": seen}])
    out = pytester.runpytest("--obra-live=plain", "--obra-live-every=0.1").stdout.str()  # into the file stdout
    assert "obra: slow  mock  attempt 1  agent" in out


def test_live_off_shows_nothing(pytester, scenario_file):
    """--obra-live=off paints nothing on a terminal."""
    scenario_file("slow", script=[slow(pytester.path)[0] | {"run": "sleep 1.5"}])
    terminal = Terminal(pytester.path, "--obra-live=off")
    seen = terminal.read_until(lambda text: "attempt 1" in text or "passed in" in text)
    assert "attempt 1" not in seen
    terminal.read_to_end()


def test_s_shows_the_conversation(scenario_file, run):
    """With -s the prompt, the acts, the reply, the checks, the review and the decision are printed, harmlessly."""
    scenario_file("talk", script=[{"say": "Done.\x1b[2J", "write": {"hello.txt": "hello\n"}}])
    out = run("-s").stdout.str()
    for expected in (
        "prompt 1 | Make hello.txt",
        "agent | write hello.txt",
        "reply 1 | Done.\ufffd[2J",
        "check | ok: the file hello.txt exists",
        "review | yes, 90",
        "decision | proceed:",
        "end | completed:",
    ):
        assert expected in out


def test_the_conversation_is_told_on_a_terminal_of_plain_ascii():
    """What it does not know is an escape; it once was the end of the run, which counted as broken."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as terminal:
        Conversation(terminal)._say("agent", "Grüße ✓")
        assert raw.getvalue() == b"     agent | Gr\\xfc\\xdfe \\u2713\n"
