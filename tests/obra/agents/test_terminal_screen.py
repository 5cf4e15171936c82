"""What a screen means: drawn by the emulator from bytes, in any width, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.agents.terminal_screen import TerminalScreen

RULE = "─" * 60
MARK = "\u276f"
BOX = [RULE, f"{MARK} ", RULE, "  accept edits on (shift+tab to cycle)"]
QUESTION = ["Do you want to create a.txt?", f" {MARK} 1. Yes", "   2. Yes, and always allow it", "   3. No"]
TRUST = [
    "Is this a project you trust?",
    "",
    f" {MARK} No, exit",
    "   Yes, I trust this folder",
    "",
    "Enter to confirm",
]


def drawn(*lines: str, rows: int = 30, columns: int = 100) -> TerminalScreen:
    """A screen with these lines on it."""
    screen = TerminalScreen(rows, columns)
    screen.feed("\r\n".join(lines).encode())
    return screen


def test_a_box_between_rules_takes_input_and_is_idle():
    """The box alone is enough, empty or with a hint or text in it."""
    assert drawn("hello", *BOX).is_idle
    assert drawn(RULE, f"{MARK} Try to fix it", RULE, "footer").is_idle
    assert drawn("─── ↑ 11 more " + RULE, "  the end of a long prompt", RULE).takes_input


@pytest.mark.parametrize(
    "lines",
    [["Loading"], [RULE, "text", RULE], [RULE, f"{MARK} "], [f"{MARK} earlier prompt", "● Done."], [], QUESTION],
)
def test_what_is_no_box_takes_no_input(lines):
    """Half-drawn, other text between rules, an earlier prompt, nothing, or a dialog."""
    assert not drawn(*lines).takes_input


def test_a_program_that_works_takes_input_but_is_not_idle():
    """The hint how to interrupt it says that it works."""
    screen = drawn("● Thinking…", *BOX[:3], "  accept edits on · esc to interrupt")
    assert (screen.takes_input, screen.is_idle) == (True, False)


def test_a_numbered_dialog_is_read_with_its_mark():
    """Question, answers in order, and which one is marked."""
    dialog = drawn(RULE, *QUESTION, "Esc to cancel").dialog()
    assert dialog is not None
    assert dialog.text == "Do you want to create a.txt?"
    assert [option.text for option in dialog.options] == ["Yes", "Yes, and always allow it", "No"]
    assert dialog.chosen.number == 1
    assert dialog.find("No").number == 3
    assert dialog.find("Perhaps") is None


def test_a_dialog_without_numbers_is_read_too():
    """The lines that begin where the marked one does are its answers."""
    dialog = drawn(RULE, *TRUST).dialog()
    assert dialog is not None
    assert [(option.text, option.is_chosen) for option in dialog.options] == [
        ("No, exit", True),
        ("Yes, I trust this folder", False),
    ]


def test_text_that_looks_like_a_dialog_above_the_box_is_none():
    """What the agent says can show a list with a mark; the box stands below it."""
    screen = drawn("● You may choose:", *QUESTION[1:], *BOX)
    assert screen.dialog() is None
    assert screen.is_idle


def test_the_last_lines_leave_out_rules_and_empty_lines():
    """They are for people who read an error."""
    assert drawn("a", "", RULE, "b", RULE).last_lines() == "a\nb"


@given(st.lists(st.integers(1, 40), max_size=12))
def test_the_screen_is_the_same_however_the_bytes_are_cut(cuts):
    """Sequences and letters of several bytes may arrive in halves."""
    text = "\x1b[>1u\x1b[?25l\x1b[2J\x1b[H\x1b[1mbold ünïcode 漢字\x1b[0m\r\n\x1b[<u\x1b[=0;1u" + "\r\n".join(BOX)
    data = text.encode()
    whole, pieces = TerminalScreen(), TerminalScreen()
    whole.feed(data)
    for size in cuts:
        pieces.feed(data[:size])
        data = data[size:]
    pieces.feed(data)
    assert pieces.lines == whole.lines
    assert whole.lines[0] == "bold ünïcode 漢字"


SEQUENCES = st.builds(
    "\x1b[{}{}{}".format,
    st.sampled_from(["", "?", "<", "=", ">"]),
    st.sampled_from(["", "0", "1", "3", "9", "99999", "1;2", "1;2;3", "4:3", ";;;;"]),
    st.characters(min_codepoint=0x40, max_codepoint=0x7E),
)


@given(
    st.binary(max_size=300) | st.lists(SEQUENCES | st.text(max_size=5)).map(lambda parts: "".join(parts).encode())
)
def test_no_bytes_break_the_reading(data):
    """Garbage draws something, and everything can be asked about it."""
    screen = TerminalScreen(10, 40)
    screen.feed(data)
    assert isinstance(screen.last_lines(), str)
    assert screen.dialog() is None or screen.dialog().options
    assert screen.is_idle in (True, False)


def test_a_screen_is_stable_only_while_nothing_changes():
    """Repeating what is drawn already is no change."""
    screen = drawn("a")
    changed = screen.changed
    screen.feed(b"\x1b[Ha")
    assert screen.changed == changed
    assert not screen.is_stable(60)
    screen.feed(b"b")
    assert screen.changed > changed
