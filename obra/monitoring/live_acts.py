"""What the agent does right now, in a small file for each running task, so that others on this machine can look.

The file is there while the task runs and goes with its end; what is kept for good stands in the database.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from obra.domain import Task
from obra.events import AgentActed, Event, PromptReady, ReplyReceived, TaskEnded, TaskStarted, TurnRetried
from obra.logbook import logger

LONGEST_ACT = 200
"""Characters of an act that are kept."""
_BETWEEN_ACTS = 0.1
"""Seconds between two acts that are written; an agent may print thousands of lines a second."""
_LARGEST = 1 << 20
"""Bytes of a file; a longer one begins anew."""
_FORGOTTEN = 86_400.0
"""Seconds after which a file that nobody wrote is the leftover of a process that was killed."""
_UNFIT = str.maketrans({":": "-", os.sep: "-"})


def name_of(task: Task) -> str:
    """Return the name of the file about the run of *task* that is under way; each start has its own."""
    return f"{task.owner.translate(_UNFIT)}-{task.id}-{task.fence}.jsonl"


class LiveActs:
    """An observer that writes what the agent does to a file in *folder*, which is made when missing.

    A file that cannot be written is told once in the log; the work goes on without it, as nothing depends on it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._file: IO[bytes] | None = None
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        """Write what the agent did."""
        if isinstance(event, TaskStarted):
            self._open(name_of(event.task))
        elif self._file is not None:
            self._hear(event)

    def _hear(self, event: Event) -> None:
        match event:
            case TaskEnded():
                self.close()
            case PromptReady(number=number):
                self._tell(number, "prompt", "the prompt is sent")
            case AgentActed(number=number, event=act) if time.monotonic() - self._last >= _BETWEEN_ACTS:
                if line := " ".join((act.text or act.path or act.tool)[:LONGEST_ACT].split()):
                    self._last = time.monotonic()
                    self._tell(number, act.kind, line)
            case TurnRetried(number=number, error=error):
                self._tell(number, "again", " ".join(error[:LONGEST_ACT].split()))
            case ReplyReceived(number=number, reply=reply):
                self._tell(number, "reply", " ".join(reply.text[:LONGEST_ACT].split()))

    def close(self) -> None:
        """Remove the file of the task that was under way; calling it again changes nothing."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            with suppress(FileNotFoundError):  # somebody tidied up
                Path(file.name).unlink()

    def _open(self, name: str) -> None:
        self.close()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _remove_forgotten(self._folder)
            self._file = (self._folder / name).open("wb", buffering=0)
        except OSError as error:
            logger.warning("what the agent does is not shown to others: %s", error)

    def _tell(self, number: int, kind: str, text: str) -> None:
        if self._file is None:
            return
        line = {"at": datetime.now(UTC).isoformat(), "attempt": number, "kind": str(kind), "text": text}
        try:
            if self._file.tell() > _LARGEST:
                self._file.seek(0)
                self._file.truncate()
            self._file.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            logger.warning("what the agent does is not shown to others any more: %s", error)
            self.close()


def _remove_forgotten(folder: Path) -> None:
    for path in folder.glob("*.jsonl"):
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - path.lstat().st_mtime > _FORGOTTEN:
                path.unlink()
