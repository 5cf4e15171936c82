"""obra completion, and colours."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from real_terminal import Terminal

from obra import StateManager
from obra.cli.completion import HELP

TYPED = (
    ("obra ta", r"^> obra task"),
    ("obra run scen", r"^> obra run scenarios/"),
    ("obra run --agent=replay:co", r"^> obra run --agent=replay:codex"),
    ("obra run --config=scenarios/he", r"^> obra run --config=scenarios/hello.obra.yaml"),
    ("obra run -o agent.ty", r"^> obra run -o agent.type="),
    ("obra run --task 41", r"^> obra run --task 417"),
)
"""What is typed before TAB, and the line that is to be seen then."""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(obra, shell):
    """It asks the command itself for the words."""
    ended = obra("completion", shell)
    assert ended.code == 0
    assert f"_OBRA_COMPLETE={shell}_complete" in ended.out


@pytest.fixture
def place(tmp_path):
    """A folder with a scenario, and with a task whose id begins with 41."""
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "hello.obra.yaml").touch()
    (tmp_path / ".obra").mkdir()
    with StateManager(f"sqlite:///{tmp_path}/.obra/obra.db") as state:
        project = state.create_project(name="p", working_dir=str(tmp_path))
        state.create_task(project_id=project.id, task_data={"title": "Say: hello, world"})
    with sqlite3.connect(tmp_path / ".obra" / "obra.db") as database:
        database.execute("UPDATE task SET id = 417")
    database.close()
    return tmp_path


def typed_into(shell: str, folder: Path) -> Terminal:
    """A shell into which the lines of the help were pasted before, at its prompt."""
    program, command = shutil.which(shell), Path(sys.executable).with_name("obra")
    if not program:
        pytest.skip(f"{shell} is not installed")
    if not command.exists():
        pytest.skip("obra is not installed as a command beside this Python")
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    lines = re.search(rf"^{shell}:\n((?:  .+\n)+)", HELP, re.MULTILINE)[1]
    subprocess.run([program, "-c", lines], cwd=folder, env=variables, check=True)
    prompt = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}[shell]
    with (folder / prompt).open("a") as file:
        file.write("function fish_prompt; printf '> '; end\n" if shell == "fish" else "PS1='> '\n")
    here = Terminal(folder, variables=variables, program=[program, "-i"])
    here.see(r"^>\s*\Z")
    return here


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_what_is_typed(shell, place):
    """In the real shell, with the lines of the help: verbs, options, values, files and ids."""
    here = typed_into(shell, place)
    try:
        for typed, seen in TYPED:
            here.type(f"{typed}\t")
            here.see(rf"{seen}\s*\Z")
            here.type("\x15")  # Ctrl-U
            here.see(r"^>\s*\Z")
        here.type("obra nosuch \tx")
        here.see(r"^> obra nosuch x\s*\Z")  # what is wrong with the line is not told in the middle of it
        if shell != "bash":  # which shows no descriptions
            here.type("\x15obra in\t")
            here.see(r"Make a folder a project: settings, a first scenario, a CI job\.")
    finally:
        here.close()


@pytest.mark.parametrize(
    ("line", "word", "told"),
    [
        ("obra config agent.local.com", "agent.local.com", ["agent.local.command"]),
        ("obra config agent.lo", "agent.lo", ["agent.local"]),
        ("obra explain agentt", "agentt", ["AgentTimeout"]),
        ("obra report la", "la", ["last"]),
        ("obra report 2026", "2026", ["20261122-141500-ab12cd"]),
        ("obra run --agent=replay:c", "c", ["codex"]),
        ('obra run --agent "replay:co', "replay:co", ["replay:codex"]),
        ("obra task list --status=es", "es", ["escalated"]),
    ],
)
def test_names_are_completed(obra, tmp_path, line, word, told):
    """Settings, errors, runs and choices; what bash takes for words of their own is left out."""
    run = tmp_path / "reports" / "20261122-141500-ab12cd"
    run.mkdir(parents=True)
    (run / "results.jsonl").touch()
    ended = obra(COMP_LINE=line, COMP_WORD=word, _OBRA_COMPLETE="bash_complete")
    assert [one.partition(",")[2] for one in ended.out.splitlines()] == told


def test_another_shell_is_refused(obra):
    """The three that there are stand in the message."""
    ended = obra("completion", "tcsh")
    assert ended.code == 2
    assert "'bash', 'zsh', 'fish'" in ended.err


def on_a_terminal(folder: Path, *words: str, **variables: str) -> str:
    """What obra prints on a real terminal."""
    pexpect = pytest.importorskip("pexpect")
    kept = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "obra", *words],
        cwd=str(folder),
        env={**kept, "TERM": "xterm", **variables},
        timeout=200,
    )
    printed = child.read().decode()
    child.close()
    return printed


def test_colours_only_on_a_terminal_and_never_where_they_are_not_wanted(obra, tmp_path):
    """On a terminal there are; not with --no-color at either place, NO_COLOR or TERM=dumb, and not in a pipe."""
    assert "\x1b[" in on_a_terminal(tmp_path, "doctor")
    assert "\x1b[" not in on_a_terminal(tmp_path, "--no-color", "doctor")
    assert "\x1b[" not in on_a_terminal(tmp_path, "doctor", "--no-color")
    assert "\x1b[" not in on_a_terminal(tmp_path, "doctor", NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(tmp_path, "doctor", TERM="dumb")
    assert "\x1b[" not in obra("doctor").out
