"""The dialogs of an interactive Claude Code that we know, and how they are answered with keys."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
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
_KEY_SECONDS = 2.0
_MARK_SECONDS = 5.0
"""How long a busy program may take to move its mark by one."""
_LOST_KEYS = 2
"""So many keys may move nothing."""
_STILL = 0.06
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


def _go_to(
    screen: TerminalScreen, type_keys: Callable[[bytes], None], pattern: str, seconds: float = _MARK_SECONDS
) -> Ticks:
    """Press the arrow keys until the option that matches *pattern* is marked, as the screen shows it.

    No key is pressed before the last one has moved the mark, or has not within *seconds*: one that moves it late
    would go on from the wanted answer to another one, such as from the last option to the first, which allows.
    """
    lost = 0
    while lost < _LOST_KEYS:
        dialog = screen.dialog()
        wanted = dialog.find(pattern) if dialog else None
        if dialog is None or wanted is None:
            raise AgentCrashed("a dialog of Claude Code does not offer the answer that is to be given")
        if wanted.is_chosen:
            return
        type_keys(DOWN if wanted.number > dialog.chosen.number else UP)
        has_moved = yield from _moves(screen, dialog.chosen.number, seconds)
        lost += not has_moved
    raise AgentCrashed("a dialog of Claude Code does not obey the arrow keys")


def _moves(screen: TerminalScreen, chosen: int, seconds: float) -> Generator[None, None, bool]:
    """Wait *seconds* until another option than the *chosen* one is marked, or the dialog is gone; tell whether."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        dialog = screen.dialog()
        if (dialog is None or dialog.chosen.number != chosen) and screen.is_stable(_STILL):
            return True
    return False


def _until_changed(screen: TerminalScreen) -> Ticks:
    """Wait until the screen has changed and is still again, or for a short while."""
    pressed = time.monotonic()
    while time.monotonic() < pressed + _KEY_SECONDS:
        yield
        if screen.changed > pressed and screen.is_stable(_STILL):
            return
