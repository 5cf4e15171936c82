from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.llm.answer import estimated_tokens, looks_cut
from obra.llm.ollama_stream import read_answer
from obra.llm.stream_lines import lines_of


@pytest.mark.parametrize(
    ("prompt", "tokens"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("字", 1), ("\udcff", 1)]
)
def test_tokens_are_estimated_from_bytes(prompt, tokens):
    """Three bytes a token, rounded up, in any script."""
    assert estimated_tokens(prompt) == tokens


@pytest.mark.parametrize(
    ("read", "estimate", "window", "cut"),
    [
        (8194, 12_300, 16_384, True),  # half of our window and two, as the server cuts it
        (4098, 10_000, 16_384, True),  # half of a smaller window than ours, 8192
        (5002, 7_600, 10_000, True),  # half of a window that is no power of two
        (4000, 10_000, 16_384, False),  # 7.5 bytes a token: unusual, but no tell-tale
        (8194, 10_000, 16_384, False),  # a usual text that happens to have this length
        (2499, 10_000, 16_384, True),  # more than 12 bytes a token
        (2500, 10_000, 16_384, False),
        (26, 3, 16_384, False),  # the chat template alone is more than a short prompt
    ],
)
def test_the_signs_of_a_cut_prompt(read, estimate, window, cut):
    """Either sign alone is enough, and a usual text has neither."""
    assert looks_cut(read, estimate, window) is cut


@given(st.lists(st.text(max_size=8), max_size=6), st.lists(st.integers(min_value=0, max_value=400), max_size=9))
def test_how_the_network_cuts_the_stream_does_not_matter(pieces, cuts):
    """Any text, in any pieces, cut at any bytes, is read as it was said."""
    said = [{"message": {"content": piece}, "done": False} for piece in pieces]
    stream = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [*said, {"done": True}]).encode()
    edges = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    assert read_answer(lines_of(chunks)).text == "".join(pieces)
