"""Diffs as data: right line numbers, and no text that it cannot take."""

import difflib

from hypothesis import given
from hypothesis import strategies as st

from obra.reports.diff_view import files_of

LINES = st.lists(st.text(alphabet=" ab-+@\\", max_size=6), max_size=12)


def test_a_diff_of_git_is_read():
    """New, changed, renamed and binary files; heads inside of hunks are lines like others."""
    patch = (
        "diff --git a/new file.py b/new file.py\nnew file mode 100644\n--- /dev/null\n+++ b/new file.py\t\n"
        "@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n"
        "diff --git a/old.md b/old.md\nindex 1..2 100644\n--- a/old.md\n+++ b/old.md\n@@ -3,2 +3,1 @@ title\n"
        "--- a/not a head\n same\n"
        "diff --git a/gone.txt b/gone.txt\n--- a/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
        "diff --git a/a.png b/a.png\nBinary files a/a.png and b/a.png differ\n"
    )
    new, old, gone, image = files_of(patch)
    assert [one.path for one in (new, old, gone, image)] == ["new file.py", "old.md", "gone.txt", "a.png"]
    assert [(one.added, one.removed) for one in (new, old, gone, image)] == [(2, 0), (0, 1), (0, 1), (0, 0)]
    removed, same = old.lines[1:]
    assert (removed.kind, removed.text, removed.old, removed.new) == ("removed", "-- a/not a head", 3, None)
    assert (same.kind, same.text, same.old, same.new) == ("same", "same", 4, 3)
    assert image.lines[0].text.startswith("Binary files")


def test_a_diff_that_was_cut_shows_what_there_is():
    """The note about what was cut stands where the diff ends."""
    (one,) = files_of("--- a/x\n+++ b/x\n@@ -0,0 +1,90 @@\n+a\n[12 more characters are cut here]\n")
    assert [line.kind for line in one.lines] == ["hunk", "added", "remark"]


def test_an_empty_diff_has_no_files():
    """No change, no file."""
    assert files_of("") == []


@given(st.text())
def test_any_text_is_taken(text):
    """Nothing that stands where a diff should be makes it fail."""
    files_of(text)
    files_of("@@ -1,5 +1,5 @@\n" + text)


@given(LINES, LINES)
def test_both_sides_can_be_read_back(old, new):
    """What is same or removed is the old text, what is same or added the new one, each at its number."""
    patch = "\n".join(difflib.unified_diff(old, new, "a/x", "b/x", lineterm="", n=100))
    lines = [line for one in files_of(patch) for line in one.lines]
    if lines:
        assert [line.text for line in lines if line.old is not None] == old
        assert [line.text for line in lines if line.new is not None] == new
        assert [line.new for line in lines if line.new is not None] == list(range(1, len(new) + 1))
