"""New plain files are compared without libgit2, and come out as libgit2 would have it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from obra.domain import ChangeKind
from obra.workspace.added_files import added_files
from obra.workspace.difference import compare, compared_by_git
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace

ODD = ["-rf", "with blank", 'quo"te', "\N{SNAKE}", "back\\slash", "x=1", "@at"]
NAMES = st.sampled_from(["a", "b.py", "a.b", "a0", "A", *ODD])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(
    st.text(alphabet="ab \n\t\r\N{SNAKE}\u00e9", max_size=12).map(str.encode),
    st.binary(max_size=12),
    st.just(b"x\n" * 50),
)
FILES = st.dictionaries(PATHS, st.tuples(CONTENTS, st.booleans()), max_size=4)


def written(root, files):
    """Write what fits below *root*: a path that leads through a file is left out."""
    for path, (content, runs) in files.items():
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
        place.chmod(0o755 if runs else 0o644)


@settings(deadline=None, max_examples=60)
@given(FILES, FILES)
@example({}, {"a": (b"", False), "b.py": (b"x", True), "a0/a": (b"x\n\n", False)})
@example({"a/b.py": (b"1\n", False)}, {"a/b.py": (b"1\n", False), "a/a": (b"2\n", False), "a.b": (b"3", False)})
@example({"a": (b"1\n", False)}, {"a": (b"1\n", True)})
@example({"a": (b"same\n" * 9, False)}, {"b.py": (b"same\n" * 9, False), "a": (b"other", False)})
@example({"a": (b"1\n", False)}, {})
def test_the_diff_is_the_one_of_git(before, after):
    """Whatever was there and whatever is there now, changes and patch are those that libgit2 finds."""
    with tempfile.TemporaryDirectory() as folder:
        root, store = Path(folder, "work"), SnapshotStore(Path(folder, "store"))
        root.mkdir()
        workspace = Workspace(root, store)
        written(root, before)
        first = workspace.snapshot()
        for path in sorted(root.rglob("*"), reverse=True):
            kept = path.is_file() and str(path.relative_to(root)) in after
            if path.is_dir():
                if not os.listdir(path):  # noqa: PTH208  # as short as can be
                    path.rmdir()
            elif not kept:
                path.unlink()
        written(root, after)
        second = workspace.snapshot()
        if first != second:
            assert compare(store, first, second, 10_000) == compared_by_git(store, first, second, 10_000)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "old.py").write_text("other\n"),
        lambda root: (root / "old.py").unlink(),
        lambda root: (root / "old.py").chmod(0o755),
        lambda root: (root / "old.py").rename(root / "new.py"),
        lambda root: (root / "link").symlink_to("old.py"),
        lambda root: (root / "new.bin").write_bytes(b"\0"),
        lambda root: (root / "new name").write_text("x\n"),
        lambda root: (root / "latin").write_bytes(b"\xe9\n"),
        lambda root: (root / "large").write_text("x\n" * 600),
    ],
    ids=["lines", "deleted", "mode", "renamed", "link", "binary", "blank", "latin", "large"],
)
def test_what_is_more_than_new_plain_files_is_left_to_git(root, store, workspace, change):
    """A change of any other kind is not looked at here, also where a plain file is new beside it."""
    (root / "old.py").write_text("old\n")
    before = workspace.snapshot()
    (root / "zz.py").write_text("new\n")
    assert added_files(store, before, workspace.snapshot(), 1000) is not None
    change(root)
    assert added_files(store, before, workspace.snapshot(), 1000) is None


PLAIN_RUN = """
import pathlib, sys
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace
here = pathlib.Path(sys.argv[1])
(here / "work").mkdir()
workspace = Workspace(here / "work", SnapshotStore(here / "store"))
before = workspace.snapshot()
(here / "work" / "new.py").write_text("print()\\n")
print(workspace.diff(before, workspace.snapshot()).patch)
sys.exit("pygit2" in sys.modules)
"""


def test_new_plain_files_do_not_load_libgit2(tmp_path):
    """It takes ten megabytes, and a run of scenarios that write new files needs none of it."""
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_RUN, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "+print()" in done.stdout


def test_a_new_file_in_a_folder_that_was_there(root, store, workspace):
    """Only what is new is told, with the whole path."""
    (root / "sub").mkdir()
    (root / "sub" / "old.py").write_text("old\n")
    before = workspace.snapshot()
    (root / "sub" / "new.py").write_text("1\n2\n")
    (change,) = workspace.diff(before, workspace.snapshot()).changes
    assert (change.path, change.kind, change.added, change.removed) == ("sub/new.py", ChangeKind.CREATED, 2, 0)
    assert store.loose_tree(before)
