"""What is printed: no control characters of others, colour only on terminals, JSON that can be read."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.cli.output import as_json, counted, first_line, number, printable, styled, table
from obra.domain import Project, Task, TaskStatus


@given(st.text())
def test_printable_text_has_no_control_characters(text):
    """Whatever comes in: newline and tab stay, all other controls are written out, the rest is unchanged."""
    shown = printable(text)
    assert not [char for char in shown if (ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160]
    if all(char.isprintable() for char in text):
        assert shown == text


def test_styled_text_is_coloured_but_for_no_color():
    """Our own colour passes; colour inside the text does not."""
    code = "from obra.cli.output import styled; print(repr(styled('a\\x1b[1m', 'red')))"
    for variables, shown in (({}, r"'\x1b[31ma\\x1b[1m\x1b[0m'"), ({"NO_COLOR": "1"}, r"'a\\x1b[1m'")):
        kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=kept | variables, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == shown


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colour_unless_no_color_is_set(tmp_path, variables, coloured):
    """On a real pseudo-terminal."""
    ours, theirs = pty.openpty()
    kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    done = subprocess.Popen(
        [sys.executable, "-m", "obra", "project", "list"],
        cwd=tmp_path,
        env={**kept, "TERM": "xterm", **variables},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    while b"FOLDER" not in shown:  # it may come in pieces; at the end of the program this raises
        shown += os.read(ours, 10_000)
    assert done.wait() == 0
    os.close(ours)
    assert b"FOLDER" in shown
    assert (b"\x1b[1m" in shown) is coloured


def test_a_table_has_one_line_for_each_row(capsys):
    """Newlines in a cell become blanks; columns stand below each other."""
    table(("ID", "TITLE"), [(1, "a\nb"), (22, "\x07")])
    assert capsys.readouterr().out == "ID  TITLE\n1   a b\n22  \\x07\n"


def test_records_become_json(capsys):
    """Enums, times, tuples and nested records."""
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    as_json([Project(id=1, name="\ud800", created_at=moment), Task(title="t", checks=({"file": "a"},))])
    first, second = json.loads(capsys.readouterr().out)
    assert (first["name"], first["created_at"]) == ("\ud800", "2026-01-02T00:00:00+00:00")
    assert (second["status"], second["checks"]) == (TaskStatus.PENDING, [{"file": "a"}])
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        as_json(object())


def test_small_words():
    """Numbers, counts and first lines as people read them."""
    assert (number(None), number(7)) == ("-", "7.0")
    assert (counted(1, "attempt"), counted(0, "attempt")) == ("1 attempt", "0 attempts")
    assert (first_line("\n\n  a \nb"), first_line(""), first_line("abcdef", 4)) == ("a", "", "abc…")
    assert styled("a") == "a"
