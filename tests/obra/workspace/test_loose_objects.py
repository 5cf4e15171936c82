"""Loose objects: git reads them, and they are there whole or not at all."""

import subprocess
import sys
import threading

import pytest

from obra.errors import WorkspaceError
from obra.workspace import loose_objects
from obra.workspace.loose_objects import name_of
from obra.workspace.snapshot_store import BLOB, FILE, Entry, SnapshotStore

CONTENT = b"blob 5\0hello"


def test_what_was_written_is_read(tmp_path):
    """Kind and data come back; the file is one that nobody changes by accident."""
    loose_objects.write(tmp_path, name_of(CONTENT), CONTENT)
    assert loose_objects.read(tmp_path, name_of(CONTENT)) == (b"blob", b"hello")
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.stat().st_mode & 0o777 == 0o444
    assert loose_objects.read(tmp_path, "0" * 40) is None


@pytest.mark.parametrize("damage", [b"", b"no zlib", None], ids=["empty", "foreign", "another object"])
def test_a_damaged_object_is_never_content(store, damage):
    """What does not fit its name is an error that names the store, and no diff is made of it."""
    name, other = store.write(BLOB, b"hello"), store.write(BLOB, b"other")
    tree = store.write_tree([Entry(b"a", FILE, name)])
    place, source = (store.path / "objects" / one[:2] / one[2:] for one in (name, other))
    place.chmod(0o644)
    place.write_bytes(source.read_bytes() if damage is None else damage)
    fresh = SnapshotStore(store.path)
    assert fresh.loose_blob(name) is None
    with pytest.raises(WorkspaceError, match="store"):
        fresh.read(name)
    assert fresh.loose_tree(tree) is not None


def test_a_store_that_cannot_take_more_says_so(store):
    """The error names the store and what to do; no temporary file stays."""
    store.write(BLOB, b"x")
    content = b"blob 1\0y"
    (store.path / "objects" / name_of(content)[:2]).write_text("in the way")
    with pytest.raises(WorkspaceError, match=r"cannot take more: Not a directory; make room on its disk"):
        store.write(BLOB, b"y")
    assert not list(store.path.rglob("tmp_obj_*"))


FULL = """
import os, pathlib, resource, signal, sys
from obra.errors import WorkspaceError
from obra.workspace.snapshot_store import BLOB, SnapshotStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    SnapshotStore(pathlib.Path(sys.argv[1])).write(BLOB, os.urandom(2000))
except WorkspaceError as error:
    print(error)
"""


def test_a_full_disk_leaves_no_half_object(store):
    """Where a file can hold ten bytes and no more, the error says so and nothing of the object stays."""
    store.write(BLOB, b"x")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(store.path)], capture_output=True, text=True, check=False
    )
    assert "cannot take more: File too large" in done.stdout, done.stderr
    assert not list(store.path.rglob("tmp_obj_*"))
    assert len([path for path in (store.path / "objects").rglob("*") if path.is_file()]) == 1


def test_threads_write_the_same_objects_at_once(tmp_path):
    """Each finds all of them afterwards, and nothing else lies there."""
    contents = [b"blob 3\0%03d" % number for number in range(100)]

    def write():
        for content in contents:
            loose_objects.write(tmp_path, name_of(content), content)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(loose_objects.read(tmp_path, name_of(one)) == (b"blob", one[-3:]) for one in contents)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 100


def test_what_lies_in_a_pack_or_in_another_store_is_found(store, git, tmp_path):
    """A store that git packed, and one that builds upon another, are read through libgit2."""
    blob = store.write(BLOB, b"hello")
    tree = store.write_tree([Entry(b"a", FILE, blob)])
    other = SnapshotStore(tmp_path / "other")
    (other.objects / "info" / "alternates").write_text(f"{store.path / 'objects'}\n")
    assert other.write(BLOB, b"hello") == blob
    assert other.loose_blob(blob) is None  # it was not written twice
    assert other.read(blob) == b"hello"
    git(store.path, "update-ref", "refs/heads/kept", git(store.path, "commit-tree", tree, "-m", "x").strip())
    git(store.path, "repack", "-adq")
    fresh = SnapshotStore(store.path)
    assert fresh.loose_tree(tree) is None
    assert [entry.id for entry in fresh.read_tree(tree)] == [blob]
    assert fresh.read(blob) == b"hello"


def test_what_was_just_written_is_not_read_again_but_for_putting_it_back(store):
    """Comparing works with what is in memory; restoring fails where the store lost it."""
    blob = store.write(BLOB, b"hello")
    for path in (store.path / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    assert store.loose_blob(blob) == b"hello"
    with pytest.raises(WorkspaceError, match="has no object"):
        store.read(blob)


def test_only_a_few_small_objects_are_kept_in_memory(store):
    """Large ones, and those that were written long ago, are read from the store."""
    old, large = store.write(BLOB, b"old"), store.write(BLOB, b"x" * 10_000)
    for number in range(100):
        store.write(BLOB, b"%d" % number)
    for name in (old, large):
        (store.path / "objects" / name[:2] / name[2:]).unlink()
        assert store.loose_blob(name) is None
