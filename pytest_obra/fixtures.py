"""The fixture ladder: each fixture is the one seam for one thing. Override one, and those above it follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_obra.repeats import Repeat, repeat_of

if TYPE_CHECKING:
    from obra.config import Config
    from obra.domain import Fault
    from obra.llm.local_llm_interface import LocalLLMInterface
    from obra.orchestrator import Orchestrator
    from obra.plugins import AgentPlugin, LLMPlugin
    from obra.scenarios.scenario import Scenario
    from obra.scenarios.scenario_run import ScenarioReport
    from obra.state.state_manager import StateManager


@pytest.fixture
def obra_request(request: pytest.FixtureRequest) -> pytest.FixtureRequest:
    """Return who asks: the test's own request, once for all fixtures here; pytest makes a new one for each."""
    return request


@pytest.fixture
def obra_agent_name(obra_request: pytest.FixtureRequest) -> str:
    """Name of the agent at work, one for each --obra-agent: mock, replay, real or an agent's own name."""
    name: str = obra_request.node.callspec.params["obra_agent_name"]
    return name


@pytest.fixture
def obra_repeat(obra_request: pytest.FixtureRequest) -> Repeat:
    """Which run of its case this is: ``number`` (from 1), ``of``, and ``bare`` for one without Obra."""
    return repeat_of(obra_request.node)


@pytest.fixture
def obra_config(obra_request: pytest.FixtureRequest, obra_agent_name: str) -> Config:
    """Settings for the agent at work: defaults, file, scenario, environment; yours to change with set()."""
    from obra.config import Config
    from obra.scenarios.scenario_settings import with_settings
    from pytest_obra.running import scenario_of
    from pytest_obra.shared import shared

    found = shared(obra_request.config).settings_for(obra_agent_name)
    scenario = scenario_of(obra_request)
    return with_settings(found, scenario) if scenario else Config(found.settings, found.origins)


@pytest.fixture
def obra_workspace(obra_request: pytest.FixtureRequest) -> Path:
    """Folder that the agent works in: empty, and this test's own; with --obra-resume, that of the run before.

    It lies in pytest's temporary folder, and stays there as long as pytest keeps that.
    """
    if obra_request.config.getoption("--obra-resume"):
        from pytest_obra.running import interrupted_of

        task = interrupted_of(obra_request)
        if task is not None:
            state = obra_request.getfixturevalue("obra_state")
            return Path(state.get_project(state.get_task(task).project_id).working_dir)
    if obra_request.config.getini("tmp_path_retention_policy") != "all":
        # pytest removes it as that policy says
        root: Path = obra_request.getfixturevalue("tmp_path") / "workspace"
    else:
        from pytest_obra.shared import shared

        # Named as an argument, the factory would keep the request of each test to the end of the run.
        # To ask for it costs as much as the rest of this fixture, so only the first test does.
        root = shared(obra_request.config).new_folder(
            lambda: obra_request.getfixturevalue("tmp_path_factory"), obra_request.node.name
        )
    root.mkdir()
    return root


@pytest.fixture
def obra_state(obra_request: pytest.FixtureRequest, obra_config: Config) -> StateManager:
    """The state database that obra_config names; shared by the tests of one process."""
    from pytest_obra.shared import shared

    return shared(obra_request.config).state_for(obra_config)


@pytest.fixture
def obra_faults(obra_request: pytest.FixtureRequest) -> Sequence[Fault]:
    """What goes wrong on purpose: the scenario's ``faults:``; define it anew to make something else go wrong."""
    from pytest_obra.running import scenario_of

    scenario = scenario_of(obra_request)
    return scenario.faults if scenario else ()


@pytest.fixture
def obra_agent(
    obra_request: pytest.FixtureRequest, obra_config: Config, obra_workspace: Path, obra_faults: Sequence[Fault]
) -> Iterator[AgentPlugin]:
    """The agent, ready to take prompts in obra_workspace; ended and cleaned up after the test.

    For a scenario with several tasks the loop makes it ready, once for each of them.
    """
    from obra.bootstrap import session_opener
    from obra.errors import AgentUnavailable
    from obra.plugins import AGENTS, find_plugin
    from obra.replay.model_doors import Rehearsal
    from pytest_obra.running import broke, played_of, scenario_of

    scenario, played = scenario_of(obra_request), played_of(obra_request)
    agent: AgentPlugin = find_plugin(AGENTS, obra_config.settings.agent.type)()
    if scenario and scenario.is_several:
        yield agent
        agent.cleanup()
        return
    rehearsal = Rehearsal(
        script=played.rest_of_script(scenario.script) if scenario else None,
        played=played.prompts,
        faults=played.rest_of_faults(obra_faults),
        tape=scenario.tape(obra_config) if scenario else None,
    )
    ask_about = [rule.tool for rule in scenario.permissions] if scenario else ()
    opened = session_opener(obra_config, agent, rehearsal, ask_about=ask_about)
    try:
        with opened(obra_workspace):
            yield agent
    except AgentUnavailable:
        # such as a question that no cassette answers: it ends the turn, and is told again here
        if not broke(obra_request):
            raise


@pytest.fixture
def obra_llm(obra_request: pytest.FixtureRequest, obra_config: Config) -> Iterator[LLMPlugin]:
    """The LLM that reviews, closed after the test; the scripted one plays the scenario's ``reviewer:``."""
    from obra.bootstrap import make_llm
    from obra.plugins import close_llm
    from pytest_obra.running import played_of, scenario_of

    scenario = scenario_of(obra_request)
    llm = make_llm(obra_config, scenario.reviewer if scenario else None, played_of(obra_request).reviews)
    yield llm
    close_llm(llm)


@pytest.fixture
def obra_ollama(obra_config: Config) -> Iterator[LocalLLMInterface]:
    """A reachable Ollama with the configured model; the test is skipped, with the reason, where there is none."""
    from obra.llm.local_llm_interface import LocalLLMInterface

    llm = LocalLLMInterface(obra_config.settings.llm.model_dump())
    if lacking := llm.missing():
        llm.close()
        pytest.skip("; ".join(lacking))
    yield llm
    llm.close()


@pytest.fixture
def obra(
    obra_request: pytest.FixtureRequest,
    obra_config: Config,
    obra_agent: AgentPlugin,
    obra_llm: LLMPlugin,
    obra_state: StateManager,
) -> Iterator[Orchestrator]:
    """The loop, put together from the fixtures above and ready to execute tasks."""
    from obra.orchestrator import Orchestrator
    from pytest_obra.live.feed import observers
    from pytest_obra.running import scenario_of

    scenario = scenario_of(obra_request)
    with Orchestrator(
        obra_config,
        observers=observers(
            obra_request,
            name=scenario.name if scenario else obra_request.node.name,
            agent=obra_request.getfixturevalue("obra_agent_name"),
        ),
        permissions=scenario.permissions if scenario else (),
        agent=obra_agent,
        agent_is_ready=not (scenario and scenario.is_several),
        llm=obra_llm,
        state_manager=obra_state,
    ) as orchestrator:
        yield orchestrator


@pytest.fixture
def run_scenario(
    obra_request: pytest.FixtureRequest, obra_agent_name: str, obra_workspace: Path, obra_repeat: Repeat
) -> Callable[[Scenario], ScenarioReport]:
    """Run one scenario through the whole road and return its report; call it once in a test.

    The agent is made when it is called, so that a scripted one gets the script of that very scenario.
    """
    from pytest_obra.running import runner

    return runner(obra_request, obra_agent_name, obra_workspace, obra_repeat)
