"""What the agent does right now, in a small file for each running task, so that others on this machine can look.

The file is there while the task runs and goes with its end; what is kept for good stands in the database.
"""

from __future__ import annotations

import json
import os
import threading
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

    Args:
        folder: where the files are.
        waits: seconds of a task's run before its file is made, so that a run which is over by then makes none.
            :meth:`show` must be called now and then, as nothing else makes it while the agent is silent, and
            nothing else writes an act that came too soon after another and turned out to be the one that lasts.
    """

    def __init__(self, folder: Path, *, waits: float = 0.0) -> None:
        self._folder = folder.absolute()
        self._waits = waits
        self._name = ""
        self._due = 0.0
        self._waiting: list[dict[str, object]] = []
        self._held: AgentActed | None = None
        self._file: IO[bytes] | None = None
        self._last = 0.0
        self._lock = threading.RLock()

    def __call__(self, event: Event) -> None:
        """Write what the agent did."""
        with self._lock:
            if isinstance(event, TaskStarted):
                self.close()
                self._name, self._due = name_of(event.task), time.monotonic() + self._waits
                self.show()
            elif self._name:
                self._hear(event)

    def show(self) -> None:
        """Make the file of the task under way when its time has come, and write the act that was held back.

        Any thread may call it.
        """
        with self._lock:
            if self._name and self._file is None and time.monotonic() >= self._due:
                self._open(self._name)
            if self._held is not None and time.monotonic() - self._last >= _BETWEEN_ACTS:
                self._tell_act(self._held)

    def _hear(self, event: Event) -> None:
        match event:
            case TaskEnded():
                self.close()
            case PromptReady(number=number):
                self._tell(number, "prompt", "the prompt is sent")
            case AgentActed() if time.monotonic() - self._last >= _BETWEEN_ACTS:
                self._tell_act(event)
            case AgentActed():
                self._held = event
            case TurnRetried(number=number, error=error):
                self._tell(number, "again", " ".join(error[:LONGEST_ACT].split()))
            case ReplyReceived(number=number, reply=reply):
                self._tell(number, "reply", " ".join(reply.text[:LONGEST_ACT].split()))

    def _tell_act(self, event: AgentActed) -> None:
        self._held, act = None, event.event
        if line := " ".join((act.text or act.path or act.tool)[:LONGEST_ACT].split()):
            self._last = time.monotonic()
            self._tell(event.number, act.kind, line)

    def close(self) -> None:
        """Remove the file of the task that was under way; calling it again changes nothing."""
        with self._lock:
            self._name, self._held = "", None
            self._waiting.clear()
            file, self._file = self._file, None
            if file is not None:
                file.close()
                with suppress(FileNotFoundError):  # somebody tidied up
                    Path(file.name).unlink()

    def _open(self, name: str) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _remove_forgotten(self._folder)
            self._file = (self._folder / name).open("wb", buffering=0)
        except OSError as error:
            logger.warning("what the agent does is not shown to others: %s", error)
            self.close()
            return
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._write(line)

    def _tell(self, number: int, kind: str, text: str) -> None:
        line = {"at": datetime.now(UTC), "attempt": number, "kind": str(kind), "text": text}
        self._held = None  # what came before this
        self.show()
        if self._file is None:
            self._waiting.append(line)
        else:
            self._write(line)

    def _write(self, line: dict[str, object]) -> None:
        if self._file is None:
            return
        try:
            if self._file.tell() > _LARGEST:
                self._file.seek(0)
                self._file.truncate()
            self._file.write(json.dumps(line, default=datetime.isoformat).encode() + b"\n")
        except OSError as error:
            logger.warning("what the agent does is not shown to others any more: %s", error)
            self.close()


def _remove_forgotten(folder: Path) -> None:
    for path in folder.glob("*.jsonl"):
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - path.lstat().st_mtime > _FORGOTTEN:
                path.unlink()
