"""obra completion, and colours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASH = """
source "$1"
COMP_WORDS=(obra ta) COMP_CWORD=1
_obra_completion obra
printf '%s\\n' "${COMPREPLY[@]}"
COMPREPLY=() COMP_WORDS=(obra task list --sta) COMP_CWORD=3
_obra_completion obra
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(obra, shell):
    """It asks the command itself for the words."""
    ended = obra("completion", shell)
    assert ended.code == 0
    assert f"_OBRA_COMPLETE={shell}_complete" in ended.out


def test_bash_completes_verbs_and_options(obra, tmp_path):
    """In a real bash, with the script that was printed and the installed command."""
    bash, command = shutil.which("bash"), Path(sys.executable).with_name("obra")
    if not bash or not command.exists():
        pytest.skip("no bash, or obra is not installed as a command beside this Python")
    (tmp_path / "script").write_text(obra("completion", "bash").out)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "--norc", "-c", BASH, "bash", "./script"], cwd=tmp_path, env={"PATH": path, "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["task", "--status"]


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
        sys.executable, ["-m", "obra", *words], cwd=str(folder), env={**kept, "TERM": "xterm", **variables}
    )
    printed = child.read().decode()
    child.close()
    return printed


def test_colours_only_on_a_terminal_and_never_where_they_are_not_wanted(obra, tmp_path):
    """On a terminal there are; not with --no-color at either place, not with NO_COLOR, not in a pipe."""
    assert "\x1b[" in on_a_terminal(tmp_path, "doctor")
    assert "\x1b[" not in on_a_terminal(tmp_path, "--no-color", "doctor")
    assert "\x1b[" not in on_a_terminal(tmp_path, "doctor", "--no-color")
    assert "\x1b[" not in on_a_terminal(tmp_path, "doctor", NO_COLOR="1")
    assert "\x1b[" not in obra("doctor").out
