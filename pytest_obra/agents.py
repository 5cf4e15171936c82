"""Who works and who reviews: from names on the command line to settings, or to one list of what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from obra.config import RUNGS, Config
from obra.errors import ConfigError, ObraError, PluginError
from obra.plugins import AGENTS, LLMS, find_plugin
from obra.prerequisites import missing, require_real

UNLESS_SET: Mapping[str, Mapping[str, Any]] = {
    "llamacpp": {"llm.model": "", "llm.context_tokens": 8192, "llm.max_tokens": 2048},
}
"""What --obra-llm=NAME means beside llm.type where nobody says otherwise: the defaults are made for Ollama."""


def settings_for(name: str, config: pytest.Config) -> Config:
    """Return the settings that the agent *name* runs with.

    Raises:
        ConfigError: the file or an environment variable is wrong, or ``real`` is asked for and not configured.
        PluginError: nothing is called *name*.
    """
    found = Config.load(config.getoption("--obra-config"), rung=name)
    if config.getoption("--obra-record"):
        found.set("replay.record", value=True)
        found.origins["replay.record"] = "option --obra-record"
    if llm := config.getoption("--obra-llm"):
        _use_llm(found, llm)
    if name == "real":
        require_real(found)
    elif name not in RUNGS:
        try:
            find_plugin(AGENTS, name, also=RUNGS)
        except PluginError as error:
            raise ConfigError(f"--obra-agent={name}: {error}") from error
    return found


def _use_llm(found: Config, llm: str) -> None:
    try:
        find_plugin(LLMS, llm)
    except PluginError as error:
        raise ConfigError(f"--obra-llm={llm}: {error}") from error
    for key, value in UNLESS_SET.get(llm, {}).items():
        if key not in found.origins:
            found.set(key, value)
    found.set("llm.type", llm)
    found.origins["llm.type"] = "option --obra-llm"


def verify(config: pytest.Config, names: tuple[str, ...]) -> None:
    """Stop the run at once, with one list, when an agent that was asked for cannot work.

    Raises:
        pytest.UsageError: a name, the configuration or a prerequisite is wrong or missing (exit code 4).
    """
    lacking: dict[str, None] = {}
    for name in names:
        try:
            lacking.update(dict.fromkeys(missing(settings_for(name, config))))
        except ObraError as error:
            raise pytest.UsageError(str(error)) from error
    if lacking:
        lines = "".join(f"\n  - {item}" for item in lacking)
        asked = f"--obra-agent={','.join(names)}"
        if llm := config.getoption("--obra-llm"):
            asked += f" --obra-llm={llm}"
        raise pytest.UsageError(f"{asked} cannot run, this is missing:{lines}")
