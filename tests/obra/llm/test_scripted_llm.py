"""ScriptedLLM says what it was told, fills in what a review needs, and raises when its script is used up."""

import json

import pytest

from obra.domain import Verdict
from obra.errors import ScriptExhausted
from obra.judging.review_reader import read_review
from obra.llm.scripted_llm import ScriptedLLM
from obra.prompting.review_prompt import CONTROL_SCHEMA, REVIEW_SCHEMA


def test_without_a_script_it_is_unsure():
    """No script: a review that is legal and unsure, and a harmless text where no review is asked for."""
    llm = ScriptedLLM({})
    assert read_review(llm.generate("x", schema=REVIEW_SCHEMA)).verdict is Verdict.UNSURE
    assert "hello" in llm.generate("Say hello").lower()
    assert llm.is_available()


@pytest.mark.parametrize(
    ("turn", "verdict"),
    [
        ({"score": 90}, "yes"),
        ({"score": 70}, "yes"),
        ({"score": 69.9}, "no"),
        ({"score": 95, "verdict": "no"}, "no"),
        ({"score": 10, "verdict": "yes"}, "yes"),
    ],
)
def test_a_score_alone_means_a_verdict(turn, verdict):
    """A turn without verdict is a yes from 70 up; a verdict that is written wins. Both are legal reviews."""
    text = ScriptedLLM({"script": [turn]}).generate("x", schema=REVIEW_SCHEMA)
    assert set(json.loads(text)) == set(REVIEW_SCHEMA["properties"])
    assert read_review(text).verdict == verdict


def test_texts_are_given_back_as_they_stand():
    """A text in the script is answered letter by letter, so that garbage can be played."""
    assert ScriptedLLM({"script": ["{not json"]}).generate("x", schema=REVIEW_SCHEMA) == "{not json"


def test_a_used_up_script_is_said():
    """One question more than there are turns raises, and says how many there were."""
    llm = ScriptedLLM({"script": [{"score": 1}]})
    llm.generate("x", schema=REVIEW_SCHEMA)
    with pytest.raises(ScriptExhausted, match=r"has 1 turn\(s\) and a question number 2 came"):
        llm.generate("x", schema=REVIEW_SCHEMA)


def test_a_resumed_run_counts_the_whole_script():
    """What was answered before the interruption belongs to it."""
    llm = ScriptedLLM({"script": [{"score": 1}, {"score": 2}], "played": 1})
    assert json.loads(llm.generate("x", schema=REVIEW_SCHEMA))["score"] == 2
    with pytest.raises(ScriptExhausted, match=r"has 2 turn\(s\) and a question number 3 came"):
        llm.generate("x", schema=REVIEW_SCHEMA)


@pytest.mark.parametrize(
    ("turn", "verdict"),
    [({"score": 90}, "yes"), ({"score": 90, "control": "no"}, "no"), ({"score": 10, "control": "yes"}, "yes")],
)
def test_what_it_says_of_a_broken_copy(turn, verdict):
    """The same as of the work, unless the turn says otherwise; no turn is used up by it."""
    llm = ScriptedLLM({"script": [turn, {"score": 1}]})
    llm.generate("x", schema=REVIEW_SCHEMA)
    assert json.loads(llm.generate("x", schema=CONTROL_SCHEMA))["verdict"] == verdict
    assert json.loads(llm.generate("x", schema=REVIEW_SCHEMA))["score"] == 1


def test_a_broken_copy_without_a_script_or_with_a_text():
    """Unsure without a script, and the text once more where the turn is one."""
    assert json.loads(ScriptedLLM({}).generate("x", schema=CONTROL_SCHEMA))["verdict"] == "unsure"
    llm = ScriptedLLM({"script": ["{not json"]})
    assert [llm.generate("x", schema=one) for one in (REVIEW_SCHEMA, CONTROL_SCHEMA)] == ["{not json"] * 2
