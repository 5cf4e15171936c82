import pytest

from obra.calibration.words_alone import WordsAlone

GOOD = [({"return", "raise", "def"}, True)] * 4
BAD = [({"todo", "pass", "def"}, False)] * 6


def test_words_of_good_ones_raise_the_score():
    """Known words move the score, unknown ones do not."""
    words = WordsAlone([*GOOD, *BAD])
    assert words.score({"return"}) > words.score(set()) > words.score({"todo"})
    assert words.score({"never", "seen"}) == words.score(set())


def test_the_score_is_the_odds():
    """One word in one of two examples of each kind: by hand, odds of (2/3) to (1/3)."""
    words = WordsAlone([({"a"}, True), ({"b"}, False)])
    assert words.score({"a"}) == pytest.approx(0.6931, abs=1e-4)


def test_the_order_of_examples_does_not_matter():
    """The same examples in another order give the same score to the last bit."""
    text = {"return", "todo", "def"}
    assert WordsAlone([*GOOD, *BAD]).score(text) == WordsAlone([*BAD, *GOOD]).score(text)


def test_one_kind_alone_teaches_nothing():
    """It says so."""
    with pytest.raises(ValueError, match="one kind"):
        WordsAlone(GOOD)
