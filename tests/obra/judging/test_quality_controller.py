from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import (
    ChangeKind,
    CheckResult,
    Evidence,
    FileChange,
    Problem,
    Reply,
    Review,
    Task,
    Validation,
    Verdict,
)
from obra.judging.quality_controller import QualityController

TASK = Task(title="Create calculator")
CODE = "```python\ndef add(a, b):\n    return a + b\n```"


def check(*, passed, name="c", **more):
    """One check result."""
    return CheckResult(name=name, passed=passed, message=f"{name} message", **more)


def evidence(*checks):
    """Evidence that is made of checks alone."""
    return Evidence(checks=checks)


def score(response="I did it.", **context):
    """The score of one reply."""
    return QualityController().validate_output(response, TASK, context).overall_score


def points(quality):
    """The points of each factor by its name."""
    return {factor.name: factor.points for factor in quality.factors}


def test_the_plans_call():
    """The plan's own snippet works and gives a score above 0 and up to 100."""
    result = QualityController(object(), config={}).validate_output(CODE, Task(title="t"), {"language": "python"})
    assert 0 < result.overall_score <= 100


def test_missing_evidence_takes_its_weight_away():
    """Without checks and review only the reply counts, also with no context at all."""
    result = QualityController().validate_output(Reply(text="I did it."), TASK)
    assert points(result) == {"checks": 0.0, "review": 0.0, "reply": 10.0}
    assert [factor.weight for factor in result.factors] == [60.0, 30.0, 10.0]


def test_all_good():
    """Passing written checks, a yes with 100 and an answer make 100."""
    assert score(evidence=evidence(check(passed=True)), review=Review(verdict=Verdict.YES, score=100)) == 100


def test_checks_count_by_their_share():
    """Half of the required checks give half of the weight; optional ones give nothing."""
    seen = evidence(check(passed=True), check(passed=False), check(passed=True, required=False))
    assert score(evidence=seen) == 40
    assert score(evidence=evidence(check(passed=True, required=False))) == 10


@pytest.mark.parametrize(
    ("review", "expected"),
    [
        (Review(verdict=Verdict.YES, score=90), 27.0),
        (Review(verdict=Verdict.NO, score=30), 9.0),
        (Review(verdict=Verdict.UNSURE, score=90), 0.0),
        (Review(verdict=Verdict.UNREADABLE), 0.0),
        (Review(verdict=Verdict.YES), 0.0),
        (Review(verdict=Verdict.YES, score=float("nan")), 0.0),
        (Review(verdict=Verdict.YES, score=1e9), 30.0),
        (None, 0.0),
    ],
)
def test_the_review_counts_when_it_says_yes_or_no(review, expected):
    """Unsure, unreadable and missing reviews give nothing, whatever number stands in them."""
    result = QualityController().validate_output("I did it.", TASK, {"review": review})
    assert points(result)["review"] == expected


def test_implied_checks_count_as_far_as_the_reviewer_agrees():
    """A vague task stays below 50 when the reviewer says no; with a good yes it passes 70."""
    seen = evidence(check(passed=True, implied=True))
    assert score(evidence=seen, review=Review(verdict=Verdict.NO, score=30)) < 50
    assert score(evidence=seen, review=Review(verdict=Verdict.YES, score=80, told_apart=True)) >= 70
    assert score(evidence=seen, review=Review(verdict=Verdict.YES, score=100)) == 40
    assert score(evidence=seen) == 10


def test_work_that_no_check_of_any_kind_fits_rests_on_a_reviewer_that_was_controlled():
    """A document can reach 100, but not by a yes alone, and not where nothing was changed."""
    seen = Evidence(total_changes=(FileChange(path="a.md", kind=ChangeKind.CREATED),))
    review = Review(verdict=Verdict.YES, score=100, told_apart=True)
    assert score(evidence=seen, review=review) == 100
    assert score(evidence=seen, review=replace(review, told_apart=False)) == 40
    assert score(evidence=seen, review=replace(review, verdict=Verdict.UNSURE)) == 10
    assert score(evidence=Evidence(), review=review) == 40


def test_work_that_every_written_check_shows_needs_no_words():
    """An empty reply takes nothing away from it; where a check fails, or none was written, it does."""
    good = evidence(check(passed=True))
    assert score("", evidence=good) == score(evidence=good) == 70
    for other in (evidence(check(passed=True), check(passed=False)), evidence(check(passed=True, implied=True))):
        assert score("", evidence=other) == score(evidence=other) - 10


def test_a_reply_that_is_no_answer():
    """A refusal, and a validation that says invalid in any form, take the reply's points away."""
    assert score("I can't do that") == 0
    assert score(validation={"valid": False}) == 0
    assert score(validation=Validation(problems=(Problem.QUESTION,))) == 0


def test_python_code_must_parse_when_there_is_nothing_else():
    """Broken code in the reply counts only without evidence, and only when Python was asked for."""
    broken = "```python\ndef add(:\n```"
    assert score(broken, language="python") == 0
    assert score(broken) == 10
    assert score("```sh\nls (\n```", language="python") == 10
    assert score(broken, language="python", evidence=evidence(check(passed=True))) == 70
    for hostile in ("(" * 5000, "x = '\0'", "x = '\\d'; " + "-" * 100_000 + "1"):
        assert score(f"```py\n{hostile}\n```", language="python") == 0


def test_code_with_a_warning_parses():
    """A warning of the compiler is no syntax error."""
    assert score("```python\nx = '\\d'\n```", language="python") == 10


def test_issues_come_in_order():
    """Failed checks, the reviewer's issues, false claims, then the reply's problems."""
    seen = evidence(check(name="tests", passed=False, kind="pytest"))
    result = QualityController().validate_output(
        "All tests pass. Which one next do you want?", TASK,
        {"evidence": seen, "review": Review(verdict=Verdict.NO, score=1, issues=("no tests yet",))},
    )  # fmt: skip
    assert [issue.split(",")[0] for issue in result.issues] == [
        "tests: tests message",
        "no tests yet",
        "the reply says that the tests pass",
        "the reply as an answer: question",
    ]


def test_given_claims_are_used():
    """Claims that were found before are not looked for again."""
    result = QualityController().validate_output(
        "x", TASK, {"claims": ["a lie"], "evidence": evidence(check(passed=True))}
    )
    assert result.issues == ("a lie",)


def test_unparsed_code_is_an_issue():
    """The reason of a lost reply factor stands among the issues."""
    result = QualityController().validate_output("```py\n(\n```", TASK, {"language": "python"})
    assert result.issues == ("the Python code in block 1 of the reply does not parse: SyntaxError",)


REVIEWS = st.none() | st.builds(
    Review, verdict=st.sampled_from(list(Verdict)), score=st.none() | st.floats(0, 100), issues=st.just(())
)
CHECKS = st.lists(
    st.builds(CheckResult, name=st.just("c"), passed=st.booleans(), message=st.just("m"), required=st.booleans(),
              implied=st.booleans()),
    max_size=4,
)  # fmt: skip


@given(CHECKS, REVIEWS, st.text(max_size=40))
def test_the_score_is_bounded_deterministic_and_the_sum_of_its_factors(checks, review, text):
    """From 0 to 100, the same each time, and explained by its factors."""
    context = {"evidence": evidence(*checks), "review": review}
    result = QualityController().validate_output(text, TASK, context)
    assert result == QualityController().validate_output(text, TASK, context)
    assert 0 <= result.overall_score <= 100
    assert result.overall_score == pytest.approx(sum(points(result).values()), abs=0.01)
    assert all(0 <= factor.points <= factor.weight for factor in result.factors)


@given(CHECKS, REVIEWS, st.integers(0, 3))
def test_a_failing_check_never_raises_the_score(checks, review, place):
    """Turning one check from pass to fail cannot make the work look better."""
    before = score(evidence=evidence(*checks), review=review)
    worse = [
        check(passed=False, required=c.required, implied=c.implied) if i == place else c
        for i, c in enumerate(checks)
    ]
    assert score(evidence=evidence(*worse), review=review) <= before
