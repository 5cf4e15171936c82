"""The walk: what is swapped under its feet is never taken for what it was."""

from __future__ import annotations

import os

import pytest

from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.walking import Walker, opened_root


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_a_file_that_became_something_else_counts_as_gone(tmp_path, make):
    """Between the look and the opening an agent put a pipe or a folder in its place; nobody waits for a writer."""
    (tmp_path / "work").mkdir()
    path = tmp_path / "work/file"
    path.write_text("x")
    seen = path.lstat()
    path.unlink()
    make(path)
    walker = Walker(tmp_path / "work", SnapshotStore(tmp_path / "store"), frozenset())
    with opened_root(tmp_path / "work") as descriptor, pytest.raises(FileNotFoundError, match="file"):
        walker.file_id(descriptor, "file", "file", seen)
