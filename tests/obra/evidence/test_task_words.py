from __future__ import annotations

import pytest

from obra.evidence.collector import parse_check
from obra.evidence.task_words import asks_for_tests, names_function, names_path


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Write unit tests using pytest.", True),
        ("Functions: add\n- Tests in test_calc.py", True),
        ("Create a program.", False),
        ("No tests are needed.", False),
        ("Do not write tests.", False),
    ],
)
def test_asking_for_tests(text: str, asks: bool) -> None:
    """By word or by a written check."""
    assert asks_for_tests(text, ()) is asks
    assert asks_for_tests(text, (parse_check({"pytest": "."}),))


@pytest.mark.parametrize(
    ("text", "path", "named"),
    [
        ("Fix shop/cart.py.", "shop/cart.py", True),
        ("Fix the cart.", "shop/cart.py", True),
        ("Change everything in shop/.", "shop/cart.py", True),
        ("Fix the cartography.", "shop/cart.py", False),
        ("Fix it.", "a.py", False),
    ],
)
def test_naming_a_path(text: str, path: str, named: bool) -> None:
    """Its name, its stem as a word, or a folder."""
    assert names_path(text, path) is named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Write `load`.", True),
        ("load(path) reads it", True),
        ("Functions: load, save", True),
        ("Load the data.", False),
        ("It should load fast.", False),
    ],
)
def test_naming_a_function(text: str, named: bool) -> None:
    """A word alone is no name of a function."""
    assert names_function(text, "load") is named
