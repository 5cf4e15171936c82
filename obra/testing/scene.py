"""Scene: a situation that was brought about for an agent, and what happens to the agent in it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import psutil

from obra.domain import TurnLimits
from obra.events import AgentEvent
from obra.plugins import AgentPlugin, ContractCase
from obra.testing.leftovers import processes_since, started_processes

_LOOK_SECONDS = 0.01


def kill_processes(processes: Iterable[psutil.Process]) -> None:
    """Kill processes as an out-of-memory killer does."""
    _signal(processes, signal.SIGKILL)


def freeze_processes(processes: Iterable[psutil.Process]) -> None:
    """Stop them where they stand, so that only SIGKILL ends them."""
    _signal(processes, signal.SIGSTOP)


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _to_new_ones(act: Callable[[Iterable[psutil.Process]], None]) -> Callable[[], None]:
    """Return what does *act* to the processes started from now on, and to none that others have started before."""
    before = frozenset(started_processes())
    return lambda: act(processes_since(before))


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
    kill: Callable[[], None] = field(default_factory=partial(_to_new_ones, kill_processes))
    """Kills the agent's processes; unless given, all that are started after the scene was made."""
    freeze: Callable[[], None] = field(default_factory=partial(_to_new_ones, freeze_processes))
    """Stops the same where they stand."""
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
