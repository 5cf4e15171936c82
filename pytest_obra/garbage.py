"""Python's search for garbage rests while scenario files are collected.

Each file leaves dozens of objects that stay to the end of the run, and Python would go through all of them again
and again while they are made. So it rests from the first scenario file to the end of the collection. Nothing
is set aside with :func:`gc.freeze`: then others, such as Hypothesis, would not find those objects.
"""

from __future__ import annotations

import gc

import pytest

_RESTS = pytest.StashKey[bool]()
"""True while the search rests on our account."""


def rest(config: pytest.Config) -> None:
    """Let the search rest, if it is on; to be called for each file."""
    if _RESTS in config.stash:
        return
    config.stash[_RESTS] = gc.isenabled()
    if config.stash[_RESTS]:
        gc.disable()
        config.add_cleanup(lambda: go_on(config))  # where collecting broke off


def go_on(config: pytest.Config) -> None:
    """Let the search go on, if it rests on our account."""
    if config.stash.get(_RESTS, False):
        config.stash[_RESTS] = False
        gc.enable()
