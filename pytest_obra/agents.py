"""Who does the work: from a name on the command line to settings, or to one list of what is missing."""

from __future__ import annotations

import pytest

from obra.config import RUNGS, Config
from obra.errors import ConfigError, ObraError, PluginError
from obra.plugins import AGENTS, find_plugin
from obra.prerequisites import missing, require_real


def settings_for(name: str, config: pytest.Config) -> Config:
    """Return the settings that the agent *name* runs with.

    Raises:
        ConfigError: the file or an environment variable is wrong, or ``real`` is asked for and not configured.
        PluginError: nothing is called *name*.
    """
    found = Config.load(config.getoption("--obra-config"), rung=name)
    if name == "real":
        require_real(found)
    elif name not in RUNGS:
        try:
            find_plugin(AGENTS, name, also=RUNGS)
        except PluginError as error:
            raise ConfigError(f"--obra-agent={name}: {error}") from error
    return found


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
        raise pytest.UsageError(f"--obra-agent={','.join(names)} cannot run, this is missing:{lines}")
