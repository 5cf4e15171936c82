"""The dialogs of an interactive Claude Code that we know, and how they are answered with keys."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from obra.agents.terminal_keys import DOWN, ENTER, TAB, UP, pastes, prompt_text
from obra.agents.terminal_screen import Dialog, TerminalScreen
from obra.domain import Record
from obra.errors import AgentCrashed
from obra.monitoring.event_lines import mapping

Ticks = Iterator[None]
"""Something that is done in small steps; whoever runs it does other things between them."""

_YES = r"Yes(,\s+(I trust|proceed).*)?$"
_NO = r"No\b"
_KEY_SECONDS = 0.4
_ANSWER_SECONDS = 10.0
_SUBJECT_KEYS = ("command", "file_path", "notebook_path", "url", "path", "pattern", "query")
_COMPARED = 24
"""Characters of a command or path by which a dialog is known; long ones are wrapped or cut."""
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Record):
    """The answer that is to be given."""

    allowed: bool
    reason: str = ""


def trust_dialog(dialog: Dialog) -> bool:
    """Tell whether it asks to trust the workspace: the one that we were told to work in."""
    return "trust" in dialog.text.lower() + dialog.options[0].text.lower() and dialog.find(_YES) is not None


def matches(dialog: Dialog, request: Mapping[str, Any]) -> bool:
    """Tell whether a dialog is about the tool call that a hook has announced."""
    given = mapping(request.get("tool_input"))
    subject = next((str(given[key]) for key in _SUBJECT_KEYS if isinstance(given.get(key), str)), "")
    wanted = _BLANK.sub("", subject.rsplit("/", 1)[-1] if "file_path" in given else subject)[:_COMPARED]
    return not wanted or wanted in _BLANK.sub("", dialog.text)


def answer_dialog(
    screen: TerminalScreen,
    type_keys: Callable[[bytes], None],
    dialog: Dialog,
    ask: Ask,
    seconds: float = _ANSWER_SECONDS,
) -> Ticks:
    """Go to the answer, choose it (a refusal gets its reason), and wait *seconds* for the dialog to be gone.

    Raises:
        AgentCrashed: the dialog has no such answer, or does not go away.
    """
    shown = screen.dialog()
    if shown is None or shown.text != dialog.text:
        raise AgentCrashed(f"a dialog of Claude Code changed before it was answered: {dialog.text}")
    pattern = _YES if ask.allowed else _NO
    yield from _go_to(screen, type_keys, pattern)
    if not ask.allowed and ask.reason:
        type_keys(TAB)
        yield from _until_changed(screen)
        type_keys(pastes(prompt_text(" ".join(ask.reason.split()))))
        yield from _until_changed(screen)
    type_keys(ENTER)
    end = time.monotonic() + seconds
    while (now := screen.dialog()) is not None and now.text == dialog.text:
        if time.monotonic() > end:
            raise AgentCrashed(f"a dialog of Claude Code did not go away when it was answered: {dialog.text}")
        yield


def _go_to(screen: TerminalScreen, type_keys: Callable[[bytes], None], pattern: str) -> Ticks:
    """Press the arrow keys until the option that matches *pattern* is marked, as the screen shows it."""
    for _ in range(10):
        dialog = screen.dialog()
        wanted = dialog.find(pattern) if dialog else None
        if dialog is None or wanted is None:
            raise AgentCrashed("a dialog of Claude Code does not offer the answer that is to be given")
        if wanted.is_chosen:
            return
        type_keys(DOWN if wanted.number > dialog.chosen.number else UP)
        yield from _until_changed(screen)
    raise AgentCrashed("a dialog of Claude Code does not obey the arrow keys")


def _until_changed(screen: TerminalScreen) -> Ticks:
    """Wait until the screen has changed and is still again, or for a short while."""
    pressed = time.monotonic()
    while time.monotonic() < pressed + _KEY_SECONDS:
        yield
        if screen.changed > pressed and screen.is_stable(0.06):
            return
