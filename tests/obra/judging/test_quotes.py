import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import ChangeKind, CheckResult, Evidence, FileChange
from obra.judging.quotes import QuotableEvidence

PATCH = """diff --git a/calc.py b/calc.py
index 1234567..89abcde 100644
--- a/calc.py
+++ b/calc.py
@@ -1,3 +1,6 @@ def old
 import math
-def gone(a):
-    pass
+def add(a, b):
+\treturn a   +  b
+    }
+x = 1
\\ No newline at end of file
"""
EVIDENCE = Evidence(
    patch=PATCH,
    checks=(
        CheckResult(name="pytest test_calc.py", passed=True, message="3 tests: 3 passed"),
        CheckResult(name="command ruff", passed=False, message="expected exit 0, got 1", output="E501 too long"),
    ),
    total_changes=(FileChange(path="calc.py", kind=ChangeKind.CREATED),),
)


@pytest.mark.parametrize(
    "quote",
    [
        "def add(a, b):", "+def add(a, b):", "  def   add(a, b):  ", "def add(a,", "return a + b",
        "+\treturn a   +  b",
        "def add(a, b):\n\treturn a + b", "`def add(a, b):`", '"return a + b"', "import math", "-def gone(a):",
        "def gone(a):", "x = 1", "+x = 1", "pass", "PASSED pytest test_calc.py", "pytest test_calc.py",
        "3 tests: 3 passed", "created calc.py", "+++ b/calc.py", "def\u200b add(a, b):",
        "\u201creturn a + b\u201d",
    ],
)  # fmt: skip
def test_what_stands_there_is_a_quote(quote):
    """Lines of the diff with or without mark, long enough parts, several lines, passed checks, changed files."""
    assert QuotableEvidence(EVIDENCE).holds(quote)


@pytest.mark.parametrize(
    "quote",
    [
        "", " ", "\n", "+", "}", "    }", "x = ", "a", "def", "def subtract(a, b):", "DEF ADD(A, B):",
        "return a - b",
        "@@ -1,3 +1,6 @@ def old", "index 1234567..89abcde 100644", "No newline at end of file",
        "FAILED command ruff",
        "expected exit 0, got 1", "E501 too long", "def add(a, b): ...", "calc.py:5: def add(a, b):", "``",
        "\u202e",
    ],
)  # fmt: skip
def test_what_does_not_stand_there_is_none(quote):
    """Nothing, bare marks, short pieces, other words, other case, line numbers of git, failed checks."""
    assert not QuotableEvidence(EVIDENCE).holds(quote)


def test_without_evidence_nothing_can_be_quoted():
    """An empty workspace supports no yes."""
    assert not QuotableEvidence(Evidence()).holds("")
    assert not QuotableEvidence(Evidence()).holds("def add(a, b):")


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=60), max_size=20), st.data())
def test_every_line_that_was_added_can_be_quoted(lines, data):
    """Whatever an agent writes, a line of it with a letter or a digit is found again with any white space."""
    lines = [re.sub("[\r\n\x0b\x0c\x85\u2028\u2029]", "", line) for line in lines]
    quotable = QuotableEvidence(Evidence(patch="".join(f"+{line}\n" for line in lines)))
    wordy = [line for line in lines if any(one.isascii() and one.isalnum() for one in line)]
    if wordy:
        line = data.draw(st.sampled_from(wordy))
        assert quotable.holds("  " + line.replace(" ", " \t ") + " ")


@given(st.text(max_size=200), st.text(max_size=40))
def test_any_text_can_be_asked_for(patch, quote):
    """No patch and no quote breaks the comparison."""
    assert QuotableEvidence(Evidence(patch=patch)).holds(quote) in {True, False}
