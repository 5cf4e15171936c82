"""What is read out of Python without running it."""

from __future__ import annotations

import ast

import pytest

from obra.evidence.python_source import literal


@pytest.mark.parametrize("text", ["{[]: 1}", "{{}}", "{1: 2, **{[]: 3}}"])
def test_what_python_itself_refuses_to_build_is_no_constant(text):
    """A key that cannot be hashed parses; whoever asks for constants is told as for every other expression."""
    with pytest.raises(ValueError, match="no constant|malformed"):
        literal(ast.parse(text, mode="eval").body)
