import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import ChangeKind, CheckResult, Evidence, FileChange, Review, Task, Verdict
from obra.judging.confidence_scorer import ConfidenceScorer

TASK = Task(title="Create calculator")
YES, NO = Review(verdict=Verdict.YES, score=90), Review(verdict=Verdict.NO, score=10)


def check(*, passed=True, **more):
    """One check result."""
    return CheckResult(name="c", passed=passed, message="m", **more)


def score(response="I did it.", **metadata):
    """The confidence in one reply, in points: nothing is measured."""
    return ConfidenceScorer({"chances": {}}).score_response(response, TASK, metadata)


def points(confidence):
    """The points of each factor by its name."""
    return {factor.name: factor.points for factor in confidence.factors}


def test_the_plans_call():
    """The plan's own snippet works with a plain mapping and a plain object."""
    metadata = {"validation": {"valid": True}, "quality": type("obj", (object,), {"overall_score": 85})()}
    confidence = ConfidenceScorer(config={}).score_response("Complete calculator implementation", TASK, metadata)
    assert 0 <= confidence <= 100
    assert confidence == 10


def test_without_metadata_only_the_reply_counts():
    """The reply is read when nobody validated it."""
    assert ConfidenceScorer().score_response("done", TASK) == 10
    assert ConfidenceScorer().score_response("I can't do that", TASK) == 0
    assert score(validation={"valid": False}) == 0


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(checks=(check(),)), 50),
        (Evidence(checks=(check(), check(implied=True))), 50),
        (Evidence(checks=(check(implied=True),)), 25),
        (Evidence(checks=(check(required=False),)), 25),
        (Evidence(total_changes=(FileChange(path="a", kind=ChangeKind.CREATED),)), 10),
        (Evidence(), 0),
        (None, 0),
    ],
)
def test_evidence(evidence, expected):
    """Written checks weigh most, then implied ones, then mere changes."""
    assert points(score(evidence=evidence))["evidence"] == expected


@pytest.mark.parametrize(
    ("review", "expected"),
    [(YES, 20), (NO, 20), (Review(verdict=Verdict.UNSURE), 5), (Review(verdict=Verdict.UNREADABLE), 0), (None, 0)],
)
def test_review(review, expected):
    """A plain yes or no is worth most, whichever it is."""
    assert points(score(review=review))["review"] == expected


@pytest.mark.parametrize(
    ("passed", "review", "expected"),
    [
        (True, YES, 20),
        (False, NO, 20),
        (True, NO, -40),
        (False, YES, 0),
        (True, Review(verdict=Verdict.UNSURE), 0),
        (True, None, 0),
    ],
)
def test_agreement(passed, review, expected):
    """Checks and reviewer that say the same make sure; who contradicts what passes, unsettles."""
    assert points(score(evidence=Evidence(checks=(check(passed=passed),)), review=review))["agreement"] == expected


def test_agreement_needs_something_measured():
    """Without a required check there is nothing that the reviewer could agree with."""
    assert points(score(review=YES))["agreement"] == 0


def test_surely_bad_work_is_sure():
    """Confidence is about the verdict: a failed check and a no together are certain."""
    assert score(evidence=Evidence(checks=(check(passed=False),)), review=NO) == 100


def test_false_claims_cost_thirty_each():
    """Each lie is a factor of its own; the sum never falls below 0."""
    told = score(evidence=Evidence(checks=(check(),)), claims=["one", "two"])
    assert [factor.points for factor in told.factors if factor.name == "false claim"] == [-30, -30]
    assert told == 0
    assert score(claims=["one", "two"]) == 0


def test_a_lie_speaks_for_a_verdict_against_the_work():
    """Where a check fails anyway, the lie is told and takes nothing away."""
    evidence = Evidence(checks=(check(passed=False, kind="pytest"),))
    lie = score("I created x.py. All tests pass.", evidence=evidence, review=NO)
    assert [factor.points for factor in lie.factors if factor.name == "false claim"] == [0, 0]
    assert lie == 100


def test_points_become_the_measured_chance():
    """By verdict and by model; a factor without points says so."""
    chances = {
        "": {"good, checked": ((0, 40.0), (50, 90.0)), "wrong, checked": ((0, 99.0),)},
        "tiny": {"good, checked": ((0, 55.0),)},
    }
    scorer = ConfidenceScorer({"chances": chances})
    good, bad = Evidence(checks=(check(),)), Evidence(checks=(check(passed=False),))
    assert scorer.score_response("I did it.", TASK, {"evidence": good, "review": YES}) == 90
    assert scorer.score_response("I did it.", TASK, {"evidence": bad, "review": YES}) == 99
    by_tiny = scorer.score_response(
        "ok.", TASK, {"evidence": good, "review": Review(verdict=Verdict.YES, model="tiny")}
    )
    assert by_tiny == 55
    assert by_tiny.factors[-1].name == "measured"
    assert "100 points were right in 55 of 100" in by_tiny.factors[-1].why


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"evidence": Evidence()},
        {"evidence": Evidence(checks=(check(),)), "review": Review(verdict=Verdict.UNREADABLE)},
    ],
)
def test_without_a_verdict_there_is_no_chance(metadata):
    """Nothing to judge by, or a review that nobody can read: the points stay."""
    chances = {"": dict.fromkeys(("good, checked", "wrong, checked", "wrong, unchecked"), ((0, 99.0),))}
    confidence = ConfidenceScorer({"chances": chances}).score_response("I did it.", TASK, metadata)
    assert confidence < 99
    assert "measured" not in points(confidence)


def test_it_is_a_number_that_keeps_its_factors():
    """The factors survive a trip through pickle."""
    confidence = score(review=YES)
    assert pickle.loads(pickle.dumps(confidence)).factors == confidence.factors


@given(
    st.lists(st.builds(check, passed=st.booleans(), required=st.booleans(), implied=st.booleans()), max_size=3),
    st.none() | st.builds(Review, verdict=st.sampled_from(list(Verdict))),
    st.text(max_size=30),
    st.lists(st.text(max_size=5), max_size=5),
)
def test_bounded_and_deterministic(checks, review, text, claims):
    """From 0 to 100, the same each time; the positive weights sum to 100."""
    metadata = {"evidence": Evidence(checks=tuple(checks)), "review": review, "claims": claims}
    confidence = ConfidenceScorer().score_response(text, TASK, metadata)
    assert confidence == ConfidenceScorer().score_response(text, TASK, metadata)
    assert 0 <= confidence <= 100
    assert sum(factor.weight for factor in confidence.factors) == 100


@pytest.mark.parametrize(("agreement", "expected"), [(1.0, 0), (0.6667, -10), (0.3333, -20), (0.0, -30), (7.0, 0)])
def test_samples_that_disagree_lower_it(agreement, expected):
    """The factor 'samples' takes points for each share of the samples that said otherwise."""
    review = Review(verdict=Verdict.YES, score=90, agreement=agreement)
    found = score(evidence=Evidence(checks=(check(),)), review=review)
    assert points(found)["samples"] == pytest.approx(expected, abs=0.01)
    assert found == pytest.approx(100 + expected, abs=0.01)


def test_one_sample_has_nothing_to_disagree_with():
    """Without an agreement there is no such factor."""
    assert "samples" not in points(score(review=YES))
