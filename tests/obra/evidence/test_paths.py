from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.evidence.paths import (
    Missing,
    Unusable,
    listed,
    locate,
    locate_file,
    matches,
    read_file,
    relative_path,
    shown,
    tree_path,
)

PART = st.sampled_from(["a", "b.py", "..", ".", "", "...", "-x", " ", "\n", "ü", "..a", "~"])


@given(st.lists(PART, max_size=6).map("/".join))
def test_an_accepted_path_never_leaves_the_workspace(text: str) -> None:
    """Whatever is accepted stays below the workspace when read as plain text, and is in its simplest form."""
    try:
        path = relative_path(text)
    except ValueError:
        inside = os.path.normpath(f"/some/folder/{text}")
        parts = text.split("/")
        assert text.startswith("/") or not text.strip() or ".." in parts or inside == "/some/folder"
    else:
        assert os.path.normpath(f"/some/folder/{path}") == f"/some/folder/{path}"


@given(st.text())
def test_any_text_is_accepted_or_refused_with_words(text: str) -> None:
    """No text breaks the reader; a path it returns is accepted unchanged."""
    try:
        path = tree_path(text)
    except ValueError:
        with pytest.raises(ValueError, match="path"):
            tree_path(text)
    else:
        assert tree_path(path) == path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/etc/passwd", "absolute path leaves"),
        ("../x", "'..' can leave"),
        ("a/../../x", "'..' can leave"),
        ("a/..", "'..' can leave"),
        ("", "may not be empty"),
        ("  ", "may not be empty"),
        (".", "not the workspace itself"),
        ("./", "not the workspace itself"),
        ("a\0b", "null byte"),
    ],
)
def test_refused_paths_say_why(text: str, reason: str) -> None:
    """Each refusal has its own words."""
    with pytest.raises(ValueError, match=reason):
        relative_path(text)


def test_a_file_is_found_through_links_that_stay_inside(root: Path) -> None:
    """A link within the workspace is followed."""
    (root / "real.py").write_text("x = 1\n")
    (root / "link.py").symlink_to("real.py")
    assert locate_file(root, "link.py") == (root / "real.py").resolve()
    assert read_file(root, "link.py") == b"x = 1\n"


def test_links_out_and_in_circles_are_refused(root: Path) -> None:
    """A link that leaves the workspace, itself or by its folder, and a circle are not followed."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    (root / "link").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "circle").symlink_to("circle2")
    (root / "circle2").symlink_to("circle")
    for path in ("link", "folder/secret", "folder"):
        with pytest.raises(Unusable, match="leads out of the workspace through a link"):
            locate(root, path)
    with pytest.raises(Unusable, match="is a link that leads in a circle"):
        locate(root, "circle")


def test_a_neighbour_with_the_same_beginning_is_outside(root: Path) -> None:
    """/x/workspace2 is not inside /x/workspace."""
    neighbour = root.with_name("workspace2")
    neighbour.mkdir()
    (root / "link").symlink_to(neighbour)
    with pytest.raises(Unusable, match="leads out"):
        locate(root, "link")


def test_folders_pipes_missing_and_endless_names_are_no_files(root: Path) -> None:
    """Each says what it is instead."""
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    (root / "dangling").symlink_to("nowhere")
    (root / "file").touch()
    with pytest.raises(Unusable, match="is a folder, not a file"):
        locate_file(root, "folder")
    with pytest.raises(Unusable, match="is a special file"):
        read_file(root, "pipe")
    for path in ("none", "dangling", "file/below"):
        with pytest.raises(Missing, match=r"^does not exist$"):
            locate_file(root, path)
    with pytest.raises(Unusable, match="cannot be looked up: File name too long"):
        locate(root, "x" * 5000)


def test_a_missing_workspace_is_a_broken_machine_not_a_missing_file(tmp_path: Path) -> None:
    """The error is not one of those that make a check fail."""
    with pytest.raises(NotADirectoryError, match=r"the workspace .*gone cannot be read"):
        locate(tmp_path / "gone", "a")


def test_a_file_over_the_limit_is_not_read(root: Path) -> None:
    """One byte too many is too many; a sparse file of a terabyte costs nothing."""
    (root / "fits").write_bytes(b"x" * 10)
    (root / "huge").touch()
    os.truncate(root / "huge", 1 << 40)
    assert read_file(root, "fits", limit=10) == b"x" * 10
    with pytest.raises(Unusable, match="is larger than 1 MiB"):
        read_file(root, "huge", limit=1024 * 1024)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("README.md", "README.md", True),
        ("README.md", "docs/README.md", False),
        ("readme.md", "README.md", False),
        ("tests", "tests/unit/test_a.py", True),
        ("tests", "tests2/test_a.py", False),
        ("*.py", "a.py", True),
        ("*.py", "src/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "x/y/a.py", True),
        ("**/*.py", "x/y/a.txt", False),
        ("src/**", "src/a/b", True),
        ("src/**", "src", True),
        ("src/**/b.py", "src/b.py", True),
        ("src/**/b.py", "lib/b.py", False),
        ("**", "anything/at/all", True),
        ("a/**/b/**/c", "a/x/b/y/z/c", True),
        ("a/**/b/**/c", "a/x/y/z/c", False),
        ("[ab].py", "b.py", True),
        ("?.py", "ab.py", False),
        ("a*", "a\nb", True),
        (".env*", ".env.local", True),
    ],
)
def test_globs(pattern: str, path: str, expected: bool) -> None:
    """Stars stay in their part, two stars do not, a folder stands for what is in it."""
    assert matches(pattern, path) is expected


def test_a_hostile_path_does_not_slow_the_globs_down() -> None:
    """Many two-star parts against a deep path: no backtracking."""
    assert not matches("/".join(["**", "a"] * 30 + ["b"]), "/".join(["a"] * 200))


def test_words() -> None:
    """Plain paths stand as they are, strange ones are quoted, lists read as prose."""
    assert shown("src/a b.py") == "src/a b.py"
    assert shown("a\nb") == "'a\\nb'"
    assert shown("it's") == '"it\'s"'
    assert listed(["a"]) == "a"
    assert listed(iter(["a", "b", "c"])) == "a, b and c"
