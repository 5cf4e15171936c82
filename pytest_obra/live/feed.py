"""Who tells: an observer that makes small messages of the loop's events, and their road out of a worker."""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_obra.live.running_now import LONGEST_ACT, Tell

if TYPE_CHECKING:
    from obra.events import Event, Observer

FEED = pytest.StashKey[Tell]()
"""Where a process keeps the function that takes its messages; missing when nobody looks."""

LOOK_EVERY = 0.25
"""Seconds between two looks at what is running; also how long a scenario runs before it is shown at all."""
_BETWEEN_ACTS = 0.1
"""Seconds between two messages about acts; an agent may write thousands of lines a second."""


def observers(request: pytest.FixtureRequest, *, name: str, agent: str) -> tuple[Observer, ...]:
    """Return who observes the loop of one test: nobody, unless progress or the conversation is shown."""
    config = request.config
    tell = config.stash.get(FEED, None)
    found: list[Observer] = []
    if tell is not None:
        node = request.node.nodeid
        request.addfinalizer(partial(tell, {"node": node, "ended": True}))
        found.append(observer_for(tell, node=node, name=name, agent=agent))
    if config.getoption("capture", "") == "no" and not hasattr(config, "workerinput"):
        from pytest_obra.live.conversation import Conversation

        found.append(Conversation())
    return tuple(found)


def observer_for(tell: Tell, *, node: str, name: str, agent: str) -> Observer:
    """Return an observer that tells where one scenario stands, and tell that it began."""
    from obra.events import (
        AgentActed,
        EvidenceGathered,
        PromptReady,
        ReplyReceived,
        ReviewReceived,
        TaskEnded,
        TurnRetried,
    )

    last_act = 0.0

    def observe(event: Event) -> None:
        nonlocal last_act
        message: dict[str, Any] = {"node": node}
        match event:
            case PromptReady(number=number):
                message |= {"stage": "agent", "attempt": number, "act": ""}
            case AgentActed(event=act) if (moment := time.monotonic()) - last_act >= _BETWEEN_ACTS:
                line = " ".join((act.text or act.path or act.tool)[:LONGEST_ACT].split())
                if not line:
                    return
                last_act = moment
                message |= {"act": line}
            case TurnRetried(error=error):
                message |= {"act": " ".join(error[:LONGEST_ACT].split())}
            case ReplyReceived(reply=reply):
                message |= {"stage": "checks", "spent": reply.cost_usd}
            case EvidenceGathered():
                message |= {"stage": "review"}
            case ReviewReceived():
                message |= {"stage": "decision"}
            case TaskEnded():
                message |= {"stage": "truth"}
            case _:
                return
        tell(message)

    tell({"node": node, "name": name, "agent": agent, "started": time.monotonic()})
    return observe


class Outbox:
    """Holds messages back until somebody looks, and for good those of scenarios that began and ended meanwhile.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: dict[str, list[Mapping[str, Any]]] = {}
        self._shown: set[str] = set()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Take one message, as :data:`pytest_obra.live.running_now.Tell` says."""
        node = message["node"]
        with self._guard:
            if message.get("ended") and node not in self._shown:
                self._waiting.pop(node, None)
            else:
                self._waiting.setdefault(node, []).append(message)

    def drain(self) -> list[Mapping[str, Any]]:
        """Return what was told since the last time, the messages of each scenario in their order."""
        with self._guard:
            waiting, self._waiting = self._waiting, {}
            for node, messages in waiting.items():
                (self._shown.discard if messages[-1].get("ended") else self._shown.add)(node)
        return [message for messages in waiting.values() for message in messages]


class WorkerFeed:
    """Writes the messages of one xdist worker to a file of its own, which the controller reads.

    xdist lets a worker send the reports of finished tests and nothing else, so progress takes a file. A thread
    writes to it what :class:`Outbox` lets through, as often as the controller looks.
    """

    def __init__(self, config: pytest.Config, path: Path) -> None:
        """Begin a new file; *path* is in a folder that the controller made."""
        self._file = path.open("wb", buffering=0)  # nothing is left to be written when it is closed
        self._outbox = Outbox()
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._write, name="obra-feed", daemon=True)
        self._lost = ""
        config.stash[FEED] = self.tell
        config.add_cleanup(self.close)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Take one message; a warning says so, once, when no more can be written."""
        if self._lost:
            lost, self._lost = self._lost, ""
            warnings.warn(pytest.PytestWarning(f"this worker is not shown any more: {lost}"), stacklevel=2)
        self._outbox.tell(message)
        if not self._writer.ident:
            self._writer.start()

    def close(self) -> None:
        """Write no more; calling it again changes nothing."""
        self._stop.set()
        if self._writer.ident:
            self._writer.join()
        self._file.close()

    def _write(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            text = "".join(f"{json.dumps(message)}\n" for message in self._outbox.drain())
            rest = memoryview(text.encode())
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._lost = str(error)
                return


class Tail:
    """Reads what has been added to files of one folder since the last look."""

    def __init__(self, folder: Path) -> None:
        """Read every ``*.jsonl`` of *folder*, also those that come later."""
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def messages(self) -> Iterator[Mapping[str, Any]]:
        """Yield the messages of whole lines; half a line waits for its end."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            for line in whole.splitlines():
                yield json.loads(line)
