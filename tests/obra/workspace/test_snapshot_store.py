"""The store: git's own format, safe to make from several processes at once."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.errors import WorkspaceError
from obra.workspace import snapshot_store
from obra.workspace.path_names import to_bytes, to_text
from obra.workspace.snapshot_store import BLOB, FILE, FOLDER, Entry, SnapshotStore, store_at


def test_git_can_read_it(store, git):
    """What is written is what git shows, and git's own check finds nothing wrong."""
    blob = store.write(BLOB, b"hello\n")
    below = store.write_tree([Entry(b"b", FILE, blob)])
    tree = store.write_tree([Entry(b"a.b", FILE, blob), Entry(b"a", FOLDER, below), Entry(b"a0", FILE, blob)])
    assert git(store.path, "ls-tree", "-r", "--name-only", tree).split() == [b"a.b", b"a/b", b"a0"]
    assert git(store.path, "cat-file", "blob", blob) == b"hello\n"
    git(store.path, "fsck", "--strict")
    assert [entry.name for entry in store.read_tree(tree)] == [b"a.b", b"a", b"a0"]
    assert store.read(blob) == b"hello\n"
    assert store.size(blob) == 6


def test_a_second_look_opens_the_same(store):
    """A store that exists is opened, not made again."""
    blob = store.write(BLOB, b"x")
    assert SnapshotStore(store.path).read(blob) == b"x"


@pytest.mark.parametrize("name", ["", "zz", "0" * 40, "HEAD", "0" * 39 + "\n"])
def test_unknown_ids_are_clear_errors(store, name):
    """An id that is none, or is not there, is named with the store."""
    with pytest.raises(WorkspaceError, match="store"):
        store.read_tree(name)
    with pytest.raises(WorkspaceError, match="store"):
        store.diff(store.write_tree([]), name)


def test_a_blob_is_no_snapshot(store):
    """A diff of something that is no tree is refused."""
    with pytest.raises(WorkspaceError, match="no snapshot"):
        store.diff(store.write(BLOB, b"x"), store.write_tree([]))


def test_a_used_folder_is_refused(store):
    """A folder with other things in it is not turned into a store, and stays as it was."""
    store.path.mkdir()
    (store.path / "letter.txt").write_text("mine")
    with pytest.raises(WorkspaceError, match="cannot be opened"):
        store.write(BLOB, b"x")
    assert [item.name for item in store.path.iterdir()] == ["letter.txt"]
    assert [item.name for item in store.path.parent.iterdir()] == ["store"]


def test_a_file_in_its_place_is_refused(store):
    """A file where the store should be is a clear error."""
    store.path.write_text("mine")
    with pytest.raises(WorkspaceError, match="cannot be opened"):
        store.write(BLOB, b"x")


WRITER = """
import pathlib, sys
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace
here = pathlib.Path(sys.argv[1])
sys.stdin.readline()
print(Workspace(here / "work", SnapshotStore(here / "store")).snapshot(), flush=True)
"""


def test_processes_make_one_store_together(tmp_path, root, git):
    """Four processes that make the store and snapshot the same folder at once all get the same, sound answer."""
    for number in range(40):
        (root / f"{number}.txt").write_text(f"{number}\n" * number)
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    answers = {writer.communicate(timeout=30)[0].strip() for writer in writers}
    assert len(answers) == 1
    assert len(git(tmp_path / "store", "ls-tree", "-r", answers.pop()).splitlines()) == 40
    git(tmp_path / "store", "fsck", "--strict")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["store", "work"]


@given(st.binary())
def test_names_travel_both_ways(name):
    """Any bytes become text that can be encoded, and come back."""
    text = to_text(name)
    text.encode("utf-8")
    assert to_bytes(text) == name


@given(st.text(alphabet=st.characters(exclude_characters="\\", exclude_categories=["Cs"])))
def test_ordinary_names_stay_as_they_are(name):
    """Text without a backslash is its own name."""
    assert to_text(name.encode()) == name


def test_a_store_stays_open_for_its_thread_until_another_stands_in_its_place(tmp_path):
    """The same folder gives the same store; one made anew is opened anew and knows nothing."""
    first = store_at(tmp_path / "store")
    name = first.write(BLOB, b"x")
    assert store_at(tmp_path / "store") is first
    shutil.rmtree(tmp_path / "store")
    second = store_at(tmp_path / "store")
    assert second is not first
    assert second.write(BLOB, b"x") == name
    assert SnapshotStore(tmp_path / "store").read(name) == b"x"


def test_each_thread_has_a_store_of_its_own(tmp_path):
    """libgit2 shares no repository between threads."""
    with ThreadPoolExecutor(1) as other:
        assert other.submit(store_at, tmp_path / "store").result() is not store_at(tmp_path / "store")


def test_ids_that_are_remembered_are_bounded_and_what_was_forgotten_is_still_there(store):
    """However many objects are written, the memory for their ids has an end."""
    names = [store.write(BLOB, b"%d" % number) for number in range(3)]
    store._known.update(f"{number:040x}" for number in range(snapshot_store._MOST_KNOWN))
    store.write(BLOB, b"one more")
    assert len(store._known) == 1
    assert [store.write(BLOB, b"%d" % number) for number in range(3)] == names


def test_a_store_that_git_cannot_open_is_a_clear_error(store):
    """Its HEAD stands and its configuration was damaged: what lies in packs cannot be had."""
    store.write(BLOB, b"x")
    (store.path / "config").write_text("[core\n")
    message = rf"the snapshot store {store.path} cannot be opened: .*config.*\. Give an empty or new folder"
    with pytest.raises(WorkspaceError, match=message):
        SnapshotStore(store.path).read("0" * 40)
