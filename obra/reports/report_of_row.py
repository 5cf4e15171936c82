"""The report of a run that another process made: from its row, and from the record of its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from obra.domain import Attempt, CheckResult, Outcome, TaskStatus

if TYPE_CHECKING:
    from obra.scenarios.scenario import Scenario
    from obra.scenarios.scenario_run import ScenarioReport
    from obra.state.state_manager import StateManager

_CHECK = ("name", "passed", "required", "implied", "message", "output")


def report_of(row: Mapping[str, Any], scenario: Scenario, state: StateManager) -> ScenarioReport:
    """Return what :func:`obra.scenarios.scenario_run.run_scenario` returned where the row was made.

    Nothing is known here of what was seen while the attempts ran, nor of a person's answers; the row has that.

    Args:
        row: of a run that came to a verdict.
        scenario: whose run it was.
        state: the database of that run.

    Raises:
        NotFound: that database knows nothing of the run.
    """
    from obra.scenarios.scenario_run import ScenarioReport, ScenarioResult, TaskReport

    attempts = _attempts(row, state)
    outcome = Outcome(
        task_id=row["task"],
        status=TaskStatus(row["status"]),
        reason=row["reason"],
        response=attempts[-1].reply.text if attempts else "",
        iterations=row["iterations"],
        quality_score=row["quality"],
        confidence=row["confidence"],
        attempts=attempts,
        breakpoint=attempts[-1].decision.breakpoint if attempts else None,
        seconds=row["seconds"],
        cost_usd=row["cost_usd"],
        tokens=row["tokens"],
    )
    return ScenarioReport(
        scenario=row["scenario"],
        path=row["path"],
        agent=row["agent"],
        agent_identity=row["agent_identity"],
        llm_identity=row["llm_identity"],
        result=ScenarioResult(row["result"]),
        expectations=_checks(row["expectations"]),
        truth=_checks(row["truth"]),
        outcome=outcome,
        workspace=row["workspace"],
        seconds=row["seconds"],
        sandbox=row["sandbox"],
        case=row["case"],
        parameters=row["parameters"],
        repeat=row["repeat"],
        title=scenario.title,
        description=scenario.form.description,
        markers=scenario.markers,
        tasks=tuple(
            TaskReport(
                name=one["name"],
                task_id=one["task"],
                status=TaskStatus(one["status"]),
                reason=one["reason"],
                iterations=one["iterations"],
                quality_score=one["quality"],
                confidence=one["confidence"],
            )
            for one in row["tasks"]
        ),
    )


def _attempts(row: Mapping[str, Any], state: StateManager) -> tuple[Attempt, ...]:
    wanted = [(one["task"], one["number"]) for one in row["attempts"]]
    tasks = dict.fromkeys((row["task"], *(task for task, _ in wanted)))
    found = {(task, one.number): one for task in tasks for one in state.attempts(task)}
    return tuple(found[key] for key in wanted)


def _checks(rows: list[dict[str, Any]]) -> tuple[CheckResult, ...]:
    return tuple(CheckResult(**{name: one[name] for name in _CHECK}) for one in rows)
