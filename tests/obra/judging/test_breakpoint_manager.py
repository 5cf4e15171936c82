import pytest

from obra.domain import (
    ChangeKind,
    CheckResult,
    Evidence,
    FileChange,
    Problem,
    Quality,
    Review,
    Task,
    Trigger,
    Validation,
    Verdict,
)  # fmt: skip
from obra.judging.breakpoint_manager import BreakpointManager
from obra.judging.facts import Facts
from obra.judging.situation import Situation

PASSED = CheckResult(name="c", passed=True, message="m")
FAILED = CheckResult(name="c", passed=False, message="m")
BROKEN = CheckResult(name="syntax", passed=False, message="m", implied=True, required=False)
CHANGE = FileChange(path="a.py", kind=ChangeKind.CREATED)
ASKS = Validation(problems=(Problem.QUESTION,), question="Which?")


def situation(*checks, **more):
    """A situation without a fault, unless told otherwise."""
    tampering = more.pop("tampering", ())
    seen = Evidence(checks=checks, total_changes=(CHANGE,), tampering=tampering)
    good = {"evidence": seen, "quality": Quality(overall_score=90.0), "confidence": 90.0}
    return Situation(**{**good, **more})


def triggers(found, config=None):
    """The triggers that a situation sets off."""
    return [one.trigger.value for one in BreakpointManager(config=config).evaluate(found)]


def test_nothing_is_wrong():
    """A good attempt opens no breakpoint."""
    assert triggers(situation(PASSED)) == []


def test_all_at_once_in_order_of_weight():
    """The heaviest trigger comes first, and each has a reason and the task."""
    found = Situation(
        task=Task(id=7, title="t"), evidence=Evidence(tampering=("CLAUDE.md was changed",)), validation=ASKS,
        attempts_left=0,
    )  # fmt: skip
    breakpoints = BreakpointManager(object(), config={}).evaluate(found)
    assert [one.trigger for one in breakpoints] == [
        Trigger.TAMPERING, Trigger.NO_EVIDENCE, Trigger.AGENT_ASKS, Trigger.QUALITY_TOO_LOW,
        Trigger.LOW_CONFIDENCE, Trigger.LIMIT_REACHED,
    ]  # fmt: skip
    assert all(one.reason and one.task_id == 7 for one in breakpoints)


def test_a_question_counts_until_the_work_is_shown_complete():
    """An agent that asks after its work is measured complete needs nobody."""
    assert triggers(situation(PASSED, validation=ASKS)) == []
    assert triggers(situation(PASSED, validation=ASKS, review=Review(verdict=Verdict.NO))) == ["agent_asks"]
    assert triggers(situation(FAILED, validation=ASKS)) == ["agent_asks"]
    assert triggers(situation(validation=ASKS)) == ["agent_asks"]
    (nameless,) = BreakpointManager().evaluate(situation(validation=Validation(problems=(Problem.QUESTION,))))
    assert nameless.reason == "the agent asks a person to decide"


@pytest.mark.parametrize("number", [29.9, 0.0, None])
def test_low_confidence_without_work_left(number):
    """Low confidence opens a breakpoint unless a failed check says what to do next."""
    assert triggers(situation(PASSED, confidence=number)) == ["low_confidence"]
    assert triggers(situation(FAILED, confidence=number)) == []
    assert triggers(situation(PASSED, BROKEN, confidence=number)) == ["low_confidence"]
    assert triggers(situation(PASSED, confidence=30.0)) == []


def test_low_quality_without_work_left_or_without_attempts():
    """Low quality opens a breakpoint when nothing measurable is left to do, or no attempt to do it in."""
    low = Quality(overall_score=49.9)
    assert triggers(situation(PASSED, quality=low)) == ["quality_too_low"]
    assert triggers(situation(quality=None)) == ["quality_too_low"]
    assert triggers(situation(FAILED, quality=low)) == []
    assert triggers(situation(FAILED, quality=low, attempts_left=0)) == ["quality_too_low", "limit_reached"]
    assert triggers(situation(quality=Quality(overall_score=50.0))) == []


def test_limits():
    """A used-up limit of the task always counts, used-up attempts only while the work is not acceptable."""
    assert triggers(situation(PASSED, limit="seconds")) == ["limit_reached"]
    assert triggers(situation(PASSED, attempts_left=0)) == []
    assert triggers(situation(FAILED, attempts_left=0)) == ["limit_reached"]
    facts = Facts.of(situation(PASSED, attempts_left=0))
    assert [one.trigger.value for one in BreakpointManager().judge(facts, acceptable=False)] == ["limit_reached"]


def test_switches():
    """A trigger that is off is not returned; all are off together."""
    found = Situation(evidence=Evidence(tampering=("x",)))
    assert "tampering" not in triggers(found, {"triggers": {"tampering": {"enabled": False}}})
    assert triggers(found, {"enabled": False}) == []
    assert "tampering" in triggers(found, {"enabled": True, "triggers": {"tampering": None}})


def test_thresholds():
    """The settings move the thresholds."""
    config = {"triggers": {"low_confidence": {"threshold": 95}, "quality_too_low": {"threshold": 95}}}
    assert triggers(situation(PASSED), config) == ["quality_too_low", "low_confidence"]


def test_settings_make_an_equal_manager():
    """What a manager tells of itself is enough to make it again."""
    config = {"triggers": {"low_confidence": {"threshold": 5}, "tampering": {"enabled": False}}}
    data = BreakpointManager(config=config).as_data()
    again = BreakpointManager(config=data)
    assert again.as_data() == data
    assert (again.confidence_threshold, again.quality_threshold) == (5, 50)
    assert Trigger.TAMPERING not in again.enabled
