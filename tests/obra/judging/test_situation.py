import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import (
    ChangeKind,
    CheckResult,
    Confidence,
    Evidence,
    FileChange,
    Problem,
    Quality,
    Review,
    Task,
    Validation,
    Verdict,
)  # fmt: skip
from obra.judging.facts import Facts
from obra.judging.situation import LONGEST_SENTENCE, MOST_SENTENCES, Situation, finite

PLAN = {
    "task": Task(id=4, title="Create calculator"),
    "response": "Good code",
    "validation_result": {"valid": True},
    "quality_score": 85,
    "confidence_score": 75,
}


def test_the_plans_keys():
    """The plan's own context is read."""
    situation = Situation.from_context(PLAN)
    assert (situation.quality.overall_score, situation.confidence, situation.valid) == (85, 75, True)
    assert (situation.task.id, situation.response, situation.evidence) == (4, "Good code", None)


def test_our_keys_win():
    """The records of the loop are taken as they are."""
    ours = {
        "evidence": Evidence(files=("a",)),
        "review": Review(verdict=Verdict.NO),
        "validation": Validation(problems=(Problem.QUESTION,), question="Which?"),
        "quality": Quality(overall_score=40.0),
        "confidence": Confidence(30.0),
        "claims": ["a lie"],
        "attempts_left": 0,
        "limit": "seconds",
    }
    situation = Situation.from_context({**PLAN, **ours})
    assert situation.as_data()["quality"] == 40
    assert (situation.confidence, situation.attempts_left, situation.limit) == (30, 0, "seconds")
    assert (situation.claims, situation.valid) == (("a lie",), False)
    assert situation.review.verdict is Verdict.NO


def test_an_empty_context_is_all_missing():
    """Nothing given is nothing known; another attempt is possible unless the caller says otherwise."""
    situation = Situation.from_context({})
    assert (situation.quality, situation.confidence, situation.attempts_left) == (None, None, 1)
    assert Facts.of(situation).is_empty


@pytest.mark.parametrize(
    ("given_value", "valid", "problems"),
    [
        ({"valid": False}, False, []),
        ({"valid": False, "problems": ["question"], "question": "Which?"}, False, ["question"]),
        ({"problems": ["empty"]}, False, ["empty"]),
        ({}, True, []),
    ],
)
def test_validation_as_a_mapping(given_value, valid, problems):
    """A plain mapping says valid or not, with or without naming problems."""
    data = Situation.from_context({"validation": given_value}).as_data()
    assert (data["valid"], data["problems"]) == (valid, problems)


@pytest.mark.parametrize("value", [None, "90", True, float("nan"), float("inf"), 10**400, object()])
def test_what_is_no_number_is_missing(value):
    """Text, truth values, NaN and endless numbers cannot pass for a score."""
    assert finite(value) is None
    assert Situation.from_context({"quality": value, "confidence": value}).as_data()["quality"] is None


def test_a_plain_object_with_a_score():
    """Anything with an overall_score is a quality."""
    quality = type("obj", (object,), {"overall_score": 85})()
    assert Situation.from_context({"quality": quality}).quality.overall_score == 85


def test_the_data_is_small_and_names_everything():
    """A huge attempt becomes small data: no patch, no outputs, long sentences cut, many issues cut."""
    evidence = Evidence(
        patch="p" * 1_000_000,
        checks=(CheckResult(name="n", passed=False, message="m" * 9000, output="o" * 1_000_000),),
        changes=(FileChange(path="a", kind=ChangeKind.CREATED),),
        total_changes=(FileChange(path="a", kind=ChangeKind.CREATED),) * 2,
        tampering=("CLAUDE.md was changed",),
    )
    review = Review(verdict=Verdict.NO, score=10.0, issues=("i",) * 1000, question="Which?", raw="r" * 1_000_000)
    data = Situation(task=PLAN["task"], response="x" * 1_000_000, evidence=evidence, review=review).as_data()
    assert len(json.dumps(data)) < 5000
    assert data["checks"][0].keys() == {"name", "passed", "required", "implied", "message"}
    assert len(data["checks"][0]["message"]) == LONGEST_SENTENCE
    assert len(data["review"]["issues"]) == MOST_SENTENCES
    assert (data["changes"], data["total_changes"], data["tampering"]) == (1, 2, ["CLAUDE.md was changed"])
    assert (data["task"], data["response_characters"]) == ({"id": 4, "title": "Create calculator"}, 1_000_000)
    assert (data["review"]["verdict"], data["review"]["question"]) == ("no", "Which?")


@given(st.text(max_size=600), st.floats())
def test_the_data_survives_json(text, number):
    """What is stored and read again is equal, whatever stood in it."""
    data = Situation(claims=(text,), confidence=number, limit=text).as_data()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
