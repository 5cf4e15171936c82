"""The interactive mode at a real terminal: what a person types, and what that person sees."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from obra import StateManager
from obra.agents.mock_agent import MockAgent
from obra.cli.interactive import _split
from obra.domain import PermissionRequest

SLOW = """\
name: slow
task: {{title: Take your time}}
checks: [{{file: done.txt}}]
script:
  - {{say: Not yet., write: {{first.txt: one}}, run: ": turn 1; {waiting}/first; do sleep 0.05; done' {word}"}}
  - {{say: Done., write: {{done.txt: two}}, run: ": turn 2; {waiting}/second; do sleep 0.05; done' {word}"}}
  - {{say: Done., write: {{done.txt: two}}}}
reviewer: [{{score: 40, issues: [no done.txt]}}, {{score: 90}}, {{score: 90}}]
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("task show 1", ["task", "show", "1"]),
        ("obra run 'my scenario.yaml'", ["run", "my scenario.yaml"]),
        ('say use "decimal",  not float', ["say", "--", 'use "decimal",  not float']),
        ("obra say first\n    second", ["say", "--", "first\n    second"]),
        ("say don't", ["say", "don't"]),
        ("say it's  late", ["say", "--", "it's  late"]),
        ("say 'all of it'", ["say", "all of it"]),
        ("say -5 is wrong", ["say", "--", "-5 is wrong"]),
        ("say --help", ["say", "--help"]),
        ("override retry -1 is missing", ["override", "retry", "--", "-1 is missing"]),
        ("override", ["override"]),
        ("obra", []),
        ("", []),
    ],
)
def test_what_is_said_stands_as_it_was_typed(line, words):
    """Quotes, line breaks, spaces and a leading minus belong to a message; a shell splits the other lines."""
    assert _split(line) == words


@pytest.fixture
def word(tmp_path):
    """A word in the command line of what the agent starts."""
    return f"live-{tmp_path.name}-{os.getpid()}"


@pytest.fixture
def slow(write, word, tmp_path):
    """Name of a scenario whose first turns wait for the files ``first`` and ``second``, longer than any test."""
    waiting = f"timeout 600 sh -c 'until test -e {tmp_path}"
    return write("slow.obra.yaml", SLOW.format(word=word, waiting=waiting)).name


def alive(word):
    """Processes with a word in their command line."""
    return [one.pid for one in psutil.process_iter(["cmdline"]) if word in " ".join(one.info["cmdline"] or ())]


def tasks(tmp_path):
    """Every task as it stands."""
    with StateManager(f"sqlite:///{tmp_path}/.obra/obra.db") as state:
        return [(task.status.value, task.status_reason) for task in state.list_tasks()]


def test_a_run_is_watched_told_something_stopped_and_resumed(terminal, slow, word, tmp_path):
    """The conversation appears while the prompt stays usable; a stop is obeyed in the middle of a turn."""
    here = terminal()
    here.see(r"^obra>")
    here.do(f"run {slow}")
    here.see(r"to agent +\| ## Task")
    here.see(r"agent +: turn 1")
    here.do("say don't forget done.txt")
    here.see(r"task 1 will be told in its next prompt")
    (tmp_path / "first").touch()
    here.see(r"shown in the prompt of attempt 2")
    here.see(r"\| don't forget done.txt")
    here.see(r"agent +: turn 2")
    assert alive(word)
    here.do("stop wrong branch")
    here.see(r"ended with exit code 130")  # the turn itself would take ten minutes
    assert alive(word) == []
    assert tasks(tmp_path)[0][0] == "interrupted"
    assert tasks(tmp_path)[0][1].endswith("wrong branch")
    here.do("resume --task 1")
    here.see(r"resume --task 1\n(.*\n)+ +agent +: turn 2")
    here.see(r"obra>\s*\Z")
    assert here.leave() == 0
    assert alive(word) == []


def test_pause_override_and_resume(terminal, slow, tmp_path):
    """A paused run shows what it is about to decide; a person decides instead, and it is recorded as that."""
    here = terminal("interactive")
    here.see(r"^obra>")
    here.do(f"run {slow}")
    here.see(r"agent +: turn 1")
    here.do("pause")
    here.see(r"task 1 pauses behind the step under way")
    (tmp_path / "first").touch()
    here.see(r"pause: waits in attempt 1")
    here.do("override escalate I want to look at it")
    here.see(r"will escalate")
    here.do("resume")
    here.see(r"task 1 goes on")
    here.see(r"decided attempt 1: escalate instead of retry")
    here.see(r"ended with exit code 1")
    with StateManager(f"sqlite:///{tmp_path}/.obra/obra.db") as state:
        made = state.attempts(1)[0].decision.override
    assert (made.action, made.instead_of, made.reason) == ("escalate", "retry", "I want to look at it")
    here.do("task show 1")
    here.see(r"Obra's own decision was: retry")


def test_a_breakpoint_is_answered(terminal, vague, tmp_path):
    """The newest open question is meant."""
    here = terminal()
    here.see(r"^obra>")
    here.do(f"run {vague}")
    here.see(r"ended with exit code")
    here.do("answer make it twice as fast")
    here.see(r"breakpoint \d+ of task 1 resolved: make it twice as fast")
    here.do("answer again")
    here.see(r"nobody has asked anything")
    here.do("quit")
    assert here.end() == 0


class Asker(MockAgent):
    """A mock agent that asks before it acts, and says what it was told."""

    on_permission = None

    def send_prompt(self, prompt, **arguments):
        """Ask, then play the step."""
        answer = self.on_permission(PermissionRequest(tool="Bash", subject="rm -rf build"))
        reply = super().send_prompt(prompt, **arguments)
        from dataclasses import replace

        return replace(reply, text=f"allowed={answer.allowed} {answer.reason}")


def test_what_the_agent_asks_is_answered_by_a_person(terminal, hello):
    """The run waits; the answer reaches the agent, in its words."""
    here = terminal(PYTHONPATH=str(Path(__file__).parent))
    here.see(r"^obra>")
    here.do(f"run {hello} --agent test_interactive:Asker")
    here.see(r"asks +may it use Bash: rm -rf build")
    here.do("answer deny: build is needed")
    here.see(r"allowed=False build is needed")


def test_tab_completes_verbs_options_tasks_and_files(terminal, obra, hello):
    """From click's own data."""
    assert obra("run", hello).code == 0
    here = terminal()
    here.see(r"^obra>")
    for typed, seen in (
        ("overr\t", r"^obra> override"),
        ("task sh\t", r"^obra> task show"),
        ("run --max\t", r"^obra> run --max-iterations"),
        ("run hel\t", r"^obra> run hello.obra.yaml"),
        ("run --agent moc\t", r"^obra> run --agent mock"),
        ("task show \t", r"^obra> task show 1"),
        ("override esc\t", r"^obra> override escalate"),
    ):
        here.type(typed)
        here.see(seen)
        here.type("\x03")
        here.see(r"^obra>\s*\Z")


def test_lines_are_kept_for_the_next_session_without_their_secrets(terminal, tmp_path):
    """In a file that only its owner can read."""
    first = terminal()
    first.see(r"^obra>")
    first.do("config -o agent.local.api_key=sk-very-secret")
    first.see(r"api_key")
    first.do("project list")
    first.see(r"FOLDER|nothing is stored")
    first.see(r"obra>\s*\Z")
    assert first.leave() == 0
    file = tmp_path / ".local/state/obra/history"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "sk-very-secret" not in file.read_text()
    assert "agent.local.api_key=***" in file.read_text()
    second = terminal()
    second.see(r"^obra>")
    second.type("\x1b[A")
    second.see(r"^obra> project list")


def test_ctrl_c_clears_the_line_and_twice_it_stops_what_runs(terminal, slow, word, tmp_path):
    """It never leaves; what was stopped can be resumed."""
    here = terminal()
    here.see(r"^obra>")
    here.type("nonsense\x03")
    here.see(r"^obra>\s*\Z")
    here.do(f"run {slow}")
    here.see(r"agent +: turn 1")
    here.type("\x03")
    here.see(r"press Ctrl-C again to stop it")
    told = 1
    while "stopping what runs" not in here.text():
        if here.text().count("press Ctrl-C again") == told:  # a busy machine may take longer than the two seconds
            here.type("\x03")
            told += 1
        here.read()
    here.see(r"ended with exit code 130")
    assert alive(word) == []
    assert tasks(tmp_path) == [("interrupted", "stopped by a person")]


@pytest.mark.parametrize("how", ["closed", "Ctrl-D"])
def test_leaving_stops_what_runs_and_leaves_it_resumable(terminal, slow, word, tmp_path, how):
    """The terminal's window closed, or Ctrl-D: no process is left, and the task can be resumed."""
    here = terminal()
    here.see(r"^obra>")
    here.do(f"run {slow}")
    here.see(r"agent +: turn 1")
    ours = psutil.Process(here.process.pid)
    below = ours.children(recursive=True)
    if how == "closed":
        here.process.kill(signal.SIGHUP)
        assert here.end() == -signal.SIGHUP
    else:
        here.see(r"obra>\s*\Z")
        assert here.leave() == 0
    psutil.wait_procs([ours, *below], timeout=60)
    assert [one for one in below if one.is_running()] == []
    assert alive(word) == []
    assert [status for status, _ in tasks(tmp_path)] == ["interrupted"]


@pytest.mark.parametrize(
    "variables",
    [
        {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"NO_COLOR": "1"},
        {"TERM": "dumb"},
    ],
    ids=["ASCII", "no colour", "dumb"],
)
def test_every_terminal_shows_plain_words(terminal, write, variables):
    """No crash, no mojibake and, where it is not wanted, no colour."""
    name = write("odd.obra.yaml", "name: odd\ntask: {title: Schreib Grüße ✓}\nscript: [{say: Größe ✓}]\n").name
    here = terminal(size=(24, 80), **variables)
    here.see(r"obra>")
    here.do(f"run {name}")
    here.see(r"ended with exit code")
    assert "Ã" not in here.text()
    assert "Traceback" not in here.text()
    if "PYTHONUTF8" in variables:
        assert all(byte < 128 for byte in here.raw)
    if "NO_COLOR" in variables:
        assert not re.search(rb"\x1b\[[0-9;]*(3[0-7]|9[0-7])m", here.raw)


def test_another_size_while_it_runs(terminal, slow):
    """The prompt stays where it is, and usable, from large to small."""
    here = terminal(size=(40, 120))
    here.see(r"^obra>")
    here.do(f"run {slow}")
    here.see(r"agent +: turn 1(.*\n)*obra>\s*\Z")  # from now on nothing is painted, for either size
    here.screen.resize(24, 80)
    here.process.setwinsize(24, 80)
    here.do("runs")
    here.see(r"PROCESS +TASK +TITLE")
    here.see(r"Take your time")


def test_mistakes_are_told_and_the_prompt_stays(terminal):
    """Unknown verbs, wrong use, an error of ours, an open quote."""
    here = terminal()
    here.see(r"^obra>")
    for typed, seen in (
        ("tusk list", r"^obra> tusk list\nError: No such command 'tusk'; did you mean 'task'"),
        ("overide retry", r"did you mean 'override'"),
        ("tusk list\t", r"^obra> tusk list\nError: .*did you mean 'task'"),
        ("pause", r"no task is running here"),
        ("task show 99", r"no task has the id 99"),
        ("help", r"For the run under way"),
        ('say "it', r'^obra> say "it\n(.*\n)*Error: no task is running here'),
        ("pause --help", r"Let the run wait"),
    ):
        here.do(f"{typed}")
        here.see(seen)
    here.see(r"obra>\s*\Z")
    assert here.leave() == 0


def test_without_a_terminal_obra_alone_prints_its_help(obra):
    """And the interactive mode says what it needs."""
    assert "Commands" in obra().err
    refused = obra("interactive")
    assert refused.code == 2
    assert "needs a terminal" in refused.err


def test_lines_that_cannot_be_kept_are_told_once(terminal, tmp_path):
    """A file stands where the history would; the session goes on without one."""
    (tmp_path / "file").touch()
    here = terminal(XDG_STATE_HOME=str(tmp_path / "file"))
    here.see(r"lines are not kept for later: .*/file/obra/history: Not a directory")
    here.see(r"^obra>")
    here.do("quit")
    assert here.end() == 0
