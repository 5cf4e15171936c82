import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import Verdict
from obra.judging.review_reader import read_review

GOOD = {"reason": "r", "verdict": "yes", "score": 90, "issues": ["one", " "], "question": " q "}

BAD = {
    "": "answered nothing",
    "  \n": "answered nothing",
    "yes": "not JSON",
    "[]": "not a JSON object",
    "[1]": "a list of 1",
    "null": "not a JSON object",
    "true": "not a JSON object",
    "Sure! " + json.dumps(GOOD): "not JSON",
    json.dumps(GOOD) + " trailing": "not JSON",
    json.dumps(GOOD) * 2: "not JSON",
    '{"verdict": "no", "verdict": "yes", "score": 90}': "twice",
    '{"score": 90}': "no verdict",
    '{"score": 90, "issues": []}': "no verdict",
    '{"verdict": "YES", "score": 90}': "must be yes, no or unsure",
    '{"verdict": "unreadable", "score": 90}': "must be yes, no or unsure",
    '{"verdict": true, "score": 90}': "it is True",
    '{"verdict": ["yes"], "score": 90}': "a list of 1",
    '{"verdict": null, "score": 90}': "it is None",
    '{"verdict": "yes", "score": 101}': "must be a number from 0 to 100",
    '{"verdict": "yes", "score": -1}': "0 to 100",
    '{"verdict": "yes", "score": NaN}': "NaN is no JSON number",
    '{"verdict": "yes", "score": Infinity}': "Infinity",
    '{"verdict": "yes", "score": 1e999}': "it is inf",
    '{"verdict": "yes", "score": true}': "it is True",
    '{"verdict": "yes", "score": "90"}': "it is '90'",
    '{"verdict": "yes", "score": ' + "9" * 5000 + "}": "not JSON",
    '{"verdict": "yes", "issues": "none"}': "list of texts",
    '{"verdict": "yes", "issues": [1]}': "list of texts",
    '{"verdict": "yes", "issues": {}}': "a dict of 0",
    '{"verdict": "yes", "question": 1}': "question must be a text",
    '{"verdict": "yes", "reason": []}': "reason must be a text",
    '{"verdict": "yes", "pass": true}': "unknown key 'pass'",
    "[" * 100_000: "not JSON",
    "```json\n" + json.dumps(GOOD): "besides",
    "```python\n" + json.dumps(GOOD) + "\n```": "'python', not JSON",
    "```json\n{}\n```\n```json\n" + json.dumps(GOOD) + "\n```": "besides",
    "```json\n" + json.dumps(GOOD) + "\n```\nand so on": "besides",
    "```json\n\n```": "answered nothing",
    '{"verdict": "' + "x" * 200 + '"}': "x\u2026",
}


@pytest.mark.parametrize("frame", ["{}", "\n {} \n", "```json\n{}\n```", "```\n{}\n```\n", "~~~json\n{}\n~~~"])
def test_a_good_review(frame):
    """A legal object is read, alone or in one code fence; the raw text and the model are kept."""
    text = frame.replace("{}", json.dumps(GOOD))
    review = read_review(text, "qwen")
    assert (review.verdict, review.score, review.issues, review.question) == (Verdict.YES, 90.0, ("one",), "q")
    assert (review.raw, review.model) == (text, "qwen")


@pytest.mark.parametrize("verdict", ["yes", "no", "unsure"])
def test_a_verdict_alone_is_enough(verdict):
    """The verdict is what counts; a score that was not given stays unknown."""
    review = read_review(json.dumps({"verdict": verdict, "score": None}))
    assert (review.verdict.value, review.score, review.issues, review.question) == (verdict, None, (), "")


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_unreadable(text):
    """What is not certainly a review is unreadable, with the cause as its only issue."""
    review = read_review(text)
    assert review.verdict is Verdict.UNREADABLE
    assert review.score is None
    (why,) = review.issues
    assert BAD[text] in why
    assert len(why) < 300


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=9)
    | st.sampled_from(["yes", "no", "unsure"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "other"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(JSON)
def test_only_a_written_verdict_passes(value):
    """Whatever JSON comes, yes is read only from an object whose verdict is the text yes, with a legal score."""
    review = read_review(json.dumps(value))
    if review.verdict is Verdict.YES:
        assert value["verdict"] == "yes"
    assert review.score is None or 0 <= review.score <= 100


@given(st.text(max_size=200))
def test_total(text):
    """Any text gives a review."""
    assert read_review(text).raw == text
