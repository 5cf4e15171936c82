"""What an agent is told whose turn was broken off from outside, and what people said meanwhile (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from obra.prompting.context_manager import ContextItem

_NOTE = """

## This turn was interrupted

You may have been sent this before: the program that waits for you was stopped in the middle of that turn. Whatever
the turn had changed was undone; the files are again as they were before it. Look at them before you build on
anything that you remember, and do the whole of what is asked above."""


def after_interruption(prompt: str) -> str:
    """Return *prompt* with the note that an earlier turn with it was broken off and put back."""
    return prompt + _NOTE


def message_item(text: str) -> ContextItem:
    """Return the part of a prompt that holds what a person said while the task ran."""
    return ContextItem(title="A person adds", text=text, must_keep=True)


def with_messages(prompt: str, messages: Iterable[str]) -> str:
    """Return a prompt that was written before with what people said since."""
    parts = (prompt.rstrip(), *(message_item(text).render().rstrip() for text in messages))
    return "\n\n".join(parts) + "\n"
