"""What runs on this machine tell of their agents while they are under way, read from their small files."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from obra.domain import Task, TaskStatus
from obra.monitoring.live_acts import name_of
from obra.watching.scene import Act
from obra.watching.tail import Tail

_KEPT = 50
"""Acts of one task that are kept to be shown."""


class LiveActsRead:
    """The latest acts of each running task; those of a run on another machine cannot be seen."""

    def __init__(self, folder: Path) -> None:
        """Name the folder in which runs tell; it needs not be there."""
        self._folder = folder
        self._tails: dict[str, Tail] = {}
        self._acts: dict[str, deque[Act]] = {}

    def of(self, task: Task) -> Sequence[Act]:
        """Return what the agent of *task* did lately, the oldest first; nothing once its run has ended."""
        if task.status is not TaskStatus.RUNNING:
            return ()
        name = name_of(task)
        if name not in self._tails:
            self._tails[name] = Tail(self._folder / name)
        known = self._acts.setdefault(name, deque(maxlen=_KEPT))
        known.extend(act for line in self._tails[name].lines() if (act := _act_in(line)))
        return tuple(known)


def _act_in(line: str) -> Act | None:
    """Return the act in a line; ``None`` for a line that is none of ours, as an agent may write there, too."""
    try:
        raw = json.loads(line)
        at = datetime.fromisoformat(raw["at"])
        return Act(at=at, attempt=int(raw["attempt"]), kind=str(raw["kind"]), text=str(raw["text"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
