import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.reports.quoting import fenced, html_line, inline, visible

HOSTILE = st.text(alphabet=st.sampled_from(list("`|<>&\\*_[]~#-+=1.)\n\r\t $!a\x1b\u2028")), max_size=60)


@given(HOSTILE | st.text())
def test_inline_text_is_one_line_without_live_markup(text):
    """Every character that could open a tag, a cell, a link, a fence or emphasis is escaped."""
    shown = inline(text)

    assert len(shown.splitlines()) <= 1
    assert "<" not in shown
    assert ">" not in shown
    bare = re.sub(r"\\[\\`*_\[\]|~$#+=.)-]", "", shown)
    assert not re.search(r"[\\`*_\[\]|~]", bare)
    assert not re.match(r"[#+=-]|\d+[.)](\s|$)", shown)


@given(HOSTILE)
def test_a_fence_is_closed_by_its_own_last_line_only(text):
    """No line of the text is as long a row of backticks as the fence."""
    lines = fenced(text, "diff").splitlines()
    fence = lines[-1]

    assert set(fence) == {"`"}
    assert lines[0] == f"{fence}diff"
    assert not any(fence in line for line in lines[1:-1])


def test_fenced_text_is_kept_as_it_is():
    """Tabs, indentation and blank lines between stay; line ends become those of the page."""
    assert fenced("\n  a\r\n\r\tb | <b>\n\n") == "```text\n  a\n\n\tb | <b>\n```\n"
    assert fenced("x ```` y").startswith("`````text\n")


def test_what_is_shown_keeps_its_words():
    """Plain sentences are not disturbed, and long ones say that they go on."""
    assert inline("expected exit 0, got 1 (see above)") == "expected exit 0, got 1 (see above)"
    assert inline("abcdef", longest=3) == "abc \\[...\\]"
    assert inline("3.11.2") == "3.11.2"
    assert inline("1. first") == "1\\. first"
    assert inline("# not a title") == "\\# not a title"
    assert html_line('a <b> & "c"\n d') == "a &lt;b&gt; &amp; &quot;c&quot; d"


def test_control_characters_are_shown_and_not_obeyed():
    """An escape sequence that would clear the screen is text; tab and line end stay."""
    assert visible("a\x1b[2Jb\tc\nd\x00\x9b") == "a\ufffd[2Jb\tc\nd\ufffd\ufffd"


@pytest.mark.parametrize("mark", "\u061c\u200e\u200f\u202a\u202e\u2066\u2069")
def test_text_is_not_turned_around(mark):
    """A mark that makes what follows read from the other side is shown in each form of Markdown."""
    for text in (visible(mark), inline(f"a{mark}b"), html_line(mark), fenced(mark)):
        assert mark not in text
        assert "\ufffd" in text


@given(st.text(alphabet=st.sampled_from(list("aZ09 .,:;()/%'_-#\n")), max_size=30))
def test_plain_words_are_shown_as_any_other_text_is(text):
    """What is taken for plain at first sight comes out as the long way makes it, which a line end demands."""
    assert inline(text) == inline(f"{text}\n")
