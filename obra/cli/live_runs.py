"""Runs of the interactive mode: each a process of its own, whose lines appear above the prompt as they come."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obra.domain import Task
    from obra.state.state_manager import StateManager

STOP_SECONDS = 10.0
"""What a run gets to store where it stands once it is told to end; then it is killed, and can be resumed, too."""
WORDS = ("--ask", "--conversation")
"""What every run in the background is started with: a person is there to answer and to look on."""


class LiveRun:
    """One ``obra run`` or ``obra resume`` in the background; its session is its own, so that no key reaches it."""

    def __init__(self, words: Sequence[str], show: Callable[..., None], options: Sequence[str] = ()) -> None:
        """Start it.

        Args:
            words: the verb and what was typed behind it.
            show: gets each line that it prints, from another thread, and a last one when it ends.
            options: what holds for the whole session; what was typed wins.
        """
        self.words = tuple(words)
        self._show = show
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "obra",
                words[0],
                *options,
                *words[1:],
                *(one for one in WORDS if one not in words),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read, name="obra-live-run", daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        """Tell whether its process lives."""
        return self.process.poll() is None

    def task(self, state: StateManager) -> Task | None:
        """Return the task that it works on now."""
        from obra.domain import TaskStatus
        from obra.state.owners import is_process

        running = state.list_tasks(status=TaskStatus.RUNNING, limit=None)
        return next((task for task in running if is_process(task.owner, self.process.pid)), None)

    def ask_to_end(self) -> None:
        """Tell it to store where it stands and to end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = STOP_SECONDS) -> None:
        """Wait until it has ended; kill it when that takes too long. Its agent dies with it."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(1.0)

    def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101  # asked for; tells mypy so
        with self.process.stdout as lines:
            for line in lines:
                self._show(line.decode("utf-8", "backslashreplace").rstrip("\n"))
        code = self.process.wait()
        self._show(f"({' '.join(self.words)}: ended with exit code {code})")


class LiveRuns:
    """The runs of one session, the newest last."""

    def __init__(self, show: Callable[..., None], options: Sequence[str] = ()) -> None:
        """Take where their lines go, and the options that hold for each."""
        self._show = show
        self._options = tuple(options)
        self._all: list[LiveRun] = []

    def start(self, words: Sequence[str]) -> LiveRun:
        """Start a run in the background."""
        made = LiveRun(words, self._show, self._options)
        self._all.append(made)
        return made

    def running(self) -> list[LiveRun]:
        """Return those that have not ended."""
        self._all = [one for one in self._all if one.is_running]
        return self._all

    def end(self) -> None:
        """End all of them in order, and wait for it; each can be resumed."""
        found = self.running()
        for one in found:
            one.ask_to_end()
        for one in found:
            one.wait()
