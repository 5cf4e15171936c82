"""What an agent is told whose turn was broken off from outside (pure)."""

from __future__ import annotations

_NOTE = """

## This turn was interrupted

You may have been sent this before: the program that waits for you was stopped in the middle of that turn. Whatever
the turn had changed was undone; the files are again as they were before it. Look at them before you build on
anything that you remember, and do the whole of what is asked above."""


def after_interruption(prompt: str) -> str:
    """Return *prompt* with the note that an earlier turn with it was broken off and put back."""
    return prompt + _NOTE
