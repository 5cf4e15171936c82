import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from obra.domain import (
    Action,
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
from obra.judging.decision_engine import DecisionEngine
from obra.judging.facts import Facts
from obra.judging.rules import Gates, blockers
from obra.judging.situation import Situation

TASK = Task(id=3, title="Create calculator")
CHANGE = FileChange(path="a.py", kind=ChangeKind.CREATED)
PASSED = CheckResult(name="tests", passed=True, message="3 passed")
FAILED = CheckResult(name="tests", passed=False, message="1 failed")
YES = Review(verdict=Verdict.YES, score=90.0)
ASKS = Validation(problems=(Problem.QUESTION,), question="Which database?")


CHECKS = st.lists(
    st.builds(
        CheckResult, name=st.sampled_from(["a", "b"]), passed=st.booleans(), message=st.text(max_size=5),
        required=st.booleans(), implied=st.booleans(),
    ),
    max_size=3,
)  # fmt: skip
SCORES = st.none() | st.floats(0, 100) | st.just(float("nan"))
SITUATIONS = st.builds(
    Situation,
    task=st.sampled_from([None, TASK]),
    response=st.text(max_size=5),
    evidence=st.none() | st.builds(
        lambda checks, changes, tampering: Evidence(
            checks=tuple(checks), total_changes=tuple(changes), tampering=tuple(tampering)
        ),
        CHECKS, st.lists(st.just(CHANGE), max_size=1), st.lists(st.text(max_size=3), max_size=1),
    ),
    review=st.none() | st.builds(
        Review, verdict=st.sampled_from(list(Verdict)), score=SCORES, question=st.sampled_from(["", "q"]),
        issues=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    ),
    validation=st.sampled_from([Validation(), ASKS, Validation(problems=(Problem.REFUSAL,))]),
    valid=st.booleans(),
    quality=st.none() | st.builds(Quality, overall_score=SCORES),
    confidence=SCORES,
    claims=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    attempts_left=st.integers(-1, 3),
    limit=st.sampled_from(["", "", "seconds"]),
)  # fmt: skip
ENGINES = st.builds(
    lambda off, enabled, quality, gate: DecisionEngine(
        None,
        BreakpointManager(config={"enabled": enabled, "triggers": {one.value: {"enabled": False} for one in off}}),
        {"validation": {"quality": {"enabled": gate, "threshold": quality}}, "confidence": {"threshold": quality}},
    ),
    st.sets(st.sampled_from(list(Trigger)), max_size=3), st.booleans(), st.integers(0, 100), st.booleans(),
)  # fmt: skip


@settings(max_examples=300)
@given(ENGINES, SITUATIONS)
def test_the_rules_hold_everywhere(engine, situation):
    """Over the whole input space: total, deterministic, replayable, and no rule of judgement is ever broken."""
    decision = engine.decide_next_action(situation)
    assert decision == engine.decide_next_action(situation)
    assert decision.reason
    evidence = situation.evidence or Evidence()
    if decision.action is Action.PROCEED:
        assert not evidence.failed_checks
        assert not evidence.is_empty
        assert not evidence.tampering
        assert situation.review is None or situation.review.verdict not in {Verdict.NO, Verdict.UNREADABLE}
    if situation.attempts_left <= 0 or situation.limit:
        assert decision.action in {Action.PROCEED, Action.ESCALATE}
    if evidence.is_empty or evidence.tampering:
        assert decision.action is Action.ESCALATE
    assert bool(decision.feedback) == (decision.action in {Action.RETRY, Action.CLARIFY})
    assert decision.breakpoint is None or decision.action is Action.ESCALATE
    assert decision.reasons or decision.action is Action.PROCEED
    if decision.action is Action.PROCEED:
        assert not blockers(Facts.of(situation), engine.gates)


def test_gates_of_the_plan():
    """Without settings the gates are the plan's: quality 70, confidence 50."""
    assert Gates.from_config({}) == Gates(quality=70.0, confidence=50.0)


@settings(max_examples=200)
@given(ENGINES, SITUATIONS)
def test_every_decision_can_be_replayed(engine, situation):
    """From the stored inputs, through JSON, comes the same action with the same reasons and breakpoint."""
    decision = engine.decide_next_action(situation)
    again = DecisionEngine.replay(json.loads(json.dumps(decision.inputs, allow_nan=False)))
    assert (again.action, again.reason, again.reasons, again.breakpoint) == (
        decision.action, decision.reason, decision.reasons, decision.breakpoint
    )  # fmt: skip


@given(ENGINES, SITUATIONS)
def test_turning_a_yes_into_a_no_stops_it(engine, situation):
    """Where the reviewer's word changes to no, or a required check to failed, nothing proceeds any more."""
    situation = replace(situation, evidence=situation.evidence or Evidence(checks=(PASSED,)))
    denied = replace(situation, review=replace(situation.review or YES, verdict=Verdict.NO))
    assert engine.decide_next_action(denied).action is not Action.PROCEED
    checks = (*situation.evidence.checks, FAILED)
    broken = replace(situation, evidence=replace(situation.evidence, checks=checks))
    assert engine.decide_next_action(broken).action is not Action.PROCEED


@given(SITUATIONS, st.text(max_size=40))
def test_no_word_of_the_agent_moves_the_decision(situation, text):
    """The reply's text itself is no input of the rules."""
    engine = DecisionEngine()
    assert (
        engine.decide_next_action(replace(situation, response=text)).action
        == engine.decide_next_action(situation).action
    )
