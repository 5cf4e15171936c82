"""Endings that nobody foresaw, and the log that tells of them."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest

from obra.cli.failures import exit_code_of
from obra.redaction import without_secrets

BROKEN = """
class Broken:
    identity = "broken"
    def initialize(self, config): self.seen = config
    def is_healthy(self): return True
    def send_prompt(self, prompt, *, limits=None, on_event=None):
        raise ZeroDivisionError("with geheim-4711 and geheim-0815 at https://me:word@host/x")
    def cleanup(self): pass
"""


@pytest.fixture
def broken(obra, write, hello):
    """Run a scenario with an agent that breaks in a way that is none of ours."""
    write("broken.py", BROKEN)

    def run(*more, **variables):
        return obra("run", hello, "--agent", "broken:Broken", *more, MY_TOKEN="geheim-0815", **variables)

    return run


def test_the_unexpected_exits_3_with_one_line_and_a_log_without_secrets(obra, broken, tmp_path):
    """The log has traceback, versions and arguments, only its owner can read it, and no secret is in it."""
    ended = broken("-o", "agent.local.api_key=geheim-4711")
    assert ended.code == 3
    match = re.fullmatch(
        r"Unexpected: ZeroDivisionError: with \*\*\* and \*\*\* at https://\*\*\*@host/x; "
        r"all of it stands in (\S+/\.obra/error-\S+\.log); please report it with that file\n",
        ended.err,
    )
    assert match, ended.err
    log = Path(match[1])
    assert log.parent == tmp_path / ".obra"
    text = log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    for part in ("obra       0.1.0", "Python     3.", "'agent.local.api_key=***'", "Traceback", "broken.py"):
        assert part in text
    for secret in ("geheim", "me:word"):
        assert secret not in text
    assert "task 1 is stored as failed; go on with: obra run --task 1 --agent broken:Broken" in text
    task = obra("task", "list", "--json").data[0]
    assert task["status"] == "failed"
    assert task["status_reason"].startswith("unexpected ZeroDivisionError: ")


def test_the_log_goes_to_the_temporary_folder_when_here_is_no_place(broken, tmp_path):
    """`.obra` is a file here."""
    (tmp_path / ".obra").write_text("")
    (tmp_path / "temporary").mkdir()
    elsewhere = ("database.url=sqlite:///db", "workspace.root=w", "workspace.store=s.git")
    options = [word for one in elsewhere for word in ("-o", one)]
    ended = broken(*options, TMPDIR=str(tmp_path / "temporary"))
    assert ended.code == 3
    found = re.search(r"stands in (\S+\.log);", ended.err)
    assert found
    assert Path(found[1]).parent == tmp_path / "temporary"
    assert "Traceback" in Path(found[1]).read_text()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("agent.local.api_key=abc", "agent.local.api_key=***"),
        ("--token=abc=def", "--token=***"),
        ("X_PASSWORD=a\nb", "X_PASSWORD=***"),
        ("database.url=postgresql://me:word@host/db", "database.url=postgresql://***@host/db"),
        ("llm.model=qwen", "llm.model=qwen"),
        ("scenarios/key.obra.yaml", "scenarios/key.obra.yaml"),
        ("a=b, key: c", "a=b, key: c"),
    ],
)
def test_secrets_in_arguments_are_starred(given, shown):
    """By the name in front of the first =, and by the login in an address."""
    assert without_secrets(given) == shown


def test_ctrl_c_before_anything_began(capsys):
    """130, whether Python or click tells of it; and no claim about work."""

    def stop():
        raise KeyboardInterrupt

    def aborted():
        raise click.Abort

    assert exit_code_of(stop, []) == 130
    assert exit_code_of(aborted, []) == 130
    assert capsys.readouterr().err == "Interrupted: nothing was under way\n" * 2


def test_a_command_without_an_exit_code_exits_0():
    """And with one, it is that one."""
    assert exit_code_of(lambda: None, []) == 0
    assert exit_code_of(lambda: 1, []) == 1


def test_when_not_even_a_log_can_be_written_the_line_still_comes(tmp_path):
    """No place here, no place for temporary files: exit 3 and the reason, no traceback."""
    code = (
        "import sys, tempfile; from obra.cli.failures import exit_code_of\n"
        "def fail(): raise ValueError('odd')\n"
        "tempfile.tempdir = 'nowhere'\n"
        "sys.exit(exit_code_of(fail, []))"
    )
    (tmp_path / ".obra").write_text("")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("Unexpected: ValueError: odd; and no log could be written: ")
    assert "Traceback" not in done.stderr
