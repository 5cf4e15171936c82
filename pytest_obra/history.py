"""A run goes into the history that ``obra history`` shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from obra.state.run_history import RunCase
from obra.statistics.runs import CaseStatistics, Measure, RunStatistics
from pytest_obra.shared import shared


def remember(config: pytest.Config, name: str, run: RunStatistics, *, exit_status: int, seconds: float) -> None:
    """Store a run in the database that the settings of its first agent name.

    Raises:
        StateError: it cannot be stored.
    """
    found = shared(config)
    state = found.state_for(found.settings_for((config.getoption("--obra-agent") or ["mock"])[0]))
    cases = [_case(case) for case in run.cases]
    began = datetime.now(UTC) - timedelta(seconds=seconds)
    state.record_run(name, began, exit_status=exit_status, seconds=seconds, cases=cases)


def _case(case: CaseStatistics) -> RunCase:
    return RunCase(
        case=case.case,
        agent=case.agent,
        bare=case.bare,
        passed=case.counts.passed,
        agent_failed=case.counts.agent_failed,
        verdict_wrong=case.counts.verdict_wrong,
        machinery_broke=case.counts.machinery_broke,
        seconds=_sum(case.seconds),
        tokens=_sum(case.tokens),
        cost_usd=_sum(case.cost_usd),
    )


def _sum(measure: Measure) -> float | None:
    return measure.total if measure.is_complete else None
