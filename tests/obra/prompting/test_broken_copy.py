import re

from hypothesis import given
from hypothesis import strategies as st

from obra.domain import ChangeKind, CheckResult, Evidence, FileChange
from obra.prompting.broken_copy import broken_copy

PATCH = """\
diff --git a/temp.py b/temp.py
--- /dev/null
+++ b/temp.py
@@ -0,0 +1,4 @@
+def to_fahrenheit(celsius):
+    return celsius * 9 / 5 + 32
+# nothing else
+value
diff --git a/notes.md b/notes.md
--- /dev/null
+++ b/notes.md
@@ -0,0 +1,1 @@
+celsius 12
"""
CHANGE = FileChange(path="temp.py", kind=ChangeKind.CREATED)
CHECK = CheckResult(name="syntax", passed=True, message="parses", implied=True)
WORK = Evidence(patch=PATCH, changes=(CHANGE,), total_changes=(CHANGE,), checks=(CHECK,))


def added(evidence):
    """The added lines."""
    return [line[1:] for line in evidence.patch.split("\n") if re.match(r"\+(?!\+\+ )", line)]


def test_lines_of_a_requirement_are_broken_within_their_file():
    """Words turn round, numbers change, lines change places; a line about something else stays."""
    assert added(broken_copy(WORK, ["It converts celsius"], ())) == [
        "    87 0 * 4 / celsius + return",
        "celsius to_fahrenheit(def):",
        "# nothing else",
        "value",
        "67 celsius",
    ]


def test_quoted_lines_are_broken_whatever_they_are_about():
    """A part of a line, a line in marks, and several lines in one quote; a short line is in no quote by chance."""
    for quote in ("nothing else", "`# nothing else`", "celsius * 9 / 5 + 32\n# nothing else"):
        assert "# else nothing" in added(broken_copy(WORK, (), [quote]))
    assert "value" in added(broken_copy(WORK, (), ["the value of all"]))
    assert "eulav" in added(broken_copy(WORK, (), ["value"]))
    assert added(broken_copy(WORK, (), ["", "!"])) == added(WORK)


def test_nobody_ran_a_check_on_the_copy():
    """The files are the same, and no result of a check goes along."""
    copy = broken_copy(WORK, ["celsius"], ())
    assert copy.checks == ()
    assert copy.total_changes == WORK.total_changes


def test_where_nothing_was_added_nothing_was_done():
    """A file that was deleted is there again."""
    copy = broken_copy(Evidence(patch="--- a/x\n+++ /dev/null\n-old\n", total_changes=(CHANGE,)), ["old"], ())
    assert (copy.patch, copy.total_changes, copy.changes) == ("", (), ())


@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12), min_size=1, max_size=6)
)
def test_the_copy_has_the_same_words_and_the_same_shape(lines):
    """No text breaks it: as many lines, and the same letters in all."""
    patch = "+++ b/a\n" + "\n".join(f"+{line}" for line in lines)
    copy = broken_copy(Evidence(patch=patch), lines, lines)
    if copy.patch:
        assert len(copy.patch.split("\n")) == len(patch.split("\n"))
        assert sorted(filter(str.isalpha, copy.patch)) == sorted(filter(str.isalpha, patch))
