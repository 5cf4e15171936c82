"""Reports built by hand, as the loop would leave them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from obra.domain import (
    Action,
    Attempt,
    Breakpoint,
    ChangeKind,
    CheckResult,
    Decision,
    Evidence,
    Factor,
    FileChange,
    Outcome,
    Problem,
    Quality,
    Reply,
    Review,
    TaskStatus,
    Trigger,
    Validation,
    Verdict,
)
from obra.scenarios.scenario_run import ScenarioReport, ScenarioResult

PATCH = "--- a/calculator.py\n+++ b/calculator.py\n@@ -0,0 +1 @@\n+def add(a, b): return a + b\n"


def check(name="file calculator.py", *, passed=True, message="it is there", **more):
    """Return one check."""
    return CheckResult(name=name, passed=passed, message=message, **more)


def attempt(number=1, **changes):
    """Return an attempt that was sent back because its tests failed."""
    made = Attempt(
        id=number,
        task_id=7,
        number=number,
        prompt="Write a calculator.",
        reply=Reply(text="Done.", seconds=1.5, turns=3, cost_usd=0.25, tokens_in=100, tokens_out=20),
        evidence=Evidence(
            changes=(FileChange(path="calculator.py", kind=ChangeKind.CREATED, added=1),),
            patch=PATCH,
            checks=(
                check(),
                check(
                    "pytest", passed=False, message="expected exit 0, got 1", output="1 failed\nE assert 1 == 2"
                ),
            ),
        ),
        review=Review(verdict=Verdict.NO, score=40, issues=("no tests",), raw='{"score": 40}', model="scripted"),
        validation=Validation(problems=(Problem.TRUNCATED,)),
        quality=Quality(overall_score=55, factors=(Factor(name="checks", points=20, weight=50, why="1 of 2"),)),
        confidence=61.5,
        confidence_factors=(Factor(name="review", points=5, weight=20, why="it says no"),),
        decision=Decision(
            action=Action.RETRY, reason="a check failed", reasons=("pytest failed",), feedback="Make pytest pass."
        ),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=2.0,
    )
    return replace(made, **changes)


def report(*, attempts=None, outcome=None, **changes):
    """Return a scenario that ended escalated where it should have been completed."""
    attempts = (attempt(1), attempt(2)) if attempts is None else attempts
    ended = Outcome(
        task_id=7,
        status=TaskStatus.ESCALATED,
        reason="the quality is too low",
        iterations=len(attempts),
        quality_score=55.0,
        confidence=61.5,
        attempts=attempts,
        breakpoint=Breakpoint(id=3, task_id=7, trigger=Trigger.QUALITY_TOO_LOW, reason="55 is below 70"),
        seconds=4.0,
        cost_usd=0.5,
        tokens=240,
    )
    made = ScenarioReport(
        scenario="calculator",
        path="scenarios/calculator.obra.yaml",
        agent="mock",
        agent_identity="mock agent",
        llm_identity="scripted LLM",
        result=ScenarioResult.AGENT_FAILED,
        expectations=(check("status", passed=False, message="expected completed, got escalated (too low)"),),
        truth=(check("command python -c ...", passed=False, message="expected exit 0, got 1", output="boom"),),
        outcome=replace(ended, **(outcome or {})),
        workspace="workspaces/calculator",
        seconds=4.25,
    )
    return replace(made, **changes)


def passing_report(**changes):
    """Return a scenario that passed at its first attempt."""
    good = attempt(
        evidence=Evidence(checks=(check(),), patch=PATCH),
        review=Review(verdict=Verdict.YES, score=95),
        validation=Validation(),
        decision=Decision(action=Action.PROCEED, reason="all checks passed"),
    )
    return report(
        attempts=(good,),
        outcome={"status": TaskStatus.COMPLETED, "reason": "all checks passed", "breakpoint": None},
        result=ScenarioResult.PASSED,
        expectations=(check("status", message="expected completed, got completed"),),
        truth=(check("command"),),
        **changes,
    )


@pytest.fixture
def make_report():
    """Return the function that builds a failed report."""
    return report


@pytest.fixture
def make_passing_report():
    """Return the function that builds a passed report."""
    return passing_report


@pytest.fixture
def make_attempt():
    """Return the function that builds an attempt."""
    return attempt


@pytest.fixture
def make_check():
    """Return the function that builds a check."""
    return check
