"""Running scenarios inside pytest: what a process shares, one run, and what its report carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from obra.errors import ObraError
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import ScenarioReport
from obra.scenarios.scenario_run import run_scenario as run
from pytest_obra.options import has_ledger
from pytest_obra.reckoning import LEDGER_ADDRESS
from pytest_obra.repeats import Repeat, repeat_of
from pytest_obra.reporters.terminal import error_text, failure_text

if TYPE_CHECKING:
    from obra.orchestrator import Orchestrator
    from obra.resuming import Played
    from pytest_obra.engine import RemoteCases
    from pytest_obra.ledger import Ledger
    from pytest_obra.resuming import ResumedRun

_PREFIX = "obra_"
_PROPERTIES = {
    f"{_PREFIX}{key}": key
    for key in (
        "case",
        "agent",
        "repeat",
        "result",
        "status",
        "iterations",
        "quality",
        "confidence",
        "seconds",
        "cost_usd",
        "tokens",
    )
}
"""Properties of a test, and the keys of its row."""


@dataclass(slots=True)
class _Run:
    """What a test is about, in one place: each key of a stash costs memory in each of thousands of tests."""

    scenario: Scenario | None = None
    """The one that was given to ``run_scenario``."""
    report: ScenarioReport | None = None
    execution: int = 0
    """How often the test told of its scenario: a plugin that runs a failed test again keeps the item."""

    @property
    def is_open(self) -> bool:
        """True when the scenario began and has no report."""
        return self.scenario is not None and self.report is None


_RUN = pytest.StashKey[_Run]()
_TAKEN = pytest.StashKey[dict[str, Any]]()
"""The row of a scenario that a run which was interrupted had finished."""
_INTERRUPTED = pytest.StashKey[int | None]()
"""The task that an interrupted run left half done for this test."""
_NOT_RUN = pytest.StashKey[tuple[str, str]]()
"""Why a test did not run its scenario: ``not_needed`` or ``left_out``, and a sentence."""
_BROKE = pytest.StashKey[bool]()
"""The machinery broke while the test ran."""
_NOTHING = _Run()
"""Stands for the run of a test that did not come to it; never changed."""
_LEDGER = pytest.StashKey["Ledger"]()


def scenario_of(request: pytest.FixtureRequest) -> Scenario | None:
    """Return the scenario that the asking test runs: the one given to run_scenario, or its parameter."""
    node = request.node
    told: _Run = node.stash.get(_RUN, _NOTHING)
    if told.scenario is not None:
        return told.scenario
    callspec = getattr(node, "callspec", None)
    parameter = callspec.params.get("scenario") if callspec else None
    return parameter if isinstance(parameter, Scenario) else None


def broke(request: pytest.FixtureRequest) -> bool:
    """Tell whether the machinery broke while the asking test ran, so that its error is told already."""
    return bool(request.node.stash.get(_BROKE, False))


def runner(
    request: pytest.FixtureRequest, agent_name: str, workspace: Path, repeat: Repeat
) -> Callable[[Scenario], ScenarioReport]:
    """Return the function behind the fixture ``run_scenario``."""
    stash: pytest.Stash = request.node.stash
    told = stash.setdefault(_RUN, _Run())
    told.scenario = told.report = None  # of the same test's execution before, when a plugin runs it again
    if _TAKEN in stash:
        del stash[_TAKEN]
    if _BROKE in stash:
        del stash[_BROKE]

    def run_scenario(scenario: Scenario) -> ScenarioReport:
        if told.scenario is not None:
            raise pytest.UsageError(
                f"run_scenario was called twice in {request.node.nodeid}; one test runs one scenario: "
                f"use @pytest.mark.obra_scenarios to get a test for each"
            )
        told.scenario = scenario
        _skip_if_left_out(request, scenario, agent_name, repeat)
        if repeat.bare:
            report = _run_bare(request, scenario, agent_name, workspace, repeat)
        else:
            report = (
                _taken_over(request, scenario)
                or _from_workers(request, scenario)
                or _run(request, scenario, agent_name, workspace, repeat)
            )
        told.report = report
        if request.config.pluginmanager.hasplugin("allure_pytest") and request.config.getoption("--alluredir"):
            from pytest_obra.reporters.allure_steps import attach

            patterns = dict(request.config.getoption("allure_link_pattern"))
            attach(report, link_breakpoints="breakpoint" in patterns)
        return report

    return run_scenario


def _run(
    request: pytest.FixtureRequest, scenario: Scenario, agent_name: str, workspace: Path, repeat: Repeat
) -> ScenarioReport:
    from pytest_obra.resuming import told_of

    orchestrator: Orchestrator = request.getfixturevalue("obra")
    return run(
        scenario,
        orchestrator,
        root=workspace,
        agent=agent_name,
        repeat=repeat.number,
        interrupted=interrupted_of(request),
        told=told_of(request.node.nodeid, scenario),
    )


def _taken_over(request: pytest.FixtureRequest, scenario: Scenario) -> ScenarioReport | None:
    """Return the report of a scenario that the interrupted run has finished."""
    resumed: ResumedRun | None = request.config.pluginmanager.get_plugin("obra-resumed-run")
    if resumed is None or request.node.nodeid not in resumed.resumption.rows:
        return None
    found: ScenarioReport | None = resumed.resumption.report(
        request.node.nodeid, scenario, request.getfixturevalue("obra_state")
    )
    if found is not None:
        request.node.stash[_TAKEN] = resumed.resumption.rows[request.node.nodeid]
    return found


def _from_workers(request: pytest.FixtureRequest, scenario: Scenario) -> ScenarioReport | None:
    """Return the report of a scenario that was handed to workers, once one of them has brought it to its end.

    Raises:
        RemoteRunFailed: the machinery broke there, or no worker lives.
    """
    engine: RemoteCases | None = request.config.pluginmanager.get_plugin("obra-engine")
    if engine is None or request.node.nodeid not in engine.ids:
        return None
    from obra.reports.report_of_row import report_of

    row = engine.row(request.node.nodeid)
    request.node.stash[_TAKEN] = row
    return report_of(row, scenario, request.getfixturevalue("obra_state"))


def interrupted_of(request: pytest.FixtureRequest) -> int | None:
    """Return the task that an interrupted run left half done for the asking test, with ``--obra-resume``."""
    scenario = scenario_of(request)
    resumed: ResumedRun | None = request.config.pluginmanager.get_plugin("obra-resumed-run")
    if resumed is None or scenario is None:
        return None
    if request.node.nodeid in resumed.resumption.rows:  # finished
        return None
    stash = request.node.stash
    if _INTERRUPTED not in stash:
        state = request.getfixturevalue("obra_state")
        stash[_INTERRUPTED] = resumed.resumption.left_behind(request.node.nodeid, scenario, state)
    found: int | None = stash[_INTERRUPTED]
    return found


def played_of(request: pytest.FixtureRequest) -> Played:
    """Return how much of its scripts the asking test's interrupted run has played; mostly nothing.

    Of several tasks each plays its own, from where it is.
    """
    from obra.resuming import Played, played

    task, scenario = interrupted_of(request), scenario_of(request)
    return (
        Played()
        if task is None or scenario is None or scenario.is_several
        else played(request.getfixturevalue("obra_state"), task)
    )


def _run_bare(
    request: pytest.FixtureRequest, scenario: Scenario, agent_name: str, workspace: Path, repeat: Repeat
) -> ScenarioReport:
    from obra.scenarios.bare_run import run_bare

    agent, config = request.getfixturevalue("obra_agent"), request.getfixturevalue("obra_config")
    return run_bare(scenario, agent, config, root=workspace, name=agent_name, repeat=repeat.number)


def _skip_if_left_out(request: pytest.FixtureRequest, scenario: Scenario, agent_name: str, repeat: Repeat) -> None:
    """Skip a run that the budget does not allow or the gate does not need any more; the reason goes with it."""
    ledger = _ledger(request.config)
    if ledger is None:
        return
    key = (f"{scenario.path}:{scenario.case}", agent_name, repeat.bare)
    reason, kind = ledger.certain(key, repeat), "not_needed"
    if not reason:
        reason, kind = ledger.left_out(), "left_out"
    if reason:
        request.node.stash[_NOT_RUN] = (kind, reason)
        pytest.skip(reason)


def _ledger(config: pytest.Config) -> Ledger | None:
    """Return what the workers of this run share, when an option asks for it; opened once in each process."""
    if not has_ledger(config):
        return None
    if _LEDGER not in config.stash:
        from pytest_obra.ledger import WORKER_INPUT, open_ledger

        worker = getattr(config, "workerinput", None)
        path, started = worker[WORKER_INPUT] if worker else config.stash[LEDGER_ADDRESS]
        config.stash[_LEDGER] = open_ledger(config, path, started)
    return config.stash[_LEDGER]


def make_test() -> Callable[..., None]:
    """Return the test function of one scenario file; each file needs a function object of its own."""

    def test_scenario(scenario: Scenario, run_scenario: Callable[[Scenario], ScenarioReport]) -> None:
        report = run_scenario(scenario)
        if not report.passed and not report.bare:  # how an agent fares alone is measured, and fails nobody
            pytest.fail(failure_text(report), pytrace=False)

    return test_scenario


def annotate(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Put the scenario's row on its report, and tell broken machinery from a bad agent.

    Extra attributes of a report travel to the xdist controller with it, as long as they are plain data.
    """
    from obra.reports.rows import error_row, row_of

    error = call.excinfo.value if call.excinfo else None
    told = item.stash.get(_RUN, _NOTHING)
    scenario = told.scenario
    _do_not_expect_to_break(report, error, told)
    if isinstance(error, ObraError):
        report.longrepr = error_text(error)
    # A scenario that began and has no report broke off: by an error of any kind, or by a limit of pytest's.
    broke_off = report.failed and told.is_open
    if isinstance(error, ObraError) or broke_off:
        if call.when == "call":
            # Whoever counts failures by phase (JUnit among them) shall see an error, not a failed test.
            report.when = "run"  # type: ignore[assignment]  # a phase of our own
            item.stash[_BROKE] = True
        vars(report)["obra_broke"] = True
    if report.skipped and (scenario or "scenario" in getattr(getattr(item, "callspec", None), "params", ())):
        vars(report)["obra_skipped"] = True
    if scenario is None:
        return
    if call.when == "call" and told.report is not None:
        row: dict[str, Any] = item.stash.get(_TAKEN, {}) or row_of(told.report, node=item.nodeid)
    elif report.failed:
        callspec, repeat = getattr(item, "callspec", None), repeat_of(item)
        row = error_row(
            scenario=scenario.name,
            case=scenario.case,
            agent=callspec.params.get("obra_agent_name", "") if callspec else "",
            path=str(scenario.path),
            node=item.nodeid,
            message=str(error),
            repeat=repeat.number,
            bare=repeat.bare,
        )
    else:
        if report.skipped and _NOT_RUN in item.stash:
            vars(report)["obra_not_run"] = item.stash[_NOT_RUN]
        return
    told.execution += 1
    row["execution"] = told.execution
    vars(report)["obra_row"] = row
    ledger = _ledger(item.config)
    if ledger is not None:
        ledger.record((f"{row['path']}:{row['case']}", row["agent"], row["bare"]), row["repeat"], row)
    # One list for both: pytest keeps item and report to the end.
    item.user_properties = report.user_properties = [*_others(item.user_properties), *properties_of(row)]


def _do_not_expect_to_break(report: pytest.TestReport, error: BaseException | None, told: _Run) -> None:
    """Take ``xfail`` from a scenario that broke off: nobody knows whether its agent fails, as is expected."""
    broke = isinstance(error, ObraError) or (told.is_open and not isinstance(error, pytest.xfail.Exception))
    if broke and report.skipped and hasattr(report, "wasxfail"):
        report.outcome = "failed"
        del report.wasxfail


def forget(item: pytest.Item) -> None:
    """Let go of what a test showed: its report is written, and pytest keeps its items to the end."""
    told = item.stash.get(_RUN, None)
    if told is not None:
        told.report = None
        if told.scenario is not None:
            told.scenario.release()
    if _TAKEN in item.stash:
        del item.stash[_TAKEN]


def properties_of(row: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Return what JUnit's files show of a row; an unknown cost or score is the word ``unknown``."""
    return [_property(name, "unknown" if row[key] is None else row[key]) for name, key in _PROPERTIES.items()]


@lru_cache(maxsize=256, typed=True)
def _property(name: str, value: object) -> tuple[str, object]:
    """Return a property; pytest keeps those of every test, and most say the same in each."""
    return name, value


def _others(properties: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    """Yield the properties that are not ours: a test that is run again must not have ours twice."""
    return ((name, value) for name, value in properties if not name.startswith(_PREFIX))
