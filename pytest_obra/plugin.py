"""What pytest sees: options, markers, collection of ``*.obra.yaml``, and honest outcomes.

This module is imported in every pytest run of an environment that has Obra, so it imports nothing heavy.
FAILED means that the agent or the verdict was bad; ERROR means that the machinery broke.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_obra import PACKED, SUFFIX
from pytest_obra.fixtures import (
    obra,
    obra_agent,
    obra_agent_name,
    obra_config,
    obra_faults,
    obra_llm,
    obra_ollama,
    obra_repeat,
    obra_request,
    obra_state,
    obra_workspace,
    run_scenario,
)
from pytest_obra.options import add_statistics_options, check_statistics_options
from pytest_obra.repeats import parametrize_repeats

if TYPE_CHECKING:
    from pytest_obra.collection import ScenarioFile

__all__ = [
    "obra",
    "obra_agent",
    "obra_agent_name",
    "obra_config",
    "obra_faults",
    "obra_llm",
    "obra_ollama",
    "obra_repeat",
    "obra_request",
    "obra_state",
    "obra_workspace",
    "run_scenario",
]

_SCRIPTED_RUNG = re.compile(r"mock|(cassette|replay)(:\w+)?")

_LOOKS_ONLY = ("collectonly", "setupplan", "setuponly", "showfixtures", "show_fixtures_per_test")
"""With one of these options pytest collects and runs no test, so there is nothing to report."""

_MARKERS = {
    "obra_scenarios": "obra_scenarios(*patterns, tags=()): run this test once for each scenario file that a "
    "pattern matches (relative to the root folder, or to the test's own); tags= keeps those that have one of "
    "these markers. The test takes the fixtures 'scenario' and 'run_scenario'.",
    "obra_real": "obra_real: this test needs a real agent; it is skipped unless --obra-agent names one "
    "(real, or an agent of yours).",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of Obra."""
    group = parser.getgroup("obra", "Obra: scenarios that prove what a coding agent did")
    group.addoption(
        "--obra-agent",
        action="append",
        metavar="NAME",
        help="who does the work: mock (the scenario's script, in process; the default), replay (the same script "
        "through the real Claude Code binary, its model on loopback; replay:terminal does it to the interactive "
        "program, replay:codex, replay:gemini, replay:opencode and replay:acp to another agent), cassette (the "
        "real agent, its model played back from a recording; cassette:codex and so on for the others), real (the "
        "configured agent and LLM), or the name of an installed agent. May be given several times: each scenario "
        "then runs once for each.",
    )
    group.addoption(
        "--obra-llm",
        metavar="NAME",
        help="who reviews, whatever the agent: scripted, ollama, openai, llamacpp or another installed LLM; goes "
        "before llm.type of the settings",
    )
    group.addoption("--obra-config", metavar="FILE", help="a YAML file of settings (see: obra config --default)")
    group.addoption(
        "--obra-report-dir",
        metavar="DIR",
        help="where each run leaves <run id>/results.jsonl, summary.json and report.md (default: reports, "
        "in the root folder)",
    )
    group.addoption(
        "--obra-live",
        choices=("auto", "lines", "plain", "off"),
        default="auto",
        help="how running scenarios are shown: lines (one for each, kept up to date at the foot of the terminal), "
        "plain (a line now and then, for logs), off, or auto (lines on a terminal, plain elsewhere; the "
        "default). With -s the conversation is shown instead",
    )
    group.addoption(
        "--obra-live-every",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="with --obra-live=plain: seconds between two lines about the same scenario (default: 30)",
    )
    group.addoption(
        "--obra-record",
        action="store_true",
        help="write down what the agent and its model say to each other, one cassette for each scenario and "
        "agent, in the folder 'cassettes' beside the scenario; --obra-agent=cassette plays them back without a "
        "model ('obra record' does the same from the shell)",
    )
    group.addoption(
        "--obra-sabotage",
        action="store_true",
        help="instead of each scenario, run dishonest agents that are made from its script, none of which may be "
        "accepted, and honest ones in odd clothes, all of which must; the closing matrix shows which check caught "
        "whom, and where the scenario's acceptance criteria have a hole.",
    )
    group.addoption(
        "--obra-resume",
        action="store_true",
        help="go on with the newest run of the report folder, if it was killed or stopped: scenarios that it has "
        "finished are not run again (their rows are taken over, marked 'taken_over'), and those that it left half "
        "done go on behind their last finished step; one whose file has changed since runs anew. Give the same "
        "other options as before",
    )
    group.addoption(
        "--obra-engine",
        choices=("dbos",),
        help="dbos: hand the scenario files to workers ('obra worker' with the same database.url, on any machine; "
        "extra 'scale') and collect their results as ordinary tests",
    )
    add_statistics_options(group)


def agent_names(config: pytest.Config) -> tuple[str, ...]:
    """Return what --obra-agent asks for, without doubles; mock when it is not given."""
    return tuple(dict.fromkeys(config.getoption("--obra-agent") or ("mock",)))


def pytest_configure(config: pytest.Config) -> None:
    """Register markers; stop at once, with one list, when an agent that was asked for cannot work."""
    for line in _MARKERS.values():
        config.addinivalue_line("markers", line)
    if config.pluginmanager.hasplugin("allure_pytest") and config.getoption("--alluredir"):
        from pytest_obra.reporters.allure_surface import AllureSurface

        config.pluginmanager.register(AllureSurface(config), "obra-allure-surface")
    if config.getoption("--obra-resume"):
        from pytest_obra.resuming import ResumedRun

        config.pluginmanager.register(ResumedRun(config), "obra-resumed-run")
    if hasattr(config, "workerinput"):
        from pytest_obra.live.view import follow_worker
        from pytest_obra.wire import Packing

        follow_worker(config)
        config.pluginmanager.register(Packing(), "obra-packing")
        return
    if config.getoption("--obra-sabotage") and agent_names(config) != ("mock",):
        raise pytest.UsageError(
            f"--obra-sabotage plays its agents in process; leave out --obra-agent={','.join(agent_names(config))}"
        )
    check_statistics_options(config)
    if config.getoption("--obra-engine"):
        from pytest_obra.engine import RemoteCases

        config.pluginmanager.register(RemoteCases(config), "obra-engine")
    if any(map(config.getoption, ("--obra-agent", "--obra-llm", "--obra-config", "--obra-record"))):
        from pytest_obra.agents import verify

        verify(config, agent_names(config))
    if not any(config.getoption(name, None) for name in _LOOKS_ONLY):
        _follow(config)


def _follow(config: pytest.Config) -> None:
    """Let a run be shown, counted, judged and written down."""
    from pytest_obra.live.view import show_live
    from pytest_obra.reckoning import Reckoning
    from pytest_obra.reporters.run_files import RunFiles

    reckoning = Reckoning(config)
    config.pluginmanager.register(reckoning, "obra-reckoning")
    config.pluginmanager.register(RunFiles(config, reckoning), "obra-run-files")
    show_live(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Take every ``*.obra.yaml`` as a test module, and no other YAML."""
    if not file_path.name.endswith(SUFFIX):
        return None
    from pytest_obra.collection import ScenarioFile
    from pytest_obra.garbage import rest

    rest(parent.config)
    return ScenarioFile.of(parent, file_path)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """End what only collecting scenario files needed."""
    if "pytest_obra.garbage" in sys.modules:
        from pytest_obra.garbage import go_on

        go_on(session.config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test its agents, and each scenario test its scenarios."""
    if "obra_agent_name" in metafunc.fixturenames:
        metafunc.parametrize("obra_agent_name", agent_names(metafunc.config), indirect=True, scope="function")
    if "obra_variant" in metafunc.fixturenames and hasattr(metafunc.module, "obra_variants"):
        from pytest_obra.sabotage import parametrize_variants

        parametrize_variants(metafunc)
        return
    mark = metafunc.definition.get_closest_marker("obra_scenarios")
    if "scenario" in metafunc.fixturenames and (mark or hasattr(metafunc.module, "obra_scenarios")):
        from pytest_obra.collection import parametrize_scenarios

        parametrize_scenarios(metafunc, mark)
    elif "obra_repeat" in metafunc.fixturenames:
        parametrize_repeats(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Skip what needs a real agent where none was asked for."""
    skip = pytest.mark.skip(reason="needs a real agent: run it with --obra-agent=real")
    for item in items:
        if item.get_closest_marker("obra_real"):
            callspec = getattr(item, "callspec", None)
            name = callspec.params.get("obra_agent_name") if callspec else None
            names = (name,) if name else agent_names(config)
            if all(_SCRIPTED_RUNG.fullmatch(one) for one in names):
                item.add_marker(skip)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost: Allure must see the phase that pytest saw
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Carry a scenario's row on its report, and keep broken machinery apart from a bad agent."""
    report = yield
    if "obra_agent_name" not in getattr(item, "fixturenames", ()):
        return report
    from pytest_obra.running import annotate, forget

    annotate(item, call, report)
    if call.when == "teardown":
        forget(item)
    if item.config.getoption("--obra-sabotage"):
        from pytest_obra.sabotage import annotate_variant

        annotate_variant(item, call, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_from_serializable(
    data: dict[str, Any],
) -> Generator[
    None, pytest.TestReport | pytest.CollectReport | None, pytest.TestReport | pytest.CollectReport | None
]:
    """Unpack what an xdist worker packed."""
    if PACKED in data:
        from pytest_obra.wire import unpacked

        unpacked(data)
    return (yield)


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Show a run that broke down as ERROR, also when it broke inside the test's own call."""
    if getattr(report, "obra_broke", False) and report.outcome != "rerun":
        return "error", "E", "ERROR"
    return None
