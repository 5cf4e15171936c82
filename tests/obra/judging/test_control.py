import pytest

from obra.domain import CheckResult, Evidence, Review, ReviewAnswer, Verdict
from obra.judging.control import is_decisive, is_told_apart, requirement_quotes
from obra.prompting.checklist import make_questions

YES, NO = Review(verdict=Verdict.YES), Review(verdict=Verdict.NO)
IMPLIED = CheckResult(name="syntax", passed=True, message="parses", implied=True)
WRITTEN = CheckResult(name="tests", passed=True, message="2 passed")
FAILED = CheckResult(name="syntax", passed=False, message="line 1", implied=True)
QUESTIONS = make_questions(["It adds.", "It subtracts.", "It divides."], most=8, absent="module_1.py")


@pytest.mark.parametrize(
    ("evidence", "review", "decides"),
    [
        (Evidence(), YES, True),
        (Evidence(checks=(IMPLIED,)), YES, True),
        (Evidence(), NO, False),
        (Evidence(checks=(WRITTEN,)), YES, False),
        (Evidence(checks=(FAILED,)), YES, False),
        (Evidence(tampering=("a hook",)), YES, False),
    ],
)
def test_only_a_yes_that_decides_is_controlled(evidence, review, decides):
    """Where a written check measures, or something was seen that forbids a yes, no further call is spent."""
    assert is_decisive(evidence, review) is decides


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (("no", "no", "no"), True),
        (("no", "unsure", "yes"), True),
        (("no", "yes", "yes"), False),
        (("yes", "yes", "yes"), False),
    ],
)
def test_most_requirements_must_fall(said, told):
    """Not all, since some things are true of a broken copy as well; the standing questions do not count."""
    verdicts = {question.id: Verdict.YES for question in QUESTIONS}
    verdicts |= {f"requirement {n}": Verdict(one) for n, one in enumerate(said, start=1)}
    assert is_told_apart(QUESTIONS, verdicts) is told


def test_without_a_requirement_nothing_is_told():
    """Standing questions alone show nothing."""
    standing = tuple(question for question in QUESTIONS if not question.requirements)
    assert is_told_apart(standing, {}) is False


def test_quotes_of_requirements():
    """What was quoted for them, and for nothing else."""
    answers = tuple(
        ReviewAnswer(id=name, question="?", verdict=Verdict.YES, quote=quote)
        for name, quote in (("requirement 1", "def add"), ("requirement 2", ""), ("scope", "x"))
    )
    assert requirement_quotes(QUESTIONS, Review(verdict=Verdict.YES, answers=answers)) == ("def add",)
