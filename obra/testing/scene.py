"""Scene: a situation that was brought about for an agent, and what happens to the agent in it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import psutil

from obra.domain import TurnLimits
from obra.events import AgentEvent
from obra.plugins import AgentPlugin, ContractCase
from obra.testing.leftovers import started_processes

_LOOK_SECONDS = 0.01


def kill_processes(among: Sequence[psutil.Process] | None = None) -> None:
    """Kill every process that this one has started, and all they started, as an out-of-memory killer does.

    Args:
        among: kill these alone.
    """
    _signal(among, signal.SIGKILL)


def freeze_processes(among: Sequence[psutil.Process] | None = None) -> None:
    """Stop them as :func:`kill_processes` kills them, so that only SIGKILL ends them."""
    _signal(among, signal.SIGSTOP)


def _signal(among: Sequence[psutil.Process] | None, number: signal.Signals) -> None:
    for process in started_processes() if among is None else among:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a case needs of its surroundings."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """What ``initialize`` gets; ``workspace_dir`` is added."""
    prompts: Sequence[str] = ("the first", "the second", "the third")
    words: Sequence[str] = ()
    """How the answer to each prompt ends, where that is known."""
    is_done: Callable[[], bool] | None = None
    """Tells whether the work of the first prompt is in the workspace."""
    trespassed: Callable[[], bool] | None = None
    """Tells whether the file is there that the agent is made to write, and that policy does not let it."""
    limits: TurnLimits = field(default_factory=TurnLimits)
    """The limits that the case is about; short, so that nobody waits."""
    is_busy: Callable[[], bool] | None = None
    """Tells whether the turn is in the middle of its work; none: after its first event."""
    kill: Callable[[], None] = kill_processes
    """Kills the agent's processes."""
    freeze: Callable[[], None] = freeze_processes
    """Stops them where they stand."""
    heard: Callable[[], str] | None = None
    """Gives what the model was sent, where that can be known."""


class Stage(Protocol):
    """Brings cases about for one agent."""

    def make_agent(self) -> AgentPlugin:
        """Return a new agent."""
        ...

    def scene(self, case: ContractCase, workspace: Path) -> AbstractContextManager[Scene]:
        """Give the scene of *case* in the empty folder *workspace*; leave nothing when it ends."""
        ...


class Meanwhile:
    """Does something from another thread as soon as a turn is in the middle of its work; a context manager.

    What goes wrong in that thread is raised when the context ends.
    """

    def __init__(self, scene: Scene, act: Callable[[], None]) -> None:
        self._is_busy = scene.is_busy
        self._act = act
        self._heard = threading.Event()
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="obra-contract")
        self._done: Future[None] | None = None

    def on_event(self, event: AgentEvent) -> None:  # noqa: ARG002  # that there is one is enough
        """Note that the turn has begun; is to be given to ``send_prompt``."""
        self._heard.set()

    def __enter__(self) -> Self:
        """Begin to look."""
        self._done = self._threads.submit(self._run)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until it is done, or was not needed."""
        self._over.set()
        self._threads.shutdown()
        if kind is None and self._done is not None:
            self._done.result()

    def _run(self) -> None:
        is_busy = self._is_busy or self._heard.is_set
        while not is_busy():
            if self._over.wait(_LOOK_SECONDS):
                return
        self._act()
