"""Python's search for garbage rests while scenario files are collected.

Each file leaves dozens of objects that stay to the end of the run, and Python would go through all of them again
and again while they are made. So it rests from the first scenario file to the end of the collection. Nothing
is set aside with :func:`gc.freeze` yet: then others, such as Hypothesis, would not find those objects.

While scenarios run, it begins after more new objects than Python lets come together by itself: each look costs as
much as a few of them, and finds next to nothing. When pytest ends, that is as it was.

When Python exits, it searches several times more, through all that was loaded, and that takes longer than anything
else at its end. By then pytest has searched twice, so what is still there is set aside, and Python finds nothing.
"""

from __future__ import annotations

import atexit
import gc
from functools import cache

import pytest

_SELDOM = 5_000
"""New objects after which the search begins; Python's own number is 700, or 2,000."""

_RESTS = pytest.StashKey[bool]()
"""True while the search rests on our account."""


def rest(config: pytest.Config) -> None:
    """Let the search rest, if it is on; to be called for each file."""
    if _RESTS in config.stash:
        return
    exit_without()
    config.stash[_RESTS] = gc.isenabled()
    if config.stash[_RESTS]:
        gc.disable()
        first, *others = gc.get_threshold()
        if 0 < first < _SELDOM:  # 0 is another way to switch it off
            gc.set_threshold(_SELDOM, *others)
            config.add_cleanup(lambda: gc.set_threshold(first, *others))
        config.add_cleanup(lambda: go_on(config))  # where collecting broke off


def go_on(config: pytest.Config) -> None:
    """Let the search go on, if it rests on our account."""
    if config.stash.get(_RESTS, False):
        config.stash[_RESTS] = False
        gc.enable()


@cache  # once for each process, however often pytest runs in it
def exit_without() -> None:
    """Let Python exit without a search; to be called where scenarios run."""
    atexit.register(gc.freeze)
