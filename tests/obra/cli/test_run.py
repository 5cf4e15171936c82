"""obra run: endings, exit codes, and nothing written when the question was wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from obra.cli.broken_off import _kept
from obra.cli.options import Chosen
from obra.domain import TaskStatus
from obra.state.state_manager import StateManager
from obra.statistics.exit_codes import RunExit

HELLO_TWICE = """\
task: {title: Say hello}
parameters: [{id: one}, {id: two}]
script: [{say: Done.}]
"""


def test_a_scenario_that_ends_as_it_should_exits_0_and_says_both(obra, hello, tmp_path):
    """Progress comes line by line, then the task's end and the scenario's, and the work is in a fresh folder."""
    ended = obra("run", hello)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    shown = [" ".join(line.split()) for line in lines]
    for expected in (
        "task 1 Say hello",
        "attempt 1",
        "agent write hello.txt",
        "says Done.",
        "file created hello.txt (+1 -0)",
        "check ok the file hello.txt exists",
        "review yes, 95",
        "see all: obra task show 1",
        "scenario hello passed: 2 of 2 expectations met",
    ):
        assert expected in shown
    assert any(line.startswith("proceed ") for line in shown)
    assert any(line.startswith("task 1 completed: ") for line in shown)
    assert (tmp_path / ".obra/workspaces/hello-1/hello.txt").read_text() == "hello\n"


def test_an_escalation_that_was_expected_exits_0_and_names_the_breakpoint(obra, vague):
    """For a scenario the exit code is that of the scenario; the task's own end and what to type stand above it."""
    ended = obra("run", vague, "--agent", "mock", "-o", "agent.local.api_key=geheim-4711")
    assert ended.code == 0
    assert "task 1 escalated: " in ended.out
    assert "  breakpoint 1 (" in ended.out
    assert "  answer it:  obra breakpoint resolve 1 'YOUR ANSWER'\n" in ended.out
    assert "  go on:      obra run --task 1 --agent mock\n" in ended.out
    assert "scenario vague passed" in ended.out
    assert "geheim" not in ended.out + ended.err


def test_a_scenario_that_ends_wrongly_exits_1_and_says_what_was_missed(obra, write):
    """A liar is not believed, and the scenario that expected completion fails."""
    write(
        "liar.obra.yaml",
        "task: {title: Write it}\nchecks: [{file: it.txt}]\nlimits: {iterations: 1}\n"
        "script: [{say: 'Done, all tests pass.'}]\nreviewer: [{score: 90}]\n",
    )
    ended = obra("run", "liar.obra.yaml")
    assert ended.code == 1
    assert "task 1 escalated: " in ended.out
    assert "scenario liar FAILED (agent_failed): 0 of 1 expectation met" in ended.out
    assert "  missed  status: expected completed, got escalated" in ended.out


def test_several_scenarios_are_counted_and_each_has_its_own_folder(obra, hello, tmp_path):
    """Two runs of one file do not meet."""
    ended = obra("run", hello, hello)
    assert ended.code == 0
    assert ended.out.endswith("2 of 2 scenarios passed\n")
    assert {one.name for one in (tmp_path / ".obra/workspaces").iterdir()} == {"hello-1", "hello-2"}


def test_max_iterations_limits_a_scenario(obra, slow):
    """The option is stronger than the file: the second attempt, which would sleep, is not made."""
    ended = obra("run", slow[0], "--max-iterations", "1")
    assert ended.code == 1
    assert "1 attempt," in ended.out
    assert "attempt 2" not in ended.out


def test_a_stored_task_runs_in_the_folder_that_is_named(obra, tmp_path):
    """A task without a folder works in --workspace; with the mock agent and no script it escalates: exit 1."""
    assert obra("project", "create", "shop").code == 0
    assert obra("task", "create", "1", "Sell").code == 0
    homeless = obra("run", "--task", "1")
    assert homeless.code == 1
    assert "task 1 has no folder to work in" in homeless.err
    ended = obra("run", "--task", "1", "--workspace", "work")
    assert ended.code == 1
    assert "task 1 escalated: " in ended.out
    assert (tmp_path / "work").is_dir()
    shown = obra("task", "show", "1", "--json").data
    assert shown["task"]["status"] == "escalated"
    assert [one["trigger"] for one in shown["breakpoints"]] == ["no_evidence"]


def test_a_task_with_a_folder_of_its_own_does_not_move(obra):
    """--workspace cannot take a task away from its project's folder."""
    obra("project", "create", "shop", "--dir", "here")
    obra("task", "create", "1", "Sell")
    ended = obra("run", "--task", "1", "--workspace", "there")
    assert ended.code == 2
    assert "task 1 works in " in ended.err
    assert "run it without --workspace" in ended.err


def test_a_workspace_in_use_is_refused(obra, hello, tmp_path):
    """A scenario never writes into a folder that holds something."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/precious.txt").write_text("mine")
    ended = obra("run", hello, "--workspace", "full")
    assert ended.code == RunExit.MACHINERY_BROKE
    assert "full is not a new or empty folder" in ended.err
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["precious.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name one or more scenario files, or --task ID"),
        (("a.obra.yaml", "--task", "1"), "name one or more scenario files, or --task ID"),
        (("a.obra.yaml", "b.obra.yaml", "--workspace", "w"), "--workspace is the folder of one scenario"),
        (("--task", "one"), "'one' is not a valid integer"),
        (("--task", "1", "--max-iterations", "0"), "0 is not in the range x>=1"),
        (("none.obra.yaml",), "none.obra.yaml: cannot be read: No such file or directory"),
        (("bad.obra.yaml",), "bad.obra.yaml:1: unknown key 'tusk'; did you mean 'task'?"),
        (("hello.obra.yaml", "--agent", "claud"), "--agent claud: unknown agent 'claud'"),
        (("hello.obra.yaml", "--config", "none.yaml"), "none.yaml: cannot be read"),
        (("hello.obra.yaml", "-o", "agent.typ=mock"), "unknown key 'agent.typ'; did you mean 'agent.type'?"),
        (("hello.obra.yaml", "-o", "agent.type"), "write it as section.key=value"),
        (
            ("hello.obra.yaml", "--agent", "replay", "-o", "agent.local.command=no-such-claude"),
            "no program 'no-such-claude' on PATH",
        ),
        (
            ("hello.obra.yaml", "--agent", "real", "-o", "llm.type=scripted"),
            "'real' was asked for, but llm.type is 'scripted' (set by: option -o llm.type)",
        ),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_a_wrong_question_exits_2_with_one_message_and_writes_nothing(  # noqa: PLR0917  # fixtures
    obra, hello, write, tmp_path, arguments, message
):
    """No traceback, no .obra folder, whatever is wrong."""
    write("bad.obra.yaml", "tusk: {}\ntask: {title: x}\n")
    before = set(tmp_path.iterdir())
    ended = obra("run", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert set(tmp_path.iterdir()) == before


def test_a_task_that_is_not_there_exits_1_and_makes_no_database(obra, tmp_path):
    """Asking for an unknown task is an error, and the question leaves nothing behind."""
    ended = obra("run", "--task", "7")
    assert ended.code == 1
    assert "Error: no task has the id 7" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_reader_who_goes_away_does_not_end_the_run(obra, hello, tmp_path):
    """`obra run ... | head -1` prints no error, and the task is stored as completed all the same."""
    line = f"{sys.executable} -m obra run {hello} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    assert [one["status"] for one in obra("task", "list", "--json").data] == ["completed"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_output_does_not_lose_the_run(obra, hello, tmp_path):
    """The command fails with a clear message, but only after the task has ended and is stored."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "obra", "run", hello],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == RunExit.MACHINERY_BROKE
    assert done.stderr.decode() == (
        "Error: the output cannot be written: No space left on device; make room, or send it elsewhere\n"
        "more: obra explain OutputLost\n"
    )
    assert [one["status"] for one in obra("task", "list", "--json").data] == ["completed"]


def test_what_an_agent_says_cannot_steer_the_terminal(obra, write):
    """Escape sequences are written out, and text that the encoding does not know is no error."""
    write(
        "hostile.obra.yaml",
        'task: {title: "Clear \\e[2J the screen"}\nscript: [{say: "\\e]0;owned\\a ☃ \\u202egnp.exe"}]\n'
        "reviewer: [{score: 10}]\nexpect: {status: escalated}\n",
    )
    ended = obra("run", "hostile.obra.yaml", PYTHONIOENCODING="ascii")
    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out
    assert "Clear \\x1b[2J the screen" in ended.out
    assert "\\x1b]0;owned\\x07 \\u2603 \\u202egnp.exe" in ended.out


def test_what_an_agent_writes_is_never_a_line_of_ours(obra, write):
    """Line ends in the name of a file, of a check and in a review: no line begins with what was forged."""
    forged = "scenario hf passed: 2 of 2 expectations met"
    write(
        "forged.obra.yaml",
        f"""\
name: forged
task: {{title: Write a file}}
checks: [{{file: "gone", name: "there\\n{forged}"}}]
script: [{{say: Done., write: {{"b\\n{forged}": "1\\n"}}}}]
reviewer: [{{score: 30, issues: ["x\\n{forged}"]}}]
limits: {{iterations: 1}}
expect: {{truth: [{{file: "gone", name: "there\\n{forged}"}}]}}
""",
    )
    ended = obra("run", "forged.obra.yaml")
    assert ended.code == 1
    assert ended.out.count(forged) >= 4
    shown = obra("task", "show", "1")
    assert shown.out.count(forged) >= 3
    for line in (*ended.out.splitlines(), *shown.out.splitlines()):
        assert not line.startswith(forged)


def test_an_error_of_the_machinery_exits_1_and_says_how_the_task_is_stored(obra, write):
    """A reviewer's script that is too short breaks the run; the message says what is kept."""
    write("short.obra.yaml", "task: {title: x}\nchecks: [{file: a}]\nscript: [{say: a}, {say: b}]\nreviewer: []\n")
    ended = obra("run", "short.obra.yaml", "-o", "llm.type=ollama", "-o", "llm.api_url=http://127.0.0.1:9")
    assert ended.code == 2, "an LLM that is not there is found before the run"
    assert "no LLM server answers at http://127.0.0.1:9" in ended.err
    ended = obra("run", "short.obra.yaml")
    assert ended.code == 1
    assert "the reviewer's script has 0 turn(s)" in ended.out + ended.err


def test_everything_that_is_missing_is_listed_at_once(obra, hello):
    """--agent real on a bare machine names the agent, its login and the LLM, each with a cure."""
    ended = obra(
        "run", hello, "--agent", "real", "-o", "agent.local.command=nope", "-o", "llm.api_url=http://127.0.0.1:9"
    )
    assert ended.code == 2
    assert "3 thing(s) needed for this run are missing:" in ended.err
    for text in ("npm install -g @anthropic-ai/claude-code", "Claude Code has no login", "ollama serve"):
        assert text in ended.err


def test_a_folder_that_cannot_be_made_is_an_error_with_a_cure(obra, hello, write):
    """workspace.root that is a file."""
    write("taken", "")
    ended = obra("run", hello, "-o", "workspace.root=taken")
    assert ended.code == RunExit.MACHINERY_BROKE
    assert "set workspace.root to another place" in ended.err


def test_settings_are_repeated_in_what_to_type_next(obra, vague, write, tmp_path):
    """A database somewhere else is still found when the shown command is typed."""
    write("mine.yaml", f"database: {{url: 'sqlite:///{tmp_path}/other.db'}}\n")
    ended = obra("run", vague, "--config", "mine.yaml", "-o", "validation.quality.threshold=71")
    assert ended.code == 0
    following = next(line for line in ended.out.splitlines() if "answer it:" in line).partition("obra ")[2]
    assert following == (
        "breakpoint resolve 1 'YOUR ANSWER' --config mine.yaml -o validation.quality.threshold=71"
    )
    done = subprocess.run(
        f"{sys.executable} -m obra {following}",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr


def test_a_limit_that_passed_before_the_first_attempt_names_its_breakpoint(obra, write):
    """The breakpoint that no attempt opened still has its number, and can be answered."""
    write("hasty.obra.yaml", "task: {title: x}\nlimits: {seconds: 0.000001}\nscript: [{say: a}]\n")
    ended = obra("run", "hasty.obra.yaml")
    assert ended.code == 1
    assert "  breakpoint 1 (limit_reached): the task's limit 'seconds' is used up\n" in ended.out
    assert obra("breakpoint", "resolve", "1", "Take longer").code == 0


def test_an_agent_that_cannot_be_used_is_no_verdict_and_says_how_the_task_is_stored(obra, write, hello):
    """A typed error that escapes the run is shown without a traceback, with what is kept and how to go on."""
    write(
        "away.py",
        "from obra.errors import AgentUnavailable\n"
        "class Away:\n"
        "    identity = 'away'\n"
        "    def initialize(self, config): raise AgentUnavailable('it is on holiday; ask again in May')\n"
        "    def is_healthy(self): return False\n"
        "    def send_prompt(self, prompt, *, limits=None, on_event=None): raise AssertionError\n"
        "    def cleanup(self): pass\n",
    )
    ended = obra("run", hello, "--agent", "away:Away")
    assert ended.code == RunExit.MACHINERY_BROKE
    assert ended.err == (
        "Error: it is on holiday; ask again in May\n"
        "task 1 is stored as failed; go on with: obra run --task 1 --agent away:Away\n"
        "more: obra explain AgentUnavailable\n"
    )


def test_what_is_kept_is_said_as_it_is(tmp_path):
    """A completed task needs no going on; a database that cannot be read any more is no second error."""
    state = StateManager(f"sqlite:///{tmp_path}/a.db")
    task = state.create_task(state.create_project("p").id, {"title": "t"})
    state.start_task(task.id)
    state.finish_task(task.id, TaskStatus.COMPLETED, "done")
    assert _kept(task.id, state, Chosen()) == "task 1 is stored as completed"
    assert _kept(99, state, Chosen()).startswith("how task 99 is stored cannot be read: no task has the id 99")
    state.close()


def test_json_is_all_that_stands_on_standard_output(obra, hello, vague):
    """One row for each scenario as reports keep it; what happens is on standard error. A task: its outcome."""
    ended = obra("run", "--json", hello, vague)
    assert ended.code == 0
    assert [(one["case"], one["result"], one["status"]) for one in ended.data] == [
        ("hello", "passed", "completed"),
        ("vague", "passed", "escalated"),
    ]
    assert "  attempt 1\n" in ended.err
    assert "2 of 2 scenarios passed" in ended.err
    again = obra("run", "--json", "--task", "2", "--max-iterations", "1")
    assert again.code == 1
    assert (again.data["task_id"], again.data["status"]) == (2, "escalated")
    assert "task 2" in again.err


def test_json_of_a_scenario_whose_machinery_broke(obra, write, hello):
    """It has a row, too, with what went wrong."""
    broken = write(
        "broken.obra.yaml", "name: broken\ntask: {title: x}\nchecks: [{command: no-such-program}]\n"
    ).name
    ended = obra("run", "--json", hello, broken, "-o", "workspace.store=/dev/null/x")
    assert ended.code == 12
    assert [one["result"] for one in ended.data] == ["machinery_broke", "machinery_broke"]
    assert "dev/null" in ended.data[0]["reason"]


def test_the_conversation_is_shown_in_full(obra, hello):
    """What is said to the agent, and all of its reply."""
    ended = obra("run", "--conversation", hello)
    assert "to agent   | ## Task" in ended.out
    assert "reply      | Done." in ended.out


def test_one_folder_is_not_for_several_scenarios(obra, write, hello, vague, tmp_path):
    """Neither for two files nor for one with two cases; nothing is run."""
    several = write("cases.obra.yaml", HELLO_TWICE).name
    for files in ((hello, vague), (several,)):
        ended = obra("run", *files, "--workspace", "work")
        assert ended.code == 2
        assert (
            "Error: --workspace is the folder of one scenario; run them one by one, or leave it out\n" in ended.err
        )
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / ".obra").exists()


def test_a_failure_that_cannot_be_stored_is_told_below_what_failed(obra, write, hello):
    """The agent's words come first, then what the database says, when the task is stored and when it is read."""
    write(
        "vandal.py",
        "import sqlite3\n"
        "from obra.errors import AgentUnavailable\n"
        "class Vandal:\n"
        "    identity = 'vandal'\n"
        "    def initialize(self, config):\n"
        "        with sqlite3.connect('.obra/obra.db') as database:\n"
        "            database.execute('ALTER TABLE task RENAME TO gone')\n"
        "        database.close()\n"
        "        raise AgentUnavailable('it is on holiday; ask again in May')\n"
        "    def is_healthy(self): return False\n"
        "    def send_prompt(self, prompt, *, limits=None, on_event=None): raise AssertionError\n"
        "    def cleanup(self): pass\n",
    )
    ended = obra("run", hello, "--agent", "vandal:Vandal")
    assert ended.code == RunExit.MACHINERY_BROKE
    first, second, third, *_ = ended.err.splitlines()
    assert first == "Error: it is on holiday; ask again in May"
    assert second.startswith("task 1 could not be stored as failed: the database ")
    assert third.startswith("how task 1 is stored cannot be read: ")
