"""What the tests of one process share: settings read once, and one database for each address."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_obra.agents import settings_for

if TYPE_CHECKING:
    from obra.config import Config
    from obra.state.state_manager import StateManager

_NO_WORD = re.compile(r"\W")
_LONGEST_NAME = 30
"""Characters of a test's name in the name of its folder."""


class Shared:
    """Kept for the whole run of pytest, and closed at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._states: dict[tuple[str, bool], StateManager] = {}
        self._workspaces: Path | None = None
        self._folders = count()
        self.settings_for: Callable[[str], Config] = cache(lambda name: settings_for(name, config))

    def state_for(self, config: Config) -> StateManager:
        """Return the open database that *config* names."""
        from obra.state.state_manager import StateManager

        key = (config.settings.database.url, config.settings.database.echo)
        if key not in self._states:
            self._states[key] = StateManager(key[0], echo=key[1])
        return self._states[key]

    def new_folder(self, factory: Callable[[], pytest.TempPathFactory], name: str) -> Path:
        """Return where to make a folder for the test *name*: no other test of this process gets the same.

        ``tmp_path`` would cost several times as much: it makes a link to the newest folder of each name.
        """
        if self._workspaces is None:
            self._workspaces = factory().mktemp("obra")
        return self._workspaces / f"{_NO_WORD.sub('_', name)[:_LONGEST_NAME]}-{next(self._folders)}"

    def close(self) -> None:
        """Close every database."""
        for state in self._states.values():
            state.close()


_SHARED = pytest.StashKey[Shared]()


def shared(config: pytest.Config) -> Shared:
    """Return what the tests of this process share; closed when pytest ends."""
    if _SHARED not in config.stash:
        config.stash[_SHARED] = Shared(config)
        config.add_cleanup(config.stash[_SHARED].close)
    return config.stash[_SHARED]
