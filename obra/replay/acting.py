"""A script as moves of a model: which tool call or which words come next, in any API's dialect.

What comes next follows from the conversation alone (and from the files that a step is about to change): the
number of prompts tells the step, the calls made since the last one tell how far it has come. So a retried or
repeated request gets the same answer, and a resumed session goes on where it was.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from obra.domain import ScriptStep

ReadText = Callable[[str], str | None]
"""Gives the text of the file at an absolute path, or ``None`` when there is no such file."""

Input = Mapping[str, Any]
GivenNow = Callable[[ReadText], Input | None]
"""Gives the input of a call as the files are now, or ``None`` when the call is not due."""

NO_SCRIPT = "There is no script to act out, so nothing was changed."
"""The one answer when the script has no step at all, as the mock agent does it."""
NOTHING_TO_SAY = "Done."
"""Stands for an empty ``say``: the APIs know no message without content."""
SIDE_ANSWER = "Noted."
"""Answer to requests that offer no tools (titles, summaries): they are no part of the conversation."""

_CALL_ID = re.compile(r"\w+_obra_(\d+)_(\d+)")


class ScriptMismatch(Exception):  # it names a finding that becomes an HTTP answer, not a failure here
    """The conversation asks for something that the script cannot give; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call of a step."""

    tool: str
    given: GivenNow


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What the model does next: a tool call, or, where ``tool`` is empty, the last words of its turn.

    ``identity`` ends the id of the call, in any dialect: :func:`call_index` finds it there again.
    """

    text: str = ""
    tool: str = ""
    given: Input = field(default_factory=dict)
    identity: str = ""


Plan = Callable[[ScriptStep, str], Sequence[Call]]
"""Turns a step into a dialect's tool calls; the string is the folder that its paths count from."""


def next_move(
    script: Sequence[ScriptStep], position: tuple[int, int], plan: Plan, workspace: str, read: ReadText
) -> Move:
    """Return what comes next.

    Args:
        script: what the agent is to do, one step for each prompt.
        position: how many prompts were sent, and the index of the last call made since the last one, or -1.
        plan: writes a step as tool calls.
        workspace: absolute path that the paths of the script count from.
        read: gives the files that the script is about to change.

    Raises:
        ScriptMismatch: the script has no such step, or the text that an edit is to find is not there.
    """
    if not script:
        return Move(text=NO_SCRIPT)
    number, done = position
    if not 1 <= number <= len(script):
        raise ScriptMismatch(
            f"the script has {len(script)} step(s), prompt {number} was sent; "
            f"add a step to the script or allow fewer iterations"
        )
    step = script[number - 1]
    for index, call in enumerate(plan(step, workspace)):
        if index <= done:
            continue
        try:
            given = call.given(read)
        except ScriptMismatch as mismatch:
            raise ScriptMismatch(f"step {number} of the script {mismatch}; correct the script") from None
        if given is not None:
            return Move(tool=call.tool, given=given, identity=f"obra_{number}_{index}")
    return Move(text=step.say if step.say.strip() else NOTHING_TO_SAY)


def call_index(identity: Any) -> int | None:
    """Return the index in the id of a call that :func:`next_move` made, or ``None`` for any other id."""
    match = _CALL_ID.fullmatch(str(identity))
    return int(match[2]) if match else None


def always(given: Input) -> GivenNow:
    """Make the call whatever the files are."""
    return lambda _: given


def when_there(path: str, given: Input) -> GivenNow:
    """Make the call only when there is a file at *path*."""
    return lambda read: None if read(path) is None else given


def changing(path: str, change: tuple[str, str], given: Callable[[str, str], Input]) -> GivenNow:
    """Make the call with the old and the new text of the file at *path*, where the first match is replaced.

    Reading raises ScriptMismatch when the text to find is not there.
    """
    find, replace = change

    def now(read: ReadText) -> Input:
        text = read(path)
        if text is None or find not in text:
            seen = "there is no such file" if text is None else f"the file has {len(text)} characters without it"
            raise ScriptMismatch(f"edits {path}, but the text to find, {find[:80]!r}, is not there ({seen})")
        return given(text, text.replace(find, replace, 1))

    return now


def changing_unique(path: str, change: tuple[str, str], given: Callable[[str, str], Input]) -> GivenNow:
    """The same for tools that only take a text which stands in the file once: else all of it is replaced."""
    find, replace = change

    def shortest(text: str, new: str) -> Input:
        return given(find, replace) if text.count(find) == 1 else given(text, new)

    return changing(path, change, shortest)


def absolute(workspace: str, path: str) -> str:
    """Return *path*, which counts from *workspace*, as an absolute one."""
    return posixpath.normpath(posixpath.join(workspace, path))
