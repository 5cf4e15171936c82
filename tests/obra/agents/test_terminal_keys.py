"""What is typed into an interactive program, whatever stands in a prompt."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.agents.terminal_keys import is_same, pastes, prompt_text

PASTE = re.compile(rb"\x1b\[200~(.*?)\x1b\[201~", re.DOTALL)
PROMPTS = st.text(st.characters(), max_size=400) | st.text(st.sampled_from("ab \n\t\r\x1b[201~/!@漢\u2028\x9b"))


@given(PROMPTS)
def test_no_prompt_can_leave_its_paste(prompt):
    """All that is sent is pastes, none holds a control character but newline and tab, and together they are it."""
    text = prompt_text(prompt)
    sent = pastes(text)
    assert PASTE.sub(b"", sent) == b""
    found = b"".join(PASTE.findall(sent)).decode()
    assert found == text
    assert not {letter for letter in found if (letter < " " and letter not in "\n\t") or "\x7f" <= letter < "\xa0"}


@given(PROMPTS)
def test_what_is_typed_is_the_same_as_what_is_heard(prompt):
    """White space that the program changes does not make it another prompt."""
    text = prompt_text(prompt)
    assert is_same(text, text.strip().replace("\t", "    "))


@pytest.mark.parametrize("prompt", ["/help", "!ls", "#note", "&x", "@file", "<task-notification>", "  /help"])
def test_a_prompt_never_begins_as_a_command(prompt):
    """The sign that would open a command or a mode is not the first one."""
    text = prompt_text(prompt)
    assert text.startswith("Prompt:\n")
    assert text.strip().endswith(prompt.strip())


def test_each_paste_stays_below_what_becomes_a_placeholder():
    """Few lines and few characters each, lines longer than that are cut, and nothing is lost."""
    text = "\n".join(["short"] * 30 + ["x" * 3000] + ["short"] * 30)
    pieces = [piece.decode() for piece in PASTE.findall(pastes(text))]
    assert "".join(pieces) == text
    assert max(piece.count("\n") for piece in pieces) <= 2
    assert max(map(len, pieces)) <= 400


def test_a_very_long_prompt_is_one_paste_that_is_owned():
    """Beyond some hundred pieces it is pasted whole, and what is heard, with the program's marks, is the same."""
    text = prompt_text("line\n" * 5000)
    foreword, body = (piece.decode() for piece in PASTE.findall(pastes(text)))
    assert body == text
    heard = f'{foreword}\n\n<pasted_content id="0a1b">\n{body}\n</pasted_content id="0a1b">\n'
    assert is_same(text, heard)


@pytest.mark.parametrize("heard", ["", "rm -rf /", "say hell", "say hello hello"])
def test_another_prompt_is_another_prompt(heard):
    """Something missing, more or else is noticed."""
    assert not is_same("say hello", heard)
