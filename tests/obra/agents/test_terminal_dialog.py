"""The dialogs of a terminal are answered with its keys, and watched until they are gone."""

from __future__ import annotations

import time

import pytest

from obra.agents.terminal_dialog import Ask, answer_dialog
from obra.agents.terminal_keys import DOWN, ENTER
from obra.agents.terminal_screen import TerminalScreen
from obra.errors import AgentCrashed

MARK = "\u276f"
OPTIONS = ((1, "Yes"), (2, "Yes, and do not ask again"), (3, "No"))


def test_a_mark_that_moves_late_is_waited_for():
    """Another key, pressed too early, would go on to the next answer; the first one follows the last."""
    screen = TerminalScreen()
    typed: list[bytes] = []

    def draw(chosen: int) -> None:
        options = [f" {MARK if at == chosen else ' '} {at}. {text}" for at, text in OPTIONS]
        lines = ("Do you want to make this edit?", *options, "", "Enter to confirm")
        screen.feed(b"\x1b[H\x1b[2J" + "\r\n".join(lines).encode())

    draw(1)
    answering = answer_dialog(screen, typed.append, screen.dialog(), Ask(allowed=False), seconds=0.02)
    for chosen in (2, 3):
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            next(answering)
        assert typed == [DOWN] * (chosen - 1)
        draw(chosen)
    with pytest.raises(AgentCrashed, match="did not go away"):
        list(answering)
    assert typed == [DOWN, DOWN, ENTER]


def test_a_dialog_that_does_not_go_away_is_told():
    """Enter was pressed on the answer, and the program draws the same dialog still."""
    screen = TerminalScreen()
    lines = ("Do you want to make this edit?", " \u276f 1. Yes", "   2. No", "", "Enter to confirm")
    screen.feed("\r\n".join(lines).encode())
    dialog = screen.dialog()
    typed: list[bytes] = []
    with pytest.raises(AgentCrashed, match=r"did not go away when it was answered: Do you want to make this edit"):
        list(answer_dialog(screen, typed.append, dialog, Ask(allowed=True), seconds=0.02))
    assert typed == [ENTER]
