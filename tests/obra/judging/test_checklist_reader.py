import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import Evidence, Verdict
from obra.judging.checklist_reader import read_sample, read_verdicts
from obra.judging.quotes import QuotableEvidence
from obra.judging.strict_json import Unreadable
from obra.prompting.checklist import arranged, make_questions

ORDER = arranged(make_questions(["It adds."], most=5, absent="module_1.py"), 1)
LABELS = {question.id: label for label, question in ORDER.items()}
QUOTABLE = QuotableEvidence(Evidence(patch="+def add(a, b):\n"))
GOOD = {"reason": "it stands there", "quote": "def add(a, b):", "verdict": "yes"}


def answers(**changes):
    """A full set of answers, the canary's right, with some of them changed or, with None, left out."""
    said = {name: {"verdict": "no", "reason": "", "quote": ""} if name == "canary" else GOOD for name in LABELS}
    for key, change in changes.items():
        name = key.replace("_", " ")
        said[name] = None if change is None else {**said[name], **change}
    return [{"id": LABELS[name], **answer} for name, answer in said.items() if answer is not None]


def read(entries, **more):
    """Read a sample made of *entries*."""
    return read_sample(json.dumps({"answers": entries, **more}), ORDER, QUOTABLE, 7)


def test_bare_verdicts_are_what_was_said():
    """A yes is a yes here, with a quote that stands nowhere, too; a yes to the canary is found out."""
    said = answers(scope={"quote": "made up"}, claims={"verdict": "no", "quote": ""})
    verdicts = read_verdicts(json.dumps({"answers": said}), ORDER)
    assert (verdicts["scope"], verdicts["claims"]) == (Verdict.YES, Verdict.NO)
    assert set(verdicts) == set(LABELS) - {"canary"}
    with pytest.raises(Unreadable, match="whose answer is no"):
        read_verdicts(json.dumps({"answers": answers(canary={"verdict": "yes"})}), ORDER)


def test_a_whole_sample_counts():
    """Each question has its vote, by our own id; the canary has done its work and has none."""
    sample = read(answers(scope={"verdict": "no", "reason": "b.txt", "quote": ""}))
    assert (sample.problem, sample.seed) == ("", 7)
    assert set(sample.votes) == set(LABELS) - {"canary"}
    assert sample.votes["requirement 1"].verdict is Verdict.YES
    assert sample.votes["requirement 1"].quote == "def add(a, b):"
    assert (sample.votes["scope"].verdict, sample.votes["scope"].reason) == (Verdict.NO, "b.txt")


@pytest.mark.parametrize(
    ("quote", "why"), [("", "gave no quote"), ("def subtract(a, b):", "does not stand in the evidence")]
)
def test_a_yes_without_a_true_quote_is_not_shown(quote, why):
    """It is no vote for yes, and says why."""
    vote = read(answers(requirement_1={"quote": quote})).votes["requirement 1"]
    assert vote.verdict is Verdict.UNSURE
    assert why in vote.reason


@pytest.mark.parametrize("verdict", ["no", "unsure"])
def test_a_no_needs_no_quote(verdict):
    """What is missing cannot be quoted."""
    vote = read(answers(requirement_1={"quote": "made up", "verdict": verdict})).votes["requirement 1"]
    assert vote.verdict == verdict


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (answers(canary={"verdict": "yes"}), "said yes to a question whose answer is no"),
        (answers(canary={"verdict": "unsure"}), "said unsure to a question whose answer is no"),
        (answers(canary=None), "left out 1 of 6"),
        (answers(requirement_1=None, scope=None), "left out 2 of 6"),
        ([], "left out 6 of 6"),
        ([*answers(), {"id": "q7", **GOOD}], "'q7' that was not put"),
        ([*answers(), {**GOOD}], "'' that was not put"),
        ([*answers(), answers()[0]], "twice"),
        (answers(scope={"verdict": "Yes"}), "must be yes, no or unsure"),
        (answers(scope={"verdict": True}), "must be yes, no or unsure"),
        (answers(canary={"verdict": None}), "must be yes, no or unsure"),
        (answers(scope={"reason": 3}), "reason must be a text"),
        (answers(scope={"quote": ["def add"]}), "quote must be a text"),
        (answers(scope={"score": 100}), "unknown key 'score'"),
        ([*answers(), "yes"], "not a JSON object"),
        ("yes", "must be a list; they are 'yes'"),
        (None, "must be a list; they are None"),
        ({"q1": "yes"}, "must be a list; they are a dict of 1"),
    ],
)
def test_a_sample_that_is_not_whole_and_honest_is_discarded(entries, why):
    """Not one of its votes counts, and the problem says why."""
    sample = read(entries)
    assert why in sample.problem
    assert not sample.votes


def test_a_verdict_may_not_be_missing():
    """An answer without one is none."""
    entries = answers()
    del entries[0]["verdict"]
    assert "gave no verdict" in read(entries).problem


@pytest.mark.parametrize(
    "text", ["", "yes", "{", "[]", "null", '{"answers": []', '{"verdict": "yes"}', "Sure! {}", '{"answers": NaN}']
)
def test_garbage_is_discarded(text):
    """What is not the one JSON object is no sample; the text is kept."""
    sample = read_sample(text, ORDER, QUOTABLE, 1)
    assert sample.problem
    assert sample.raw == text


def test_a_whole_review_is_no_sample():
    """An LLM that gives a score of its own is not listened to."""
    assert "unknown key" in read(answers(), score=100).problem


WORDS = st.text(max_size=9)
LEAVES = st.none() | st.booleans() | st.integers() | WORDS


@given(st.recursive(LEAVES, lambda one: st.lists(one, max_size=4) | st.dictionaries(WORDS, one, max_size=4)))
def test_no_json_breaks_the_reader(value):
    """Any JSON is read to a sample that does not count."""
    for data in (value, {"answers": value}, {"answers": [value]}):
        sample = read_sample(json.dumps(data), ORDER, QUOTABLE, 1)
        assert sample.problem
        assert not sample.votes
