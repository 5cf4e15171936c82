"""A scenario in Allure: steps for attempts, checks, scores and decisions, with everything attached."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from obra.reports.rows import row_of
from obra.scenarios.scenario_run import ScenarioReport

Row = Mapping[str, Any]
_LONGEST_TITLE = 300


def attach(report: ScenarioReport, *, link_breakpoints: bool = False) -> None:
    """Add what the run of a scenario showed to the Allure test that is running.

    A check that failed is shown as a failed step, and so are the steps around it; the test itself passes or fails
    by its own. Names of agent and LLM become labels, and parameters that leave the test's history alone.

    Args:
        report: the run.
        link_breakpoints: whether ``--allure-link-pattern=breakpoint:URL`` says where a breakpoint can be seen.

    Raises:
        ImportError: allure-pytest is not installed; ask before calling.
    """
    allure = _allure()
    row = row_of(report)
    allure.dynamic.label("result", row["result"])
    for name, value in (("agent", row["agent_identity"]), ("llm", row["llm_identity"])):
        if value:
            allure.dynamic.label(name, value)
            allure.dynamic.parameter(f"{name} identity", value, excluded=True)
    with _step(f"scenario {row['scenario']}: {row['result']}, {row['status']}", _why(row)):
        names = {one["task"]: f"{one['name']}: " for one in row["tasks"]}
        for attempt in row["attempts"]:
            _attempt(attempt, names.get(attempt["task"], ""))
        for task in row["tasks"]:
            with _step(f"task {task['name']}: {task['status']}: {task['reason']}"):
                pass
        for answer in row["human"]:
            with _step(f"{answer['trigger']} after attempt {answer['attempt']}: {answer['reason']}"):
                _attach(answer["answer"], "answer of the scenario's person")
        _check_steps("expectations", row["expectations"])
        _check_steps("hidden checks", row["truth"])
        if row["breakpoint"]:
            _breakpoint(row["breakpoint"], link=link_breakpoints)


def _attempt(attempt: Row, task: str) -> None:
    title = f"{task}attempt {attempt['number']}: {attempt['action']}, {attempt['seconds'] or 0:.2f} s"
    with _step(title, _unmet(attempt["checks"])):
        with _step("prompt"):
            _attach(attempt["prompt"], "prompt")
        with _step("reply", "; ".join(attempt["problems"])):
            _attach(attempt["reply"], "reply")
            _attach("\n".join(map(_event_line, attempt["events"])), "events")
        _work(attempt)
        _check_steps("checks", attempt["checks"])
        _review(attempt["review"], attempt["requirements"])
        for name in ("quality", "confidence"):
            with _step(f"{name}: {_number(attempt[name])}"):
                for factor in attempt[f"{name}_factors"]:
                    with _step(_factor_line(factor)):
                        pass
        with _step(f"decision: {attempt['action']}: {attempt['reason']}"):
            _attach("\n".join(attempt["reasons"]), "reasons")
            _attach(attempt["feedback"], "feedback for the next attempt")
            if attempt["decision_inputs"]:
                inputs = json.dumps(attempt["decision_inputs"], indent=2)
                _attach(inputs, "decision inputs", "json", "application/json")


def _work(attempt: Row) -> None:
    """Show what changed: as a page that is coloured and folds, and as text for tools."""
    from obra.reports.html_page import diff_html

    count = len(attempt["changes"])
    with _step(f"work: {count} file{'' if count == 1 else 's'} changed", "; ".join(attempt["tampering"])):
        if attempt["patch"]:
            _attach(diff_html(attempt["patch"]), "diff since the task began", "html", "text/html")
            _attach(attempt["patch"], "diff as text", "diff", "text/x-diff")


def _review(review: Row, requirements: Iterable[Row]) -> None:
    with _step(f"review: {review['verdict']}, score {_number(review['score'])}"):
        _attach(review["raw"], "answer of the reviewer")
        for answer in review["answers"]:
            with _step(f"{answer['verdict']}: {answer['question']}"):
                _attach(answer["quote"], "quote")
                _attach(answer["reason"], "reason")
        shown = [f"{one['state'].replace('_', ' ')}: {one['text']} ({one['evidence']})" for one in requirements]
        _attach("\n".join(shown), "requirements")


def _breakpoint(opened: Row, *, link: bool) -> None:
    """Show where a person must look, and how to answer."""
    with _step(f"breakpoint {opened['id']}, {opened['trigger']}: {opened['reason']}"):
        _attach(f"obra breakpoint resolve {opened['id']} 'your answer'\n", "how to answer it")
    if link:
        _allure().dynamic.link(str(opened["id"]), link_type="breakpoint", name=f"breakpoint {opened['id']}")


def _event_line(event: Row) -> str:
    return (
        f"{event['at'] or 0:9.3f} s  {event['kind']:<12} {event['tool']} {event['text'] or event['path']}".rstrip()
    )


def _factor_line(factor: Row) -> str:
    return f"{factor['name']}: {_number(factor['points'])} of {_number(factor['weight'])}: {factor['why']}"


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


def _attach(text: str, name: str, extension: str = "txt", kind: str = "text/plain") -> None:
    if text:
        _allure().attach(text, name=name, attachment_type=kind, extension=extension)


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
