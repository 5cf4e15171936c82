import json
from dataclasses import replace

import pytest

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
    Validation,
    Verdict,
)  # fmt: skip
from obra.judging.breakpoint_manager import BreakpointManager
from obra.judging.confidence_scorer import ConfidenceScorer
from obra.judging.decision_engine import DecisionEngine
from obra.judging.quality_controller import QualityController
from obra.judging.situation import Situation

TASK = Task(id=3, title="Create calculator")
CHANGE = FileChange(path="a.py", kind=ChangeKind.CREATED)
PASSED = CheckResult(name="tests", passed=True, message="3 passed")
FAILED = CheckResult(name="tests", passed=False, message="1 failed", output="AssertionError")
IMPLIED = CheckResult(name="syntax", passed=True, message="parses", implied=True)
BROKEN = CheckResult(name="syntax", passed=False, message="line 1", implied=True, required=False)
YES = Review(verdict=Verdict.YES, score=90.0, told_apart=True)
NO = Review(verdict=Verdict.NO, score=30.0, issues=("no docstrings",))
ASKS = Validation(problems=(Problem.QUESTION,), question="Which database?")
QUIET = BreakpointManager(config={"enabled": False})


def seen(*checks, changes=(CHANGE,), tampering=()):
    """Evidence of one attempt."""
    return Evidence(checks=checks, total_changes=changes, tampering=tampering)


def decide(evidence, review=YES, manager=None, config=None, **more):
    """Decide on one attempt whose scores are the real ones."""
    metadata = {"evidence": evidence, "review": review, "validation": more.get("validation", Validation())}
    scores = {
        "quality": QualityController().validate_output("I did it.", TASK, metadata),
        "confidence": ConfidenceScorer().score_response("I did it.", TASK, metadata),
    }
    context = {"task": TASK, "response": "I did it.", "attempts_left": 2, **metadata, **scores, **more}
    decision = DecisionEngine(None, manager, config or {}).decide_next_action(context)
    again = DecisionEngine.replay(json.loads(json.dumps(decision.inputs)))
    assert (again.action, again.reason, again.reasons, again.breakpoint) == (
        decision.action, decision.reason, decision.reasons, decision.breakpoint
    )  # fmt: skip
    return decision


def trigger(decision):
    """The trigger of the decision's breakpoint, or nothing."""
    return decision.breakpoint and decision.breakpoint.trigger.value


def test_the_plans_call():
    """The plan's own snippet works, and a task without any evidence goes to a person."""
    context = {
        "task": Task(title="t"), "response": "Good code", "validation_result": {"valid": True},
        "quality_score": 85, "confidence_score": 75,
    }  # fmt: skip
    action = DecisionEngine(object(), BreakpointManager(object(), config={}), config={}).decide_next_action(
        context
    )
    assert action.type in ["proceed", "retry", "clarify", "escalate"]
    assert action.type == "escalate"
    assert "nothing to judge by" in action.reason
    assert trigger(action) == "no_evidence"


def test_good_work_proceeds():
    """Passing written checks and a yes are accepted, with nothing against it, no feedback and no breakpoint."""
    decision = decide(seen(PASSED, IMPLIED))
    assert decision.action is Action.PROCEED
    assert (decision.reasons, decision.feedback, decision.breakpoint) == ((), "", None)


def test_tampering_escalates():
    """A change to a guarded path goes to a person, however good the work."""
    decision = decide(seen(PASSED, tampering=("CLAUDE.md was changed",)))
    assert (decision.action, trigger(decision)) == (Action.ESCALATE, "tampering")
    assert "CLAUDE.md was changed" in decision.reason


@pytest.mark.parametrize("manager", [None, QUIET])
def test_no_evidence_escalates_whatever_is_switched_off(manager):
    """The rule holds without breakpoints; then nothing is opened."""
    decision = decide(Evidence(), manager=manager)
    assert decision.action is Action.ESCALATE
    assert trigger(decision) == (None if manager else "no_evidence")


def test_a_question_goes_to_a_person():
    """An agent that asks before its work is shown complete waits for a person."""
    decision = decide(seen(FAILED), validation=ASKS)
    assert (decision.action, trigger(decision)) == (Action.ESCALATE, "agent_asks")
    assert decision.reason == "the agent asks: Which database?"


def test_a_question_without_a_person_is_clarified():
    """With the trigger off the agent is told to go on by itself, while attempts are left."""
    off = BreakpointManager(config={"triggers": {"agent_asks": {"enabled": False}}})
    decision = decide(seen(FAILED), validation=ASKS, manager=off)
    assert decision.action is Action.CLARIFY
    assert "Nobody can answer" in decision.feedback
    last = decide(seen(FAILED), validation=ASKS, manager=off, attempts_left=0)
    assert (last.action, "no attempt is left" in last.reason) == (Action.ESCALATE, True)


def test_a_question_after_complete_work_is_no_obstacle():
    """A closing question does not hold up work that written checks show complete."""
    assert decide(seen(PASSED), validation=ASKS).action is Action.PROCEED


def test_a_failed_check_is_worked_on_again():
    """A failed required check means another attempt, also with low quality, and the agent hears why."""
    decision = decide(seen(FAILED), review=NO)
    assert decision.action is Action.RETRY
    assert decision.reason == "the check 'tests' failed: 1 failed; attempts left: 2"
    assert "AssertionError" in decision.feedback
    assert "no docstrings" in decision.feedback


def test_a_yes_cannot_mend_a_failed_check():
    """The reviewer's praise changes nothing."""
    assert decide(seen(FAILED, PASSED), review=replace(YES, score=100.0)).action is Action.RETRY


def test_the_last_failed_attempt_goes_to_a_person():
    """Without attempts left a failed check escalates."""
    decision = decide(seen(FAILED, *[replace(FAILED, name=f"c{n}") for n in range(7)]), attempts_left=0)
    assert (decision.action, trigger(decision)) == (Action.ESCALATE, "quality_too_low")
    assert decision.reason.startswith("8 checks failed: 'tests', 'c0', 'c1', 'c2', 'c3' and 3 more; no attempt")
    two = decide(seen(FAILED, replace(FAILED, name="lint"), PASSED, PASSED), attempts_left=0)
    assert (two.reason, trigger(two)) == ("2 checks failed: 'tests', 'lint'; no attempt is left", "limit_reached")


def test_a_used_up_limit_ends_retries():
    """A limit of the task escalates failed work, although attempts are left, and names itself."""
    decision = decide(seen(FAILED), limit="cost_usd")
    assert decision.action is Action.ESCALATE
    assert "the task's limit 'cost_usd' is used up" in decision.reason


def test_an_unreadable_review_goes_to_a_person():
    """No review that cannot be read passes, however good the checks."""
    decision = decide(seen(PASSED), review=Review(verdict=Verdict.UNREADABLE, issues=("not JSON",)))
    assert (decision.action, trigger(decision)) == (Action.ESCALATE, "low_confidence")
    assert decision.reason == "the review cannot be read: not JSON"


def test_a_no_with_issues_is_worked_on_again():
    """With passing written checks, the reviewer's issues are the work that is left, even at low quality."""
    assert decide(seen(PASSED), review=NO).action is Action.RETRY
    low = decide(seen(PASSED), review=NO, quality=Quality(overall_score=10.0), confidence=10.0)
    assert low.action is Action.RETRY
    assert "- no docstrings" in low.feedback


def test_a_no_with_only_a_question_is_clarified():
    """The reviewer's question goes to the agent."""
    decision = decide(seen(PASSED), review=Review(verdict=Verdict.NO, score=50.0, question="Why two?"))
    assert decision.action is Action.CLARIFY
    assert "Why two?" in decision.feedback


def test_a_bare_no_goes_to_a_person():
    """A no that names nothing to mend cannot be worked on; against checks that pass it is hardly ever right."""
    bare = Review(verdict=Verdict.NO, score=50.0)
    decision = decide(seen(PASSED), review=bare)
    assert (decision.action, trigger(decision)) == (Action.ESCALATE, "low_confidence")
    sure = decide(seen(PASSED), review=bare, confidence=90.0)
    assert (sure.action, trigger(sure)) == (Action.ESCALATE, "quality_too_low")
    assert sure.breakpoint.reason == sure.reason
    assert decide(seen(PASSED), review=NO, attempts_left=0).action is Action.ESCALATE


def test_a_vague_task_goes_to_a_person_at_once():
    """Without written checks, a no and low quality escalate although attempts are left."""
    decision = decide(seen(IMPLIED), review=NO)
    assert (decision.action, trigger(decision)) == (Action.ESCALATE, "quality_too_low")
    assert "is below 50" in decision.reason
    assert decide(seen(IMPLIED), review=NO, manager=QUIET).action is Action.RETRY


def test_without_written_checks_a_yes_is_needed():
    """The reviewer's yes, changes and sound files together replace written checks; less does not."""
    good = {"quality": Quality(overall_score=90.0), "confidence": 90.0}
    assert decide(seen(IMPLIED)).action is Action.PROCEED
    assert decide(seen(), **good).action is Action.PROCEED
    for review in (Review(verdict=Verdict.UNSURE, score=90.0), None):
        decision = decide(seen(IMPLIED), review=review, **good)
        assert (decision.action, trigger(decision)) == (Action.ESCALATE, "low_confidence")
    unchanged = decide(seen(IMPLIED, changes=()), **good)
    assert (unchanged.action, trigger(unchanged)) == (Action.ESCALATE, "no_evidence")


@pytest.mark.parametrize("told_apart", [None, False])
def test_a_yes_of_a_reviewer_that_cannot_say_no_has_no_vote(told_apart):
    """Where nobody wrote a check a person must look, however high the scores; a written check needs no vote."""
    review = replace(YES, told_apart=told_apart)
    high = {"quality": Quality(overall_score=100.0), "confidence": 100.0}
    for evidence in (seen(IMPLIED), seen()):
        decision = decide(evidence, review=review, **high)
        assert (decision.action, trigger(decision)) == (Action.ESCALATE, "low_confidence")
        assert "did not tell the work from a broken copy" in decision.reason
        assert any("broken copy" in reason for reason in decision.reasons)
    assert decide(seen(PASSED), review=review).action is Action.PROCEED


def test_a_decision_from_before_the_control_comes_out_as_it_did():
    """Inputs that were stored without the control are replayed without it."""
    decision = decide(seen(IMPLIED))
    inputs = json.loads(json.dumps(decision.inputs))
    del inputs["review"]["told_apart"]
    assert DecisionEngine.replay(inputs).action is Action.PROCEED


def test_remarks_decide_nothing():
    """An optional failure changes no action, whether somebody wrote a check or not."""
    for checks in ((PASSED,), (IMPLIED,)):
        assert decide(seen(*checks, BROKEN)).action is decide(seen(*checks)).action


def test_a_used_up_limit_accepts_what_is_complete():
    """What is good when a limit is reached is accepted, and the reason says so."""
    decision = decide(seen(PASSED), limit="seconds")
    assert (decision.action, "seconds" in decision.reason) == (Action.PROCEED, True)
    assert decision.reasons == ("the task's limit 'seconds' is used up",)
    for low in ({"confidence": 40.0}, {"confidence": 10.0}):
        found = decide(seen(PASSED), limit="seconds", **low)
        assert (found.action, "confidence" in found.reason) == (Action.ESCALATE, True)


def test_doubt_goes_to_a_person():
    """With nothing measurable left, confidence or quality below a trigger's threshold escalates."""
    assert trigger(decide(seen(PASSED), confidence=29.0)) == "low_confidence"
    assert trigger(decide(seen(PASSED), quality=Quality(overall_score=49.0))) == "quality_too_low"


def test_below_the_gates():
    """Between trigger and gate there is another attempt; after the last one a person decides."""
    low = {"quality": Quality(overall_score=60.0), "confidence": 40.0}
    decision = decide(seen(PASSED), **low)
    assert decision.action is Action.RETRY
    assert decision.reason == "the quality 60 is below 70 and the confidence 40 is below 50; attempts left: 2"
    assert decision.reason in decision.feedback
    last = decide(seen(PASSED), attempts_left=0, **low)
    assert (last.action, trigger(last)) == (Action.ESCALATE, "limit_reached")


def test_the_settings_move_the_gates():
    """Each threshold of the settings, and the switch, changes the action."""
    low = {"quality": Quality(overall_score=60.0), "confidence": 60.0}
    accepting = {"validation": {"quality": {"threshold": 60}}}
    assert decide(seen(PASSED), config=accepting, **low).action is Action.PROCEED
    assert (
        decide(seen(PASSED), config={"validation": {"quality": {"enabled": False}}}, **low).action
        is Action.PROCEED
    )
    strict = {**accepting, "confidence": {"threshold": 61}}
    assert decide(seen(PASSED), config=strict, **low).action is Action.RETRY


def test_missing_scores_count_as_nothing():
    """A score that is not known is below every threshold."""
    decision = DecisionEngine(None, QUIET).decide_next_action(Situation(evidence=seen(PASSED), review=YES))
    assert decision.action is Action.RETRY
    assert "the quality 0 is below 70" in decision.reasons


def test_reasons_hold_all_that_speaks_against():
    """A decision is made by one rule and still carries every other reason, false claims and the reply included."""
    decision = decide(
        seen(FAILED, tampering=("CLAUDE.md was changed",)), review=NO, validation=ASKS, claims=("a lie",),
        confidence=10.0, limit="seconds", quality=Quality(overall_score=10.0),
    )  # fmt: skip
    joined = "\n".join(decision.reasons)
    for part in ("CLAUDE.md", "Which database", "1 failed", "no docstrings", "quality 10", "confidence 10",
                 "a lie", "'seconds'", "not a proper answer"):  # fmt: skip
        assert part in joined
    assert decision.reasons[0] == "CLAUDE.md was changed"
    assert len(set(decision.reasons)) == len(decision.reasons)


def test_a_false_claim_is_a_reason_and_costs_confidence():
    """A lie beside good work is told, and enough lies stop it."""
    one = decide(seen(PASSED), claims=("a lie",))
    assert (one.action, one.reasons) == (Action.PROCEED, ("a lie",))
    review = replace(YES, told_apart=None)
    metadata = {"evidence": seen(PASSED), "review": review, "claims": ("one", "two", "three")}
    low = ConfidenceScorer().score_response("I did it.", TASK, metadata)
    assert decide(seen(PASSED), claims=("one", "two", "three"), confidence=low).action is Action.ESCALATE


def test_the_switched_off_trigger_of_a_rule_opens_nothing():
    """A rule escalates all the same when its own trigger is off."""
    off = BreakpointManager(config={"triggers": {"quality_too_low": {"enabled": False}}})
    decision = decide(seen(PASSED), review=Review(verdict=Verdict.NO, score=50.0), manager=off, confidence=90.0)
    assert (decision.action, decision.breakpoint) == (Action.ESCALATE, None)


VAGUE = "nothing in the task can be checked"


def test_a_task_that_names_nothing_never_proceeds():
    """Without a check and without a word to look for no yes is enough; the breakpoint says what is missing."""
    decision = decide(seen(IMPLIED), YES, is_vague=True)
    assert decision.action is Action.ESCALATE
    assert trigger(decision) == "quality_too_low"
    assert VAGUE in decision.reason
    assert VAGUE in decision.breakpoint.reason
    assert decide(seen(IMPLIED), YES).action is Action.PROCEED


@pytest.mark.parametrize("review", [NO, Review(verdict=Verdict.UNSURE), None, Review(verdict=Verdict.UNREADABLE)])
def test_every_escalation_of_a_vague_task_says_how_to_make_it_checkable(review):
    """Whatever the trigger, its reason ends with what would help; a decision without breakpoint stays without."""
    decision = decide(seen(IMPLIED), review, is_vague=True, attempts_left=0)
    assert decision.action is Action.ESCALATE
    assert decision.breakpoint.reason.count(VAGUE) == 1
    assert decide(seen(IMPLIED), review, QUIET, is_vague=True, attempts_left=0).breakpoint is None


def test_a_written_check_makes_any_task_checkable():
    """Vague words do not matter when a check measures."""
    assert decide(seen(PASSED), YES, is_vague=True).action is Action.PROCEED
