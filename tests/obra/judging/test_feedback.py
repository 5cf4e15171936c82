from hypothesis import given
from hypothesis import strategies as st

from obra.domain import Action, CheckResult, Evidence, Problem, Review, Validation, Verdict
from obra.judging.facts import Facts
from obra.judging.feedback import KEEP_TO_THE_TASK, LONGEST, LONGEST_NAME, LONGEST_OUTPUT, write_feedback
from obra.judging.situation import Situation


def failed(name, message="m", output="", **more):
    """One failed check."""
    return CheckResult(name=name, passed=False, message=message, output=output, **more)


def feedback(situation, action=Action.RETRY):
    """What the agent hears of a situation."""
    return write_feedback(action, "the reason", Facts.of(situation), situation)


def test_everything_is_told():
    """Failures with message and output, issues, the question and false claims stand in the feedback."""
    situation = Situation(
        evidence=Evidence(
            checks=(failed("tests", "1 failed", "AssertionError: 2 != 3\n\n"), failed("style", "bad"))
        ),
        review=Review(verdict=Verdict.NO, issues=("no docstring",), question="Why two?"),
        claims=("the reply says that the tests pass",),
    )
    text = feedback(situation)
    for needed in ("- tests\n- style", "tests: 1 failed\nAssertionError: 2 != 3", "style: bad", "- no docstring",
                   "Why two?", "- the reply says that the tests pass"):  # fmt: skip
        assert needed in text


def test_only_another_attempt_has_feedback():
    """Who is done, or waits for a person, hears nothing."""
    situation = Situation(evidence=Evidence(checks=(failed("x"),)))
    assert feedback(situation, Action.PROCEED) == feedback(situation, Action.ESCALATE) == ""
    assert feedback(situation, Action.CLARIFY) != ""


def test_the_reason_is_told_when_nothing_else_is():
    """A low score alone is told as what it is."""
    assert feedback(Situation()) == "The work is not accepted yet: the reason."


def test_an_agent_that_asks_is_told_to_go_on():
    """Nobody answers: the agent hears to keep to the task."""
    assert KEEP_TO_THE_TASK in feedback(Situation(validation=Validation(problems=(Problem.QUESTION,))))


def test_remarks_are_told_as_remarks():
    """An optional failure is told, and told apart from what has to be mended."""
    remark = failed("code out of scope", implied=True, required=False)
    text = feedback(Situation(evidence=Evidence(checks=(failed("tests"), remark))))
    assert "code out of scope" in text.partition("Remarks, which decide nothing:")[2]
    assert "code out of scope" not in text.partition("Remarks")[0]


def test_the_end_of_a_long_output_is_kept():
    """Of a long output the end is told, with how much is missing."""
    text = feedback(Situation(evidence=Evidence(checks=(failed("t", output="x" * 5000 + "THE END"),))))
    assert "THE END" in text
    assert f"[... {5007 - LONGEST_OUTPUT} characters left out ...]" in text


@given(st.integers(1, 60), st.integers(0, 4000), st.lists(st.text(max_size=3000), max_size=6))
def test_bounded_and_each_failure_named(count, size, issues):
    """However much there is to tell, the feedback is bounded and names every failed check."""
    checks = tuple(failed(f"check number {number}", "m" * size, "o" * size) for number in range(count))
    review = Review(verdict=Verdict.NO, issues=tuple(issues))
    text = feedback(Situation(evidence=Evidence(checks=checks), review=review))
    assert len(text) <= LONGEST
    assert all(f"- check number {number}\n" in text + "\n" for number in range(count))


def test_names_alone_may_be_longer():
    """A thousand failures are all named, each name cut."""
    checks = tuple(failed(f"{number:04} " + "n" * 500) for number in range(1000))
    text = feedback(Situation(evidence=Evidence(checks=checks)))
    assert text.count("\n- ") == 1000
    assert len(text) < 1000 * (LONGEST_NAME + 60)
