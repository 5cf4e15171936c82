"""The dialogs of a terminal are answered with its keys, and watched until they are gone."""

from __future__ import annotations

import pytest

from obra.agents.terminal_dialog import Ask, answer_dialog
from obra.agents.terminal_keys import ENTER
from obra.agents.terminal_screen import TerminalScreen
from obra.errors import AgentCrashed


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
