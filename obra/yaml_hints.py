"""What the YAML library says about a file that is no YAML, and what to do about it."""

from __future__ import annotations

_HINTS = {
    "found a tab character": "indent with spaces",
    "could not determine a constructor": "the file is plain data: leave the tag out, or put the text in quotes",
    "mapping values are not allowed": "put a text with ': ' in it in quotes, and look at the indentation",
    "could not find expected ':'": "is a ':' missing behind a key?",
    "did not find expected key": "the keys of one mapping begin in the same column, and a quote is closed",
    "found unexpected end of stream": "a quote or a bracket is not closed",
    "did not find expected '-'": "the items of a list begin with '- ' in the same column",
    "did not find expected ',' or": "a bracket is not closed, or a comma is missing",
    "cannot start any token": "indent with spaces, and put a text that begins with @ or ` in quotes",
}


def hint_for(problem: str) -> str:
    """Return what to do about *problem*, in the library's words, behind a semicolon; or nothing."""
    return next((f"; {hint}" for words, hint in _HINTS.items() if words in problem), "")
