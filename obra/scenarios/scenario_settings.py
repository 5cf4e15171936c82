"""``settings:`` of a scenario: which keys it may set, and where they stand among the other sources.

Weakest first: the defaults, the file of settings, the scenario, environment variables, the rung
(``--obra-agent``), options of the command line. So a scenario can ask for another model than the file names, and
nothing that somebody typed for this run can be undone by a file that came with a repository.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from obra.config import Config
from obra.errors import ScenarioError
from obra.settings import Section, Settings
from obra.wrong_values import Location, ValueProblem

if TYPE_CHECKING:
    from obra.scenarios.scenario import Scenario

NOT_A_SCENARIOS: Mapping[str, str] = {
    "agent.type": "--obra-agent says who works",
    "agent.permission_mode": "it bounds what an agent may do on this machine",
    "agent.allowed_tools": "it bounds what an agent may do on this machine; see 'permissions:'",
    "agent.sandbox": "it bounds what an agent may do on this machine",
    "agent.sandbox_network": "it bounds what an agent may do on this machine",
    "agent.options": "it may name programs and addresses of this machine",
    "agent.local": "it names programs, addresses and logins of this machine",
    "agent.ssh": "it names programs, addresses and logins of another machine",
    "llm.api_url": "a key may be sent there",
    "llm.api_key": "a secret does not stand in a scenario",
    "llm.parallel": "it says what the server can do",
    "database": "it is where everything is stored",
    "workspace.root": "it is a place on this machine",
    "workspace.store": "it is a place on this machine",
    "replay": "--obra-agent and --obra-record say what is played",
    "scale": "it is where workers and you meet",
    "logging": "it belongs to who runs the scenario",
}
"""Keys and sections that belong to the machine or to the person who runs the scenario, and why."""

_STRONGER = ("environment ", "rung ", "option ", "Config.set")
"""How the origins begin that a scenario stands below."""


def problems_of_settings(settings: Settings) -> Iterator[ValueProblem]:
    """Yield one problem for each key that a scenario may not set; values are never shown."""
    for steps, _ in given(settings):
        for depth in range(1, len(steps) + 1):
            if why := NOT_A_SCENARIOS.get(".".join(steps[:depth])):
                place: Location = ("settings", *steps)
                key = ".".join(map(str, place))
                yield ValueProblem(
                    place, f"'{key}': a scenario cannot set it: {why}; set it in a file of settings"
                )
                break


def given(section: Section, steps: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the keys that somebody gave, as steps, each with its value; what is default is left out."""
    for name in type(section).model_fields:
        if name in section.model_fields_set:
            value = getattr(section, name)
            if isinstance(value, Section):
                yield from given(value, (*steps, name))
            else:
                yield (*steps, name), value


def require_settings(scenario: Scenario, config: Config) -> None:
    """Pass when *config* was made with the settings of *scenario*, so that none of them is silently left out.

    Raises:
        ScenarioError: it was not.
    """
    for steps, value in given(scenario.form.settings) if scenario.form.settings is not None else ():
        key = ".".join(steps)
        origin = config.origins.get(key, "")
        if config.get(key) != value and not origin.startswith((*_STRONGER, "scenario ")):
            raise ScenarioError(
                f"{scenario.path}: 'settings.{key}' is not in force: the settings were made before the scenario "
                f"was known. Let the test take the fixture 'scenario', or make them with "
                f"obra.scenarios.scenario_settings.with_settings"
            )


def with_settings(config: Config, scenario: Scenario) -> Config:
    """Return *config* with a scenario's settings put where nothing stronger stands; *config* is not changed.

    Args:
        config: the settings without those of a scenario.
        scenario: its name is shown as where these come from.
    """
    found = Config(config.settings, config.origins)
    for steps, value in given(scenario.form.settings) if scenario.form.settings is not None else ():
        key = ".".join(steps)
        if not found.origins.get(key, "").startswith(_STRONGER):
            found.set(key, value)
            found.origins[key] = f"scenario {scenario.name}"
    return found
