import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import CheckResult, Evidence, Review, ReviewAnswer, Verdict
from obra.judging.requirements import read_split, settle
from obra.prompting.checklist import make_questions
from obra.prompting.requirements import split_description

TITLE, TEXT = "Create a calculator", "- functions add and subtract\n- division by zero is an error\n- docstrings"
OWN = split_description(TITLE, TEXT)


def split(*sentences):
    """What the model's sentences become."""
    return read_split(json.dumps({"requirements": list(sentences)}), TITLE, TEXT)


def test_a_good_split_is_taken():
    """Sentences that are about the task and leave nothing out are its requirements."""
    good = (
        "The function add exists",
        "The function subtract exists",
        "Division by zero is an error",
        "Docstrings",
    )
    assert split(*good) == good


def test_what_is_not_about_the_task_is_dropped():
    """A sentence that shares no words with the task is an invention."""
    assert "It runs on Kubernetes clusters" not in split(*OWN, "It runs on Kubernetes clusters", "")
    assert split(*OWN, "It runs on Kubernetes clusters") == OWN


def test_what_was_left_out_is_put_back():
    """A model cannot make a task easier by naming only a part of it."""
    assert split("Docstrings") == ("Docstrings", OWN[0], OWN[1])


@pytest.mark.parametrize(
    "text",
    [
        "", "Sure!", "{}",
        "[]", '{"requirements": []}', '{"requirements": "docstrings"}', '{"requirements": [1, 2]}',
        '{"requirements": ["docstrings"], "more": 1}', '{"requirements": ["Be nice to everybody always"]}',
        '{"requirements": null}', '{"requirements": ["a b"]}',
    ],
)  # fmt: skip
def test_an_unusable_answer_leaves_the_tasks_own_sentences(text):
    """The task speaks for itself then."""
    assert read_split(text, TITLE, TEXT) == OWN


def test_no_more_than_ten_and_none_twice():
    """A long or repetitive answer is cut, folded to lines and freed of hidden characters."""
    many = split(*[f"docstrings of the calculator {number}" for number in range(30)])
    assert len([one for one in many if one.startswith("docstrings of")]) == 10
    assert split("Doc\u200bstrings\n  functions", "Docstrings functions")[0] == "Docstrings functions"
    assert split("Docstrings", "Docstrings").count("Docstrings") == 1


@given(st.lists(st.text(max_size=40), max_size=12))
def test_no_answer_can_lose_a_demand(sentences):
    """For any answer each sentence of the task is there, word for word or in the words of the answer."""
    found = split(*sentences)
    said = " ".join(found).casefold()
    assert found
    assert all(word in said for word in ("subtr", "divis", "docst"))


def answer(number, verdict, **more):
    """The reviewer's answer to one question about requirements."""
    return ReviewAnswer(id=f"requirement {number}", question="?", verdict=verdict, **more)


def test_each_requirement_has_its_state():
    """Sentences by the reviewer's answers, checks by their results."""
    sentences = ("a", "b", "c")
    questions = make_questions(sentences, most=12, absent="x.py")
    review = Review(
        verdict=Verdict.NO,
        answers=(
            answer(1, Verdict.YES, quote="def a():", reason="there"),
            answer(2, Verdict.NO, reason="missing"),
            answer(3, Verdict.UNSURE, reason="no quote"),
        ),
    )
    evidence = Evidence(
        checks=(
            CheckResult(name="one", passed=True, message="3 passed"),
            CheckResult(name="two", passed=False, message="expected 1, got 2"),
            CheckResult(name="syntax", passed=True, message="valid", implied=True),
        )
    )
    found = settle(sentences, ("tests pass", "it prints 1"), evidence, questions, review)
    assert [(one.text, one.state.value, one.evidence) for one in found] == [
        ("a", "shown", "def a():"),
        ("b", "contradicted", "missing"),
        ("c", "not_shown", "no quote"),
        ("tests pass", "shown", "3 passed"),
        ("it prints 1", "contradicted", "expected 1, got 2"),
    ]


def test_requirements_that_share_a_question_share_its_answer():
    """More requirements than questions: each still ends in a state."""
    sentences = tuple(f"r{number}" for number in range(7))
    questions = make_questions(sentences, most=5, absent="x.py")
    review = Review(verdict=Verdict.YES, answers=tuple(answer(n, Verdict.YES, quote="q") for n in range(1, 6)))
    assert [one.state.value for one in settle(sentences, (), Evidence(), questions, review)] == ["shown"] * 7


@pytest.mark.parametrize(
    ("verdict", "why"), [(Verdict.UNREADABLE, "cannot be read"), (Verdict.YES, "did not answer")]
)
def test_without_answers_nothing_is_shown(verdict, why):
    """A whole review that says yes shows no single requirement."""
    questions = make_questions(("a",), most=12, absent="x.py")
    (found,) = settle(("a",), (), Evidence(), questions, Review(verdict=verdict))
    assert found.state.value == "not_shown"
    assert why in found.evidence


def test_a_check_without_a_result_is_an_error():
    """Sentences and results must be of the same checks."""
    with pytest.raises(ValueError, match="zip"):
        settle((), ("tests pass",), Evidence(), (), Review(verdict=Verdict.YES))
