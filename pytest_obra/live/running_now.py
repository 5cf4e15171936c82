"""What is known of each scenario that is running now, kept up to date by small messages of plain data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

LONGEST_ACT = 200
"""Characters of an agent's act that travel; no terminal line shows more."""

Tell = Callable[[Mapping[str, Any]], None]
"""Takes one message: ``node`` and what changed of :class:`Running`; ``ended: true`` when the test is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One scenario under way."""

    name: str
    """Scenario with its parameters."""
    agent: str = ""
    stage: str = "preparing"
    """What happens now: preparing, agent, checks, review, decision or truth."""
    attempt: int = 0
    started: float = 0.0
    """Seconds of the monotonic clock, which the processes of one machine share."""
    cost_usd: float = 0.0
    """US dollars of the turns whose cost is known."""
    cost_known: bool = True
    """False once a turn did not say what it cost."""
    act: str = ""
    """The agent's latest act, in one line."""


class RunningNow:
    """The scenarios under way, by node id, in the order they began."""

    def __init__(self) -> None:
        self._known: dict[str, Running] = {}

    def take(self, message: Mapping[str, Any]) -> None:
        """Bring what is known up to date.

        Args:
            message: ``node`` and any field of :class:`Running`; ``spent`` adds to the cost, where None is an
                unknown cost; ``ended`` removes the scenario.
        """
        node = str(message["node"])
        if message.get("ended"):
            self._known.pop(node, None)
            return
        known = self._known.get(node) or Running(name=str(message.get("name", node)), started=time.monotonic())
        changes = {key: value for key, value in message.items() if key not in {"node", "spent"}}
        if "spent" in message:
            spent = message["spent"]
            changes["cost_usd"] = known.cost_usd + (spent or 0.0)
            changes["cost_known"] = known.cost_known and spent is not None
        self._known[node] = replace(known, **changes)

    def end(self, node: str) -> None:
        """Forget a scenario; one that is not known is no error."""
        self._known.pop(node, None)

    def all(self) -> tuple[Running, ...]:
        """Return them, the longest running first."""
        return tuple(self._known.values())


def columns(running: Iterable[Running], now: float) -> list[tuple[str, ...]]:
    """Return one row of texts for each: name, agent, attempt, stage, elapsed, cost and latest act.

    Args:
        running: the scenarios under way.
        now: seconds of the same clock as their ``started``.
    """
    return [
        (
            one.name,
            one.agent,
            f"attempt {one.attempt}" if one.attempt else "",
            one.stage,
            elapsed(now - one.started),
            cost(one),
            one.act,
        )
        for one in running
    ]


def elapsed(seconds: float) -> str:
    """Return a length of time: ``4 s``, ``2:05`` or ``1:02:05``."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def cost(one: Running) -> str:
    """Return what the scenario cost until now; ``+?`` says that some turn did not tell."""
    return f"${one.cost_usd:.2f}{'' if one.cost_known else '+?'}"
