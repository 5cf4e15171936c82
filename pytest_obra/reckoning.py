"""What a whole run amounts to: gates, budget, baseline, and the exit code. Lives where the whole run is seen."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_obra import SUFFIX
from pytest_obra.options import GATES, has_ledger
from pytest_obra.repeats import names_of_lost

if TYPE_CHECKING:
    from obra.statistics.gates import Gate
    from obra.statistics.runs import RunStatistics

Row = Mapping[str, Any]

LEDGER_ADDRESS = pytest.StashKey[tuple[str, float]]()
"""Path of the ledger that workers share, and when the run began."""
_BAD = frozenset({"agent_failed", "verdict_wrong"})
_JUDGED_EXITS = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


class Reckoning:
    """Registered on the controller only. Nothing heavy is imported and no file is made unless an option asks."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._folder: Path | None = None
        self._failed_by: dict[str, str] = {}
        self._failures = 0
        """Failed reports, counted as pytest counts them."""
        self.judged: set[str] = set()
        """Tests with a verdict that a plugin runs again."""
        self.left_out: dict[str, str] = {}
        """Tests that the budget did not allow, and why."""
        self.not_needed: dict[str, str] = {}
        """Repeats that could not change the gate's verdict, and why."""
        self.skipped: dict[str, None] = {}
        """Scenarios that a mark or a fixture skipped: where all are, a gate has nothing to hold by."""
        typed = {argument.partition("=")[0] for argument in map(str, config.invocation_params.args)}
        self.gate_was_typed = not typed.isdisjoint(GATES)
        """A gate was asked for where pytest was called, not by settings that hold for every call."""
        self._baseline: Sequence[Row] | None = None
        if config.getoption("--obra-baseline"):
            self._baseline = _baseline_of(config)
        if has_ledger(config):
            self._folder = Path(tempfile.mkdtemp(prefix="obra-run-"))
            config.stash[LEDGER_ADDRESS] = (str(self._folder / "ledger.jsonl"), time.time())

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist where the ledger lies."""
        if self._folder is not None:
            from pytest_obra.ledger import WORKER_INPUT

            node.workerinput[WORKER_INPUT] = self._config.stash[LEDGER_ADDRESS]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember who is behind a failure: the agent or the verdict, the machinery, or neither."""
        kind, reason = getattr(report, "obra_not_run", ("", ""))
        if kind:
            if report.nodeid in self.judged:  # a rerun: the verdict of the first execution stands
                return
            (self.left_out if kind == "left_out" else self.not_needed)[report.nodeid] = reason
        elif report.skipped and (hasattr(report, "obra_skipped") or f"{SUFFIX}::" in report.nodeid):
            self.skipped[report.nodeid] = None
        row = getattr(report, "obra_row", None)
        if str(report.outcome) == "rerun" and row is not None and row["result"] != "machinery_broke":
            self.judged.add(report.nodeid)
            if row["result"] in _BAD:
                self._failed_by.setdefault(report.nodeid, "scenario")  # the first one stands, whatever comes next
        if not report.failed:
            return
        self._failures += 1
        if getattr(report, "obra_broke", False):
            self._failed_by.setdefault(report.nodeid, "machinery")
            if row is None and self._folder is not None:
                self._record_lost(report.nodeid)
        elif row is not None and row["result"] in _BAD:
            self._failed_by.setdefault(report.nodeid, "scenario")
        else:
            self._failed_by[report.nodeid] = "test"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read is a failure that no gate answers for."""
        if report.failed:
            self._failures += 1
            self._failed_by[report.nodeid] = "test"

    def pytest_unconfigure(self) -> None:
        """Take the ledger away."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def conclude(
        self, session: pytest.Session, rows: Sequence[Row], run: RunStatistics, *, lost: bool
    ) -> dict[str, Any]:
        """Judge the run, set the exit code of pytest, and return what the reports tell of it.

        Args:
            session: whose exit status is set, unless pytest was interrupted or broke down itself.
            rows: lines of all runs, each an :class:`obra.reports.summary.Line`.
            run: what they amount to.
            lost: there are scenarios that nobody has told of.

        Returns:
            Plain data: ``agents`` in the order of the command line, ``gates``, and where they were asked for
            ``comparison`` and ``uplift``.
        """
        from obra.statistics.gates import GateState
        from obra.statistics.uplift import uplifts

        gates = self._gates(run)
        found: dict[str, Any] = {
            "agents": list(dict.fromkeys(self._config.getoption("--obra-agent") or ("mock",))),
            "gates": [
                {"name": gate.name, "state": gate.state.value, "findings": list(gate.findings)} for gate in gates
            ],
        }
        worse = False
        if self._baseline is not None:
            from obra.statistics.comparison import compare

            comparison = compare(self._baseline, rows)
            worse = comparison.is_regression
            found["comparison"] = {"baseline": self._config.getoption("--obra-baseline"), **comparison.as_data()}
        if self._config.getoption("--obra-bare"):
            found["uplift"] = [one.as_data() for one in uplifts(rows)]
        self._set_exit(
            session,
            gate_failed=worse or any(gate.state is GateState.FAILED for gate in gates),
            undecided=any(gate.state is GateState.UNDECIDED for gate in gates)
            if rows or self.skipped
            else self.gate_was_typed and not self.left_out,
            lost=lost,
        )
        return found

    def _gates(self, run: RunStatistics) -> list[Gate]:
        from obra.statistics.gates import false_accept_gate, pass_rate_gate

        minimum = self._config.getoption("--obra-min-pass-rate")
        most = self._config.getoption("--obra-max-false-accepts")
        gates = []
        if minimum is not None:
            gates.append(pass_rate_gate(run, minimum))
            most = most or 0
        if most is not None:
            gates.append(false_accept_gate(run, most))
        return gates

    def _set_exit(self, session: pytest.Session, *, gate_failed: bool, undecided: bool, lost: bool) -> None:
        from obra.statistics.exit_codes import Ending, exit_of

        if session.exitstatus not in _JUDGED_EXITS:
            return
        behind = set(self._failed_by.values())
        answered = {"machinery"}
        if self._config.getoption("--obra-min-pass-rate") is not None:
            answered.add("scenario")
        # By -x, or at the time limit of a whole session. Broken machinery that did it has a code of its own.
        was_cut_short = bool(session.shouldfail) and "machinery" not in behind
        by_others = session.testsfailed > self._failures  # a plugin's own demand, such as a coverage
        session.exitstatus = exit_of(
            Ending(
                failed=bool(behind - answered) or was_cut_short or by_others,
                gate_failed=gate_failed,
                machinery_broke=undecided or lost or "machinery" in behind,
                left_out=bool(self.left_out),
            )
        )

    def _record_lost(self, nodeid: str) -> None:
        """Let the workers know of a run whose worker died: what it used up is not known."""
        from pytest_obra.ledger import open_ledger

        names = names_of_lost(nodeid, self._config)
        lost = {"result": "machinery_broke", "cost_usd": None, "tokens": None}
        ledger = open_ledger(self._config, *self._config.stash[LEDGER_ADDRESS])
        ledger.record((names.case, names.agent, names.bare), names.repeat, lost)


def _baseline_of(config: pytest.Config) -> Sequence[Row]:
    from obra.errors import ReportError
    from obra.reports.stored_run import StoredRun
    from obra.reports.summary import Line
    from pytest_obra.reporters.run_files import report_folder

    try:
        name, folder = config.getoption("--obra-baseline"), report_folder(config)
        run = StoredRun.last_whole(folder) if name == "last" else StoredRun.find(name, folder)
        return [Line(row) for row in run.rows()]
    except ReportError as error:
        raise pytest.UsageError(f"--obra-baseline: {error}") from error
