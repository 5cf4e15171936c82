import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import Verdict
from obra.judging.ballot import LONGEST_REASON, count_votes
from obra.judging.checklist_reader import Sample, Vote
from obra.prompting.checklist import make_questions

QUESTIONS = make_questions(["It adds.", "It has docs."], most=5, absent="module_1.py")
COUNTED = [question for question in QUESTIONS if not question.is_canary]
WORDS = {"y": Verdict.YES, "n": Verdict.NO, "u": Verdict.UNSURE}


def sample(votes, seed=1):
    """A sample that says one letter to each question: y, n or u; or, with x, one that was discarded."""
    if votes == "x":
        return Sample(seed=seed, problem="the reviewer's answer is not JSON", raw="garbage")
    said = {
        question.id: Vote(verdict=WORDS[letter], reason=f"reason {seed}", quote="line" if letter == "y" else "")
        for question, letter in zip(COUNTED, votes, strict=True)
    }
    return Sample(seed=seed, votes=said, raw=f"raw {seed}")


def review(*votes):
    """The review that samples make together."""
    return count_votes(QUESTIONS, [sample(one, seed) for seed, one in enumerate(votes, start=1)], "model")


@pytest.mark.parametrize(
    ("votes", "verdict", "score"),
    [
        (["yyyyy"] * 3, "yes", 100),
        (["nnnnn"] * 3, "no", 0),
        (["uuuuu"] * 3, "unsure", 0),
        (["yyuuu"] * 3, "yes", 57.14),
        (["yynnn"] * 3, "yes", 57.14),
        (["ynyyy"] * 3, "no", 71.43),
        (["yuyyy"] * 3, "unsure", 71.43),
        (["yyyyy", "yyyyy", "nnnnn"], "yes", 100),
        (["yyyyy", "nnnnn", "nnnnn"], "no", 0),
        (["yyyyy", "nnnnn", "uuuuu"], "unsure", 0),
        (["yyyyy", "x", "yyyyy"], "yes", 100),
        (["x", "yyyyy", "x"], "unsure", 0),
        (["x", "nnnnn", "x"], "no", 0),
        (["yyyyy", "nnnnn", "x"], "unsure", 0),
        (["x", "x", "x"], "unreadable", None),
        (["yyyyy"], "yes", 100),
        (["x"], "unreadable", None),
        (["yyyyy", "yyyyy", "x", "x"], "unsure", 0),
    ],
)
def test_the_count(votes, verdict, score):
    """Yes takes a majority of all that were asked, no one of those that count; requirements count double."""
    found = review(*votes)
    assert (found.verdict, found.score) == (verdict, score)


def test_issues_name_question_and_reason():
    """What was denied and what was not shown are told apart; what was shown is no issue."""
    found = review(*["nuyyy"] * 3)
    assert found.issues == (
        "Is this requirement met: It adds. No: reason 1",
        "Is this requirement met: It has docs. Not shown: reason 1",
    )


def test_no_reason_is_no_reason():
    """A verdict alone leaves the question alone."""
    bare = Sample(seed=1, votes={question.id: Vote(verdict=Verdict.NO) for question in COUNTED})
    assert count_votes(QUESTIONS, [bare]).issues[0] == "Is this requirement met: It adds. No."


def test_samples_that_contradict_each_other_show_nothing():
    """The reason says that they do not agree."""
    answer = review("yyyyy", "nnnnn", "x").answers[0]
    assert (answer.verdict, answer.quote) == (Verdict.UNSURE, "")
    assert "do not agree" in answer.reason


@pytest.mark.parametrize(
    ("votes", "agreement"),
    [
        (["yyyyy"] * 3, 1),
        (["yyyyy", "yyyyy", "nyyyy"], 0.9333),
        (["yyyyy", "nnnnn", "uuuuu"], 0.3333),
        (["yyyyy", "x", "yyyyy"], 0.6667),
        (["yyyyy"], None),
        (["x", "x"], None),
    ],
)
def test_agreement(votes, agreement):
    """Samples that said otherwise or could not be counted lower it; one sample has nothing to agree with."""
    assert review(*votes).agreement == agreement


def test_answers_carry_quote_and_model():
    """A yes shows the line behind it; model and every raw answer are kept, discarded ones with their problem."""
    found = review("yyyyy", "x", "yyyyy")
    assert found.answers[0].quote == "line"
    assert found.answers[0].agreement == pytest.approx(2 / 3)
    assert found.model == "model"
    raw = json.loads(found.raw)
    assert [one["seed"] for one in raw] == [1, 2, 3]
    assert raw[1] == {"seed": 2, "discarded": "the reviewer's answer is not JSON", "answer": "garbage"}


def test_unreadable_says_why_once():
    """The causes are the issues, each once."""
    assert review("x", "x").issues == ("the reviewer's answer is not JSON",)


def test_a_long_or_hostile_reason_is_cut_and_cleaned():
    """What a model writes reaches the agent's next prompt as one short visible line."""
    vote = Vote(verdict=Verdict.NO, reason="a\n\x1b[2J\u202e" + "b" * 999)
    found = count_votes(QUESTIONS, [Sample(seed=1, votes={question.id: vote for question in COUNTED})])
    reason = found.answers[0].reason
    assert reason.startswith("a [2Jb")
    assert len(reason) == LONGEST_REASON + 1


VOTES = st.lists(st.text("ynu", min_size=5, max_size=5) | st.just("x"), min_size=1, max_size=5)


@given(VOTES)
def test_a_discarded_or_turned_sample_never_helps(votes):
    """Replacing any sample by a discarded one, or a yes by anything else, never raises score or verdict."""
    order = [Verdict.UNREADABLE, Verdict.NO, Verdict.UNSURE, Verdict.YES]
    before = review(*votes)
    for place, letter in itertools.product(range(len(votes)), "nu"):
        changed = [*votes]
        changed[place] = changed[place].replace("y", letter)
        after = review(*changed)
        assert (after.score or 0) <= (before.score or 0)
        assert order.index(after.verdict) <= order.index(before.verdict)
    for place in range(len(votes)):
        after = review(*votes[:place], "x", *votes[place + 1 :])
        assert (after.score or 0) <= (before.score or 0)
        assert before.verdict is Verdict.YES or after.verdict is not Verdict.YES


@given(VOTES, st.randoms())
def test_the_order_of_samples_does_not_matter(votes, shuffler):
    """Verdict, score and agreement are the same in any order."""
    shuffled = [*votes]
    shuffler.shuffle(shuffled)
    one, other = review(*votes), review(*shuffled)
    assert (one.verdict, one.score, one.agreement) == (other.verdict, other.score, other.agreement)
