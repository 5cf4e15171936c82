"""A scenario in Allure: steps for attempts, checks, scores and decisions, with everything attached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from obra.reports.rows import row_of
from obra.scenarios.scenario_run import ScenarioReport

Row = Mapping[str, Any]
_LONGEST_TITLE = 300


def attach(report: ScenarioReport) -> None:
    """Add what the run of a scenario showed to the Allure test that is running.

    A check that failed is shown as a failed step, and so are the steps around it; the test itself passes or fails
    by its own. Names of agent and LLM become labels, and parameters that leave the test's history alone.

    Raises:
        ImportError: allure-pytest is not installed; ask before calling.
    """
    allure = _allure()
    row = row_of(report)
    for name, value in (("agent", row["agent_identity"]), ("llm", row["llm_identity"])):
        if value:
            allure.dynamic.label(name, value)
            allure.dynamic.parameter(f"{name} identity", value, excluded=True)
    with _step(f"scenario {row['scenario']}: {row['result']}, {row['status']}", _why(row)):
        for attempt in row["attempts"]:
            _attempt(attempt)
        _check_steps("expectations", row["expectations"])
        _check_steps("hidden checks", row["truth"])


def _attempt(attempt: Row) -> None:
    title = f"attempt {attempt['number']}: {attempt['action']}, {attempt['seconds'] or 0:.2f} s"
    with _step(title, _unmet(attempt["checks"])):
        _attach(attempt["prompt"], "prompt")
        _attach(attempt["reply"], "reply")
        _attach(attempt["patch"], "diff since the task began", "diff")
        _check_steps("checks", attempt["checks"])
        review = attempt["review"]
        with _step(f"review: {review['verdict']}, score {_number(review['score'])}"):
            _attach(review["raw"], "answer of the reviewer")
        for name in ("quality", "confidence"):
            with _step(f"{name}: {_number(attempt[name])}"):
                for factor in attempt[f"{name}_factors"]:
                    points, weight = _number(factor["points"]), _number(factor["weight"])
                    with _step(f"{factor['name']}: {points} of {weight}: {factor['why']}"):
                        pass
        with _step(f"decision: {attempt['action']}: {attempt['reason']}"):
            _attach("\n".join(attempt["reasons"]), "reasons")
            _attach(attempt["feedback"], "feedback for the next attempt")


def _check_steps(name: str, checks: Iterable[Row]) -> None:
    if not checks:
        return
    with _step(name, _unmet(checks)):
        for check in checks:
            title = f"{check['name']}: {check['message']}"
            with _step(title, "" if check["passed"] else check["message"] or "not met"):
                _attach(check["output"], "output")


@contextmanager
def _step(title: str, failure: str = "") -> Iterator[None]:
    """Make one step; with a *failure* it is shown as failed, and nothing is raised.

    The step is told of the failure in the way it is told of an exception, as Allure offers no other: its public
    context manager takes one at its end.
    """
    step = _allure().step(_one_line(title))
    step.__enter__()
    try:
        yield
    finally:
        if failure:
            step.__exit__(AssertionError, AssertionError(failure), None)
        else:
            step.__exit__(None, None, None)


def _attach(text: str, name: str, extension: str = "txt") -> None:
    if text:
        _allure().attach(text, name=name, attachment_type="text/plain", extension=extension)


def _allure() -> Any:
    """Return the library, imported only when it is used; parts of it are not typed."""
    import allure

    return allure


def _why(row: Row) -> str:
    return "" if row["result"] == "passed" else f"{row['result']}: {row['reason']}"


def _unmet(checks: Iterable[Row]) -> str:
    return "\n".join(f"{one['name']}: {one['message']}" for one in checks if one["required"] and not one["passed"])


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"


def _one_line(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= _LONGEST_TITLE else f"{shown[:_LONGEST_TITLE]} [...]"
