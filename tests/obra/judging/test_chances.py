import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import ChangeKind, CheckResult, Evidence, FileChange, Review, Verdict
from obra.judging.chances import chance_of, has_written_checks, kind_of, verdict_of
from obra.judging.measured_chances import CHANCES

KINDS = [kind_of(says_good=good, is_measured=checked) for good in (True, False) for checked in (True, False)]
KIND = KINDS[0]
STEPS = ((10.0, 20.0), (50.0, 80.0))
PASSED, FAILED = (CheckResult(name="c", passed=passed, message="m") for passed in (True, False))
OPTIONAL = CheckResult(name="c", passed=False, message="m", required=False)
CHANGE = FileChange(path="a", kind=ChangeKind.CREATED)


def test_a_verdict_names_what_it_rests_on():
    """Checks before a reviewer that was controlled, and that before nothing."""
    assert kind_of(says_good=True, is_measured=True, told_apart=True) == "good, checked"
    assert kind_of(says_good=True, is_measured=False, told_apart=True) == "good, reviewed"
    assert kind_of(says_good=False, is_measured=False) == "wrong, unchecked"


@pytest.mark.parametrize(
    ("points", "expected"), [(-1, 0), (0, 0), (5, 10), (10, 20), (49.9, 20), (50, 80), (100, 80)]
)
def test_steps(points, expected):
    """From so many points up; below the lowest step it falls to 0."""
    assert chance_of({"": {KIND: STEPS}}, "", KIND, points) == expected


def test_models_and_verdicts_have_their_own():
    """A model that nobody measured has the chances of all; a verdict without steps keeps its points."""
    chances = {"": {KIND: ((0, 60.0),)}, "m": {KIND: ((0, 90.0),)}}
    assert chance_of(chances, "m", KIND, 1) == 90
    assert chance_of(chances, "other", KIND, 1) == 60
    assert chance_of(chances, "m", "wrong, checked", 120) == 100
    assert chance_of({}, "m", KIND, 35) == 35


@pytest.mark.parametrize(
    ("evidence", "review", "expected"),
    [
        (None, Verdict.YES, None),
        (Evidence(), Verdict.YES, None),
        (Evidence(checks=(PASSED,)), None, True),
        (Evidence(checks=(PASSED, OPTIONAL)), Verdict.UNSURE, True),
        (Evidence(total_changes=(CHANGE,)), Verdict.YES, True),
        (Evidence(checks=(PASSED,)), Verdict.NO, False),
        (Evidence(checks=(PASSED,)), Verdict.UNREADABLE, None),
        (Evidence(checks=(FAILED,)), Verdict.YES, False),
        (Evidence(checks=(FAILED,)), Verdict.UNREADABLE, False),
        (Evidence(checks=(PASSED,), tampering=("x",)), Verdict.YES, False),
    ],
)
def test_verdict(evidence, review, expected):
    """Anything seen that speaks against the work outweighs every word for it."""
    assert verdict_of(evidence, Review(verdict=review) if review else None) is expected


@given(st.sampled_from([*CHANCES, "unknown"]), st.floats(0, 100), st.floats(0, 100), st.sampled_from(KINDS))
def test_what_is_shipped_rises_and_stays_inside(model, one, two, kind):
    """More points never mean a smaller chance, and no chance is 0 or 100 once something was measured."""
    low, high = (chance_of(CHANCES, model, kind, points) for points in sorted((one, two)))
    assert 0 <= low <= high <= 100


def test_kinds():
    """A verdict, and whether somebody wrote what it was measured by."""
    assert KINDS == ["good, checked", "good, unchecked", "wrong, checked", "wrong, unchecked"]
    assert has_written_checks(Evidence(checks=(PASSED,)))
    implied = CheckResult(name="c", passed=True, message="m", implied=True)
    assert not has_written_checks(Evidence(checks=(OPTIONAL, implied)))
