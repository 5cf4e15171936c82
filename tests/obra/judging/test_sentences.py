import pytest

from obra.judging.sentences import clauses, is_negated, plain, sentences, without_quotes


def test_sentences_end_at_marks_and_lines():
    """A dot inside a name or a number ends nothing."""
    text = "I wrote a.py at 3.5 s. It works!\nDoes it? \u597d\u3002\u597d"
    assert sentences(text) == ["I wrote a.py at 3.5 s.", "It works!", "Does it?", "\u597d\u3002", "\u597d"]


def test_clauses_end_at_commas_dashes_and_turns():
    """A turn such as 'but' begins a new clause, a hyphen does not."""
    assert clauses("I can't run it, but the well-known logic - as said - holds;") == [
        "I can't run it",
        "the well-known logic",
        "as said",
        "holds",
    ]


@pytest.mark.parametrize(
    "clause", ["tests do not pass", "it doesn't", "no file", "cannot be done", "nothing changed"]
)
def test_negated(clause):
    """Words that turn a statement around are seen."""
    assert is_negated(clause)


@pytest.mark.parametrize("clause", ["the notes are done", "another nothingness", "knot tied"])
def test_not_negated(clause):
    """Parts of longer words are no negation."""
    assert not is_negated(clause)


def test_plain_text_has_one_form():
    """Full-width letters, curly apostrophes and invisible characters are evened out; other letters stay."""
    assert plain("I can\u2019t\u200b \uff41\uff1f \u00fc\ufeff\u00a0x") == "I can't a? \u00fc x"
    assert plain("ascii 'text'") == "ascii 'text'"


def test_quotes_are_somebody_elses():
    """What stands in double quotes is taken out."""
    assert without_quotes('He said "all done" and \u201cgreen\u201d.').split() == ["He", "said", "and", "."]
