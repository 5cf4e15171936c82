"""``--obra-engine=dbos``: scenario files are run by workers, and each test waits for the row of its own case."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from obra.scale.durable_runner import CaseToRun, DurableRunner

_NOT_TOGETHER = (
    "--obra-bare",
    "--obra-sabotage",
    "--obra-resume",
    "--obra-record",
    "--obra-early-stop",
    "--obra-budget-usd",
    "--obra-budget-tokens",
    "--obra-budget-seconds",
)
"""Options that decide, test by test, what is run in this process."""


class RemoteCases:
    """Submits what was collected, once, and gives out rows.

    Attributes:
        ids: case ids by node id; tests in Python run here, since they may bring fixtures that no worker has.

    Raises:
        pytest.UsageError: an option cannot be kept by workers, or workers cannot be reached.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.ids: dict[str, str] = {}
        self._name = ""
        self._runner: DurableRunner | None = None
        for option in _NOT_TOGETHER:
            if config.getoption(option):
                raise pytest.UsageError(f"--obra-engine=dbos runs scenarios on workers; leave out {option}")
        if config.getoption("numprocesses", None):
            raise pytest.UsageError("--obra-engine=dbos: workers run side by side already; leave out -n")

    @pytest.hookimpl(tryfirst=True)  # the terminal asks at once what there is to be said of it
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Put what is to be run on the queue."""
        from obra.errors import ObraError
        from obra.scale.durable_runner import DurableRunner
        from pytest_obra.agents import settings_for
        from pytest_obra.plugin import agent_names

        cases = dict(self._cases(session.items))
        if not cases or self._config.getoption("collectonly"):
            return
        try:
            self._runner = DurableRunner(settings_for(agent_names(self._config)[0], self._config))
            self._name, ids = self._runner.submit(list(cases.values()))
        except ObraError as error:
            raise pytest.UsageError(f"--obra-engine=dbos: {error}") from error
        self.ids = dict(zip(cases, ids, strict=True))

    def pytest_report_collectionfinish(self) -> str | None:
        """Say what was submitted, so that it can be followed from elsewhere."""
        return f"obra: submission {self._name}, {len(self.ids)} case(s) for workers" if self._name else None

    def row(self, node: str) -> dict[str, Any]:
        """Return the row of a test's case, when it is over.

        Raises:
            RemoteRunFailed: there is no verdict.
        """
        from obra.errors import RemoteRunFailed
        from obra.reports.rows import MACHINERY_BROKE

        assert self._runner is not None  # noqa: S101  # there is one where there are ids; tells mypy so
        (case,) = self._runner.wait(self.ids[node], self._tell, start=self._start())
        if case.state == MACHINERY_BROKE:
            raise RemoteRunFailed(f"{case.reason} (case {case.id}, on worker {case.worker})")
        return {**self._runner.row(case), "node": node}

    def _tell(self, text: str) -> None:
        """Show a line at once, also while pytest captures what a test prints."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        if reporter is not None:
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                reporter.ensure_newline()
                reporter.write_line(f"obra: {text}", flush=True)

    def _start(self) -> str:
        """Return the command that starts a worker which takes these cases."""
        file = self._config.getoption("--obra-config")
        return f"obra worker --config {shlex.quote(str(file))}" if file else "obra worker"

    def pytest_unconfigure(self) -> None:
        """Cancel what nobody waits for any more, and let go of the database."""
        if self._runner is not None:
            if self._name:
                self._runner.cancel(self._name)
            self._runner.close()

    def _cases(self, items: Iterable[pytest.Item]) -> Iterable[tuple[str, CaseToRun]]:
        from obra.scale.durable_runner import CaseToRun
        from obra.scenarios.scenario_settings import with_settings
        from pytest_obra.collection import ScenarioFile
        from pytest_obra.repeats import repeat_of
        from pytest_obra.shared import shared

        for item in items:
            callspec = getattr(item, "callspec", None)
            if not isinstance(item.parent, ScenarioFile) or callspec is None or item.get_closest_marker("skip"):
                continue
            agent, scenario = callspec.params["obra_agent_name"], callspec.params["scenario"]
            config = with_settings(shared(self._config).settings_for(agent), scenario)
            yield (
                item.nodeid,
                CaseToRun(scenario=scenario, agent=agent, config=config, repeat=repeat_of(item).number),
            )
