from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from obra.domain import ChangeKind, CheckResult, FileChange
from obra.errors import CheckError
from obra.evidence.collector import parse_check

Check = Callable[..., CheckResult]


def test_a_file_that_exists(root: Path, check: Check) -> None:
    """The result carries name, kind and a sentence."""
    (root / "a.py").touch()
    result = check({"file": "a.py"})
    assert (result.passed, result.kind, result.required, result.implied) == (True, "file", True, False)
    assert result.name == result.message == "the file a.py exists"
    assert 0 < result.seconds < 60


def test_files_that_do_not(root: Path, check: Check) -> None:
    """All that is wrong is said, not only the first."""
    (root / "folder").mkdir()
    (root / "there").touch()
    (root / "out").symlink_to("/etc/passwd")
    result = check({"file": ["there", "gone", "folder", "out"], "name": "all four", "required": False})
    assert (result.passed, result.name, result.required) == (False, "all four", False)
    assert result.message == (
        "expected the files there, gone, folder and out; gone does not exist; folder is a folder, not a file; "
        "out leads out of the workspace through a link"
    )
    assert parse_check({"file": ["a", "b"]}).describe() == "the files a and b exist"


@pytest.mark.parametrize("name", ["-rf", "a\nb", 'it\'s "q"', "ü\u202e.py", "*", "a b", "$(touch x)"])
def test_odd_names_are_only_names(root: Path, check: Check, name: str) -> None:
    """They are found as they are, and never break a message into lines."""
    assert not check({"file": name}).passed
    (root / name).touch()
    result = check({"file": name})
    assert result.passed
    assert "\n" not in result.message
    assert result.message.isprintable()
    assert name == "*" or not check({"absent": name}).passed


def test_absent(root: Path, check: Check) -> None:
    """Nothing may stand there: no file, no folder, no link, also no dangling one."""
    assert check({"absent": "a"}).message == "nothing exists at a"
    assert check({"absent": ["a", "no/such/folder"]}).passed
    (root / "a").mkdir()
    (root / "b").symlink_to("nowhere")
    result = check({"absent": ["a", "b", "c"]})
    assert (result.passed, result.message) == (False, "expected nothing at a, b or c; a exists; b exists")


def test_absent_does_not_look_outside(root: Path, check: Check) -> None:
    """A folder that leads out is refused whether or not the file is there."""
    (root / "out").symlink_to("/etc")
    result = check({"absent": "out/no-such-file"})
    assert not result.passed
    assert "the folder of out/no-such-file leads out of the workspace" in result.message


@pytest.mark.parametrize("path", ["*.log", "build/**", ["a", "b?.txt"]])
def test_absent_takes_no_wildcards(path: object) -> None:
    """Nothing is ever called so, and the check could not fail; brackets stand in real names."""
    with pytest.raises(CheckError, match="could never fail; name each path"):
        parse_check({"absent": path})
    assert parse_check({"absent": "pages/[id].tsx"}).describe() == "nothing exists at pages/[id].tsx"


def test_a_mark_of_the_byte_order_is_no_part_of_the_first_line(root: Path, check: Check) -> None:
    """A pattern finds the first line's beginning in a file that an editor of Windows wrote, too."""
    (root / "a").write_bytes(b"\xef\xbb\xbfhello\r\n")
    assert check({"contains": {"file": "a", "regex": "^hello$"}}).passed
    assert check({"contains": {"file": "a", "text": "\ufeffhello"}}).passed


def test_contains_text(root: Path, check: Check) -> None:
    """Text is searched as it is; the kind of line ends does not matter."""
    (root / "a.py").write_bytes(b"x = 1\r\ny = 2\r\n\xff\0")
    result = check({"contains": {"file": "a.py", "text": "1\ny"}})
    assert (result.passed, result.message) == (True, "the file a.py contains the text '1\\ny'")
    result = check({"contains": {"file": "a.py", "text": "x.*1"}})
    assert (result.passed, result.message) == (
        False,
        "expected that the file a.py contains the text 'x.*1'; not found in its 3 lines",
    )


def test_contains_regex(root: Path, check: Check) -> None:
    """A pattern fits at each line."""
    (root / "a.py").write_text("x = 1\ny = 2")
    result = check({"contains": {"file": "a.py", "regex": r"^y = \d$"}})
    assert (result.passed, result.message) == (
        True,
        "the file a.py has a match of the pattern '^y = \\\\d$'",
    )
    assert "not found in its 2 lines" in check({"contains": {"file": "a.py", "regex": "z"}}).message


def test_contains_ends_an_endless_search(root: Path, check: Check) -> None:
    """The check fails, with words, when its time is up."""
    (root / "a").write_text("a" * 60 + "!")
    result = check({"contains": {"file": "a", "regex": "(a|a)+$"}, "timeout": 0.3})
    assert not result.passed
    assert result.message.endswith("the search for '(a|a)+$' did not end within 0.3 s")


def test_contains_in_files_that_cannot_be_searched(root: Path, check: Check) -> None:
    """Missing, huge, a pipe: the check fails and says which."""
    (root / "huge").touch()
    os.truncate(root / "huge", 1 << 40)
    os.mkfifo(root / "pipe")
    for path, reason in (("none", "does not exist"), ("huge", "larger than 64 MiB"), ("pipe", "special file")):
        result = check({"contains": {"file": path, "text": "x"}})
        assert not result.passed
        assert result.message.startswith(f"expected that the file {path} contains the text 'x'; {path} ")
        assert reason in result.message


@pytest.mark.parametrize(
    "wrong", [{}, {"text": "a", "regex": "b"}, {"text": ""}, {"regex": "("}, {"text": "a", "absent": True}]
)
def test_contains_takes_exactly_one_wish(wrong: dict[str, object]) -> None:
    """Text or pattern, not both, not neither, nothing else."""
    with pytest.raises(CheckError, match=r"^check 'contains'"):
        parse_check({"contains": {"file": "a", **wrong}})


def change(path: str, kind: ChangeKind = ChangeKind.MODIFIED, old_path: str = "") -> FileChange:
    """Return one change."""
    return FileChange(path=path, kind=kind, old_path=old_path)


@pytest.mark.parametrize("path", ["[id].tsx", "app/[...slug]/page.tsx", "a"])
def test_a_name_with_brackets_is_protected(check: Check, path: str) -> None:
    """It is a name as well as a pattern: read as a pattern alone, no change of the file would ever be seen."""
    assert not check({"unchanged": path}, changes=(change(path),)).passed
    assert not check({"unchanged": "[a-c]"}, changes=(change("a"),)).passed
    assert check({"unchanged": path}, changes=(change("other"),)).passed


def test_unchanged(check: Check) -> None:
    """Any change of a protected path fails, of any kind; others do not."""
    raw = {"unchanged": ["README.md", "tests/**"]}
    assert check(raw, changes=(change("src/a.py"),)).message == "README.md and tests/** are left unchanged"
    result = check(raw, changes=(change("a"), change("tests/x/y.py", ChangeKind.MODE_CHANGED)))
    assert (result.passed, result.message) == (
        False,
        "expected no change of README.md and tests/**; tests/x/y.py was mode changed",
    )


def test_both_ends_of_a_renaming_count(check: Check) -> None:
    """Moving a protected file away and moving another one in are changes of it."""
    away = change("old.md", ChangeKind.RENAMED, old_path="README.md")
    onto = change("README.md", ChangeKind.RENAMED, old_path="new.md")
    assert "README.md -> old.md was renamed" in check({"unchanged": "README.md"}, changes=(away,)).message
    assert not check({"unchanged": "README.md"}, changes=(onto,)).passed


def test_many_touched_paths_are_counted(check: Check) -> None:
    """A message stays readable when a thousand files changed."""
    changes = tuple(change(f"t/{number}") for number in range(1000))
    assert check({"unchanged": "t"}, changes=changes).message.endswith("t/9 was modified; and 990 more")


@pytest.mark.parametrize("path", [".git", ".git/hooks/**", "a/__pycache__", ".obra"])
def test_what_no_difference_shows_cannot_be_guarded(check: Check, path: str) -> None:
    """A check of it could never fail."""
    with pytest.raises(CheckError, match="could never fail"):
        check({"unchanged": ["a.py", path]})
