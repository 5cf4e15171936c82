"""What a person can do from the screen; the command line gives the functions that its own verbs use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from obra.domain import Action, Breakpoint, Control, ControlAct, Record

Answer = Callable[[int, str], Breakpoint]
"""Stores an answer to a breakpoint; raises StateError."""

Ask = Callable[[int, ControlAct, str, Action | None], Control]
"""Asks something of a running task, with words and, for an override, an action; raises StateError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors(Record):
    """The only two ways from the screen into a run."""

    answer: Answer
    ask: Ask


def split_override(words: str) -> tuple[Action, str]:
    """Return the action and the reason in ``retry the tests miss the empty list``.

    Raises:
        ValueError: the first word is no action; the message lists them.
    """
    first, _, reason = words.strip().partition(" ")
    if first not in tuple(Action):
        raise ValueError(f"begin with one of {', '.join(Action)}, and say why")
    return Action(first), reason.strip()


def is_paused(controls: tuple[Control, ...]) -> bool:
    """Tell whether a run waits, or will: the last that was asked of pausing, resuming and stopping is a pause."""
    asked = [one.act for one in controls if one.act in (ControlAct.PAUSE, ControlAct.RESUME, ControlAct.STOP)]
    return bool(asked) and asked[-1] is ControlAct.PAUSE
