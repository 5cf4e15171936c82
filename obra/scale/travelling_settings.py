"""Which settings travel with a case: those that a scenario could set, too. The rest belongs to each machine."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from obra.config import Config
from obra.scenarios.scenario_settings import NOT_A_SCENARIOS, given


def travelling(config: Config) -> dict[str, tuple[Any, str]]:
    """Return what somebody set of *config* and a worker is to use as well: dotted key to value and origin.

    Programs, addresses, keys, folders and the database are each machine's own; a secret never travels. Rungs are
    chosen by the name of the agent, and a scenario's own settings stand in its file.
    """
    found = {}
    for steps, value in given(config.settings):
        key = ".".join(steps)
        above = {".".join(steps[:depth]) for depth in range(1, len(steps) + 1)}
        origin = config.origins.get(key, "")
        is_ours = origin.startswith(("rung ", "scenario ")) or not origin
        if not is_ours and not above & _STAYS and not isinstance(value, SecretStr):
            found[key] = (_plain(value), origin)
    return found


_STAYS = frozenset(NOT_A_SCENARIOS) | {"scale", "notifications", "telemetry"}
"""Keys and sections of the machine; ``notifications`` and ``telemetry`` name addresses and programs, too."""


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
