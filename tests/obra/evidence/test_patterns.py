from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from obra.evidence.patterns import Pattern, is_found


def test_a_pattern_is_found_at_any_line() -> None:
    """^ and $ fit at each line; bytes that are no UTF-8 are no obstacle."""
    assert is_found("^b$", b"a\nb\n\xff", 5)
    assert not is_found("^c$", b"a\nb\n", 5)
    assert is_found("ü\n?", "grün".encode(), 5)


def test_an_endless_search_is_ended() -> None:
    """Catastrophic backtracking costs the limit, not the lifetime that this search would take."""
    with pytest.raises(TimeoutError, match=r"did not end within 0\.3 s"):
        is_found("(a+)+$", b"a" * 60 + b"!", 0.3)


def test_a_search_that_breaks_is_no_answer() -> None:
    """What the searching process cannot compile comes back as an error with its reason."""
    with pytest.raises(RuntimeError, match=r"broke: .*unterminated"):
        is_found("[", b"", 5)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{99999999999999999999}"])
def test_bad_patterns_are_refused_when_they_are_read(pattern: str) -> None:
    """Not a regular expression."""
    with pytest.raises(ValidationError, match=r"not a regular expression"):
        TypeAdapter(Pattern).validate_python(pattern)


@pytest.mark.parametrize(
    "pattern", ["", "(x)*", ".*", "a?", "|b", "^", "$", r"\A", "(?=)", "(?!TODO)", r"(\w+\s*)*", r"\s*", "(ok|)"]
)
def test_a_pattern_that_fits_every_text_is_refused(pattern: str) -> None:
    """A check with it could never fail."""
    with pytest.raises(ValidationError, match="fits every text, also an empty one, so the check could never fail"):
        TypeAdapter(Pattern).validate_python(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"\A\Z", r"\A(?![\s\S]*TODO)", r"\A(?![\s\S]*print\()", r"\A(x\n?)*\Z", r"(\w+)*\Z(?<!\w)x|\A\Z", "."],
)
def test_a_pattern_that_fits_nothing_among_others_is_kept(pattern: str) -> None:
    """That a text is empty, or has a word nowhere, is a thing to check."""
    assert TypeAdapter(Pattern).validate_python(pattern) == pattern
