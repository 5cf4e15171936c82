"""A run on the other machine that another Obra began: what stands there of it, for the one that takes it over.

The runner outlives the Obra that started it, for its lease. All that was said both ways is in its files, with the
place where the turn under way began, so that who comes after reads that turn from its first byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from obra.agents.ssh_connection import SSHConnection, quoted
from obra.agents.ssh_far_side import FarSide
from obra.agents.ssh_ownership import FILE as OWNER
from obra.agents.ssh_ownership import new_claim, owner_line
from obra.domain import Record

_COMMAND_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun(Record):
    """One life of the program there, as it was found."""

    folder: str
    orders: Mapping[str, Any]
    """What the Obra before wanted last; the marks of the turn are among them."""
    input_size: int
    """Bytes that arrived there for the program."""
    said: str
    """What arrived since the turn began: the prompt, and answers to what the program asked."""
    lives: bool

    @property
    def begins_at(self) -> int:
        """Bytes of output that were there when the turn began."""
        return int(self.orders.get("out_at", 0))

    @property
    def turn(self) -> int:
        """Number of the turn under way, in this life of the program."""
        return int(self.orders.get("turn", 0))

    def has_prompt(self, number: int) -> bool:
        """Tell whether prompt *number* of the conversation has arrived whole, and none after it."""
        return self.orders.get("prompt") == number and any(one.get("type") == "user" for one in self._messages())

    def answered(self) -> frozenset[str]:
        """Return the ids of the requests that were answered already."""
        responses = (one.get("response") for one in self._messages() if one.get("type") == "control_response")
        return frozenset(str(one.get("request_id")) for one in responses if isinstance(one, Mapping))

    def _messages(self) -> Iterator[Mapping[str, Any]]:
        """Yield what arrived whole; a line without its end is none."""
        for line in self.said.split("\n")[:-1]:
            message = json.loads(line)
            if isinstance(message, dict):
                yield message


def take_over(connection: SSHConnection, folder: str, marker: str, *, python: str) -> FarSide | None:
    """Make *folder* there ours; ``None`` when it is not there any more.

    From then on, nothing that the Obra before does there has any effect, should it still live somewhere.

    Raises:
        AgentCrashed: the connection is lost.
    """
    far = FarSide(python=python, folder=folder, marker=marker, claim=new_claim())
    place, line = quoted([folder]), quoted([owner_line(marker, far.claim)])
    is_it = f"[ -O {place} ] && grep -qsF {quoted([marker])} {place}/{OWNER}"
    write = f"umask 077 && echo {line} >{place}/{OWNER}.new && mv {place}/{OWNER}.new {place}/{OWNER}"
    code, _ = connection.run(f"{is_it} && {write}", seconds=_COMMAND_SECONDS)
    return far if code == 0 else None


def find_run(connection: SSHConnection, far: FarSide) -> FoundRun | None:
    """Return how the newest run in the folder there stands; ``None`` when there is none.

    Raises:
        AgentCrashed: the connection is lost.
    """
    code, output = connection.run(far.command("look", far.folder), seconds=_COMMAND_SECONDS)
    found = json.loads(output) if code == 0 else {}
    return FoundRun(**found) if found else None
