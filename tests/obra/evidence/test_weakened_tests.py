# ruff: noqa: E501  # sample programs stand on one line each
from __future__ import annotations

import pytest

from obra.evidence.weakened_tests import look

BEFORE = """
import pytest
from shop import total, tax

def test_total():
    assert total([1, 2]) == 3
    assert total([]) == 0

def test_tax():
    with pytest.raises(ValueError):
        tax(-1)

class TestMore:
    def test_big(self):
        assert total([10**9, 1]) == 10**9 + 1
"""

GUILTY = {
    "deleted file": None,
    "deleted test": BEFORE.replace("def test_tax", "def check_tax"),
    "skipped": BEFORE.replace("def test_tax", "@pytest.mark.skip(reason='flaky')\ndef test_tax"),
    "xfail": BEFORE.replace("def test_tax", "@pytest.mark.xfail\ndef test_tax"),
    "skipif always": BEFORE.replace("def test_tax", "@pytest.mark.skipif(True, reason='x')\ndef test_tax"),
    "whole file skipped": BEFORE.replace("def test_total", "pytestmark = pytest.mark.skip\n\ndef test_total"),
    "hidden class": BEFORE.replace("class TestMore:", "class TestMore:\n    __test__ = False"),
    "emptied": BEFORE.replace("    with pytest.raises(ValueError):\n        tax(-1)", "    pass"),
    "assert true": BEFORE.replace("assert total([10**9, 1]) == 10**9 + 1", "assert True"),
    "assertion lost": BEFORE.replace("    assert total([]) == 0\n", ""),
    "returns first": BEFORE.replace("    assert total([1, 2]) == 3", "    return\n    assert total([1, 2]) == 3"),
    "caught": BEFORE.replace(
        "        assert total([10**9, 1]) == 10**9 + 1",
        "        try:\n            assert total([10**9, 1]) == 10**9 + 1\n        except AssertionError:\n            pass",
    ),
    "skip call": BEFORE.replace("    with pytest.raises", "    pytest.skip('later')\n    with pytest.raises"),
}


@pytest.mark.parametrize("after", GUILTY.values(), ids=GUILTY)
def test_weakened_tests_are_seen(work, after) -> None:
    """Each of these takes force from a test that was there."""
    (found,) = look(
        work({"tests/test_shop.py": BEFORE}, {"tests/test_shop.py": after}, task="Add tax. Add tests.")
    )
    assert found.required
    assert not found.passed
    assert "tests/test_shop.py: " in found.message


PARAMETRISED = """
import pytest
from shop import total, tax

@pytest.mark.parametrize(("items", "expected"), [([1, 2], 3), ([], 0), ([5], 5)])
def test_totals(items, expected):
    assert total(items) == expected

def test_tax():
    with pytest.raises(ValueError):
        tax(-1)

class TestMore:
    def test_big(self):
        assert total([10**9, 1]) == 10**9 + 1
"""
INNOCENT = {
    "more tests": BEFORE + "\n\ndef test_new():\n    assert total([4]) == 4\n",
    "more assertions": BEFORE.replace("    assert total([]) == 0", "    assert total([]) == 0\n    assert total([7]) == 7"),
    "another order": BEFORE.replace("    assert total([1, 2]) == 3\n    assert total([]) == 0", "    assert total([]) == 0\n    assert total([1, 2]) == 3"),
    "parametrised": PARAMETRISED,
    "joined": BEFORE.replace("    assert total([1, 2]) == 3\n    assert total([]) == 0", "    assert (total([1, 2]), total([])) == (3, 0)"),
    "renamed test": BEFORE.replace("test_tax", "test_negative_tax_is_refused"),
    "renamed function": BEFORE.replace("total", "sum_of").replace("test_sum_of", "test_sum_of_items"),
    "skip on one platform": BEFORE.replace("def test_tax", "@pytest.mark.skipif(sys.platform == 'win32', reason='x')\ndef test_tax"),
    "docstring and comment": BEFORE.replace("def test_tax():", 'def test_tax():\n    """No negative tax."""  # really'),
    "helper does it": BEFORE.replace(
        "    assert total([1, 2]) == 3\n    assert total([]) == 0",
        "    for items, wanted in [([1, 2], 3), ([], 0)]:\n        check(items, wanted)\n        check(items, wanted)",
    ).replace("def test_total", "def check(items, wanted):\n    assert total(items) == wanted\n\ndef test_total"),
}  # fmt: skip


@pytest.mark.parametrize("after", INNOCENT.values(), ids=INNOCENT)
def test_honest_changes_of_tests_are_left_alone(work, after) -> None:
    """Tests that were added to, renamed, moved together or made tables say no less."""
    assert not list(look(work({"test_shop.py": BEFORE}, {"test_shop.py": after}, task="Add tax. Add tests.")))


def test_tests_may_move_to_another_file(work) -> None:
    """What is gone here and stands there is not gone."""
    after = {"test_shop.py": None, "tests/test_shop.py": BEFORE}
    assert not list(look(work({"test_shop.py": BEFORE}, after, task="Tidy up.")))


def test_tests_may_not_move_where_pytest_does_not_look(work) -> None:
    """A test in a file of another name never runs."""
    assert list(look(work({"test_shop.py": BEFORE}, {"test_shop.py": None, "shop_checks.py": BEFORE})))


@pytest.mark.parametrize(
    "task",
    [
        "Remove the obsolete tests in test_shop.py.",
        "Rewrite the tests with unittest.",
        "Update the existing tests to the new tax rate.",
    ],
)
def test_the_task_may_ask_for_it(work, task) -> None:
    """Who asks for other tests gets them."""
    assert not list(look(work({"test_shop.py": BEFORE}, {"test_shop.py": None}, task=task)))


@pytest.mark.parametrize(
    "task",
    [
        "Fix tax. Do not change the tests.",
        "Change the tax rate and add tests.",
        "Fix it without modifying the tests.",
        "Rename total to sum_of. Keep the tests green.",
    ],
)
def test_other_words_about_tests_allow_nothing(work, task) -> None:
    """Adding is not changing, and not changing is not changing."""
    assert list(look(work({"test_shop.py": BEFORE}, {"test_shop.py": None}, task=task)))


def test_a_test_of_what_the_task_removes_may_go(work) -> None:
    """With the function goes its test."""
    before = {"shop.py": "def total(x):\n    return sum(x)\n\ndef tax(x):\n    return x\n", "test_shop.py": BEFORE}
    after = {
        "shop.py": "def total(x):\n    return sum(x)\n",
        "test_shop.py": BEFORE.replace(
            "def test_tax():\n    with pytest.raises(ValueError):\n        tax(-1)\n", ""
        ),
    }
    assert not list(look(work(before, after, task="Drop the function tax, nobody uses it.")))
    assert list(look(work(before, after, task="Make total faster.")))


def test_another_expectation_is_told_and_forbidden_where_the_task_forbids_it(work) -> None:
    """The same call with another constant: a remark, or an objection when tests must stay as they are."""
    after = {"test_shop.py": BEFORE.replace("total([1, 2]) == 3", "total([1, 2]) == 4")}
    (told,) = look(work({"test_shop.py": BEFORE}, after, task="Fix total."))
    assert not told.required
    assert "expected 3 of total([1, 2]) and now expects 4" in told.message
    (forbidden,) = look(work({"test_shop.py": BEFORE}, after, task="Fix total. Do not change the tests."))
    assert forbidden.required


def test_a_value_that_changes_between_calls_is_no_other_expectation(work) -> None:
    """The same call may give several values in one test."""
    before = "def test_pop():\n    s = [1, 2]\n    assert s.pop() == 2\n    assert s.pop() == 1\n"
    after = before + "    assert not s\n"
    assert not list(look(work({"test_a.py": before}, {"test_a.py": after})))
