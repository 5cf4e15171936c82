"""Snapshots against ground truth: a real git that adds everything, and a plain look at the folder."""

# Names that are no text need the calls that take bytes.
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH112, PTH113, PTH114, PTH116, PTH118, PTH120, PTH211

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obra.domain import ChangeKind
from obra.errors import WorkspaceError
from obra.workspace.path_names import to_text
from obra.workspace.repository_state import planted_hooks
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace

ODD = (
    b"plain.py",
    b"new\nline",
    b'quo"te',
    b"-rf",
    b"back\\slash",
    b"\xff\xfe.bin",
    "\N{SNAKE} emoji.py".encode(),
    b" blank ",
    b".gitignore",
    b".gitattributes",
    b"tab\there",
    b"a",
    b"b",
)
CONTENT = st.sampled_from(
    [
        *(b"", b"x", b"one\ntwo\n", b"one\r\ntwo\r\n", b"*\n", b"* -diff -text\n", b"\0\1\2", b"\xe9t\xe9\n"),
        b"".join(b"line %d of it\n" % number for number in range(20)),
    ]
)
PATH = st.lists(st.sampled_from(ODD), min_size=1, max_size=3).map(b"/".join)
EDIT = st.one_of(
    st.tuples(st.just("write"), PATH, CONTENT),
    st.tuples(st.just("link"), PATH, st.sampled_from([b"/etc", b"a", b"..", b"nowhere", b"\xff"])),
    st.tuples(st.just("remove"), PATH, st.none()),
    st.tuples(st.just("program"), PATH, st.booleans()),
    st.tuples(st.just("rename"), PATH, PATH),
    st.tuples(st.just("same size"), PATH, st.none()),
)


def clear(path):
    """Remove whatever stands at *path*."""
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)


def open_way(root, path):
    """Make the folders above *path*, in place of whatever files and links stand there."""
    at = root
    for step in os.path.dirname(path).split(b"/"):
        at = os.path.join(at, step)
        if os.path.islink(at) or not os.path.isdir(at):
            clear(at)
            os.mkdir(at)


def through_link(root, path):
    """Tell whether a folder above *path* is a symlink."""
    steps = path.split(b"/")[:-1]
    return any(os.path.islink(os.path.join(root, *steps[: n + 1])) for n in range(len(steps)))


def apply(root, edit):
    """Do one edit as an agent would, with plain system calls."""
    kind, path, value = edit
    root = os.fsencode(root)
    if kind in ("write", "link"):
        open_way(root, path)
        place = os.path.join(root, path)
        clear(place)
        if kind == "link":
            os.symlink(value, place)
        else:
            Path(os.fsdecode(place)).write_bytes(value)
        return
    place = os.path.join(root, path)
    if through_link(root, path) or not os.path.lexists(place):
        return
    if kind == "remove":
        clear(place)
    elif kind == "rename":
        target = os.path.join(root, value)
        if not (value + b"/").startswith(path + b"/") and not (path + b"/").startswith(value + b"/"):
            open_way(root, value)
            if os.path.lexists(place):
                clear(target)
                os.rename(place, target)
    elif os.path.isfile(place) and not os.path.islink(place):
        if kind == "program":
            os.chmod(place, 0o755 if value else 0o644)
        else:
            content = Path(os.fsdecode(place)).read_bytes()
            Path(os.fsdecode(place)).write_bytes(content[::-1])


SCRIPTS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SCRIPTS
@given(st.lists(st.lists(EDIT, max_size=8), min_size=1, max_size=4))
def test_edit_scripts_against_plain_looks(look, scripts):
    """After any edits: each snapshot lists what is there, and each can be restored exactly, in any order."""
    with tempfile.TemporaryDirectory() as here:
        root = Path(here, "work")
        root.mkdir()
        workspace = Workspace(root, SnapshotStore(Path(here, "store")))
        states = []
        for script in scripts:
            for edit in script:
                apply(root, edit)
            truth, tree = look(root), workspace.snapshot()
            assert workspace.files(tree) == tuple(sorted(to_text(path) for path in truth))
            assert Workspace(root, workspace.store).snapshot() == tree
            states.append((tree, truth))
        for tree, truth in [*states[::-1], *states]:
            workspace.restore(tree)
            assert look(root) == truth
            assert workspace.snapshot() == tree


@settings(SCRIPTS, max_examples=15)
@given(st.lists(EDIT, max_size=8), st.lists(EDIT, max_size=8))
def test_edit_scripts_against_real_git(git, first, second):
    """The tree is the one that git makes of the same files, and git applies our patch to the same result."""
    with tempfile.TemporaryDirectory() as here:
        root, other = Path(here, "work"), Path(here, "other")
        root.mkdir()
        workspace = Workspace(root, SnapshotStore(Path(here, "store")))
        trees = []
        for script in (first, second):
            for edit in script:
                apply(root, edit)
            trees.append(workspace.snapshot())
            shutil.rmtree(other, ignore_errors=True)
            shutil.copytree(root, other, symlinks=True)
            git(other, "init", "-q")
            Path(other, ".git/info/attributes").write_text("* -text -filter -ident\n")
            git(other, "-c", "core.safecrlf=false", "add", "-f", "-A", ".")
            assert git(other, "write-tree").decode().strip() == trees[-1]
        diff = workspace.diff(*trees)
        is_text = "Binary files" not in diff.patch and "�" not in diff.patch
        if diff.patch and is_text:
            workspace.restore(trees[0])
            git(root, "init", "-q")
            git(root, "apply", "--whitespace=nowarn", "-", data=diff.patch.encode())
            shutil.rmtree(root / ".git")
            assert workspace.snapshot() == trees[1]


def test_ignore_files_hide_nothing(root, workspace):
    """A .gitignore of '*' and attributes do not keep anything out of a snapshot."""
    (root / ".gitignore").write_text("*\n")
    (root / ".gitattributes").write_text("* -diff export-ignore filter=lfs\n")
    before = workspace.snapshot()
    (root / "hidden.py").write_text("print(1)\n")
    diff = workspace.diff(before, workspace.snapshot())
    assert [change.path for change in diff.changes] == ["hidden.py"]
    assert "+print(1)" in diff.patch


def test_only_named_names_are_ignored(root, store):
    """Ignored names are left out at any depth, .git even when it is not asked for; all else is kept."""
    for path in ("a.py", "__pycache__/a.pyc", "deep/__pycache__/b.pyc", "deep/.git/HEAD", "deep/c", "cache/d"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    assert Workspace(root, store, ignore=("__pycache__",)).files(
        Workspace(root, store, ignore=("__pycache__",)).snapshot()
    ) == ("a.py", "cache/d", "deep/c")
    with_cache = Workspace(root, store, ignore=())
    assert "deep/__pycache__/b.pyc" in with_cache.files(with_cache.snapshot())
    assert "deep/.git/HEAD" not in with_cache.files(with_cache.snapshot())


def test_pipes_sockets_and_empty_folders_are_skipped(root, workspace):
    """What git cannot hold is passed over without blocking."""
    os.mkfifo(root / "pipe")
    (root / "empty" / "emptier").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(root / "socket"))
        (root / "a").write_text("a")
        assert workspace.files(workspace.snapshot()) == ("a",)


def test_links_are_never_followed(root, workspace):
    """Loops, links to / and links to nothing are recorded as links."""
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to("..")
    (root / "etc").symlink_to("/etc")
    (root / "nowhere").symlink_to("nowhere-at-all")
    tree = workspace.snapshot()
    assert workspace.files(tree) == ("etc", "loop", "nowhere", "up")
    assert workspace.store.read(workspace.store.read_tree(tree)[0].id) == b"/etc"


def test_changes_within_one_tick_are_seen(root, workspace):
    """A file rewritten at once, same size and same stamps as far as the clock tells, gives a new snapshot."""
    seen = set()
    young = time.time() + 3600  # on a busy machine a file grows old between its writing and the look at it
    for number in range(100, 400):
        (root / "a.py").write_text(str(number))
        os.utime(root / "a.py", (young, young))
        seen.add(workspace.snapshot())
        assert workspace._walker._seen == {}  # too young to be trusted, whatever this file system's clock
    assert len(seen) == 300


def test_a_forged_time_hides_nothing(root, workspace):
    """Setting the modification time back after an edit of the same size does not hide it."""
    (root / "a.py").write_text("111")
    os.utime(root / "a.py", (1_000_000_000, 1_000_000_000))
    time.sleep(0.05)
    workspace.snapshot()
    before = workspace.snapshot()
    (root / "a.py").write_text("222")
    os.utime(root / "a.py", (1_000_000_000, 1_000_000_000))
    assert workspace.snapshot() != before


def test_unchanged_files_are_not_read_again(root, workspace):
    """Once settled, a snapshot trusts the stamps: with them unchanged, only names are looked at."""
    (root / "a.py").write_text("111")
    time.sleep(0.05)
    first = workspace.snapshot()
    path = os.stat(root / "a.py").st_atime_ns
    assert list(workspace._walker._seen) == ["a.py"]
    assert workspace.snapshot() == first
    assert os.stat(root / "a.py").st_atime_ns == path


def test_large_files_go_through(root, workspace, look):
    """Thirty megabytes are stored as a stream, restored exactly, and their lines are not compared."""
    content = os.urandom(1 << 20) * 30
    (root / "large.bin").write_bytes(content)
    tree = workspace.snapshot()
    (root / "large.bin").write_bytes(content + b"x")
    diff = workspace.diff(tree, workspace.snapshot())
    assert [change.kind for change in diff.changes] == [ChangeKind.MODIFIED]
    assert "larger than" in diff.patch
    workspace.restore(tree)
    assert (root / "large.bin").read_bytes() == content


def test_long_paths(root, workspace):
    """A few folders with long names already make a path that nobody can open: an error that can be undone."""
    tree = workspace.snapshot()
    at = os.open(root, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 200, dir_fd=at)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    with pytest.raises(WorkspaceError, match="has a path of more than 3500 bytes; remove it"):
        workspace.snapshot()
    workspace.restore(tree, keep_empty=False)
    assert workspace.snapshot() == tree


def test_deep_folders(root, workspace, tmp_path):
    """Two hundred folders in each other are fine; more than three hundred are a clear error, not a crash."""
    at = os.open(root, os.O_RDONLY)
    for number in range(320):
        os.mkdir("d" * 10, dir_fd=at)
        below = os.open("d" * 10, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
        if number == 199:
            os.close(os.open("file", os.O_CREAT, dir_fd=at))
            tree = workspace.snapshot()
            assert workspace.files(tree) == ("/".join(["d" * 10] * 200) + "/file",)
    os.close(at)
    with pytest.raises(WorkspaceError, match="nested deeper"):
        workspace.snapshot()
    try:
        for verb in (lambda: workspace.restore(tree), lambda: workspace.copy_to(tmp_path / "copy")):
            with shallow_stack(), pytest.raises(WorkspaceError, match="nested too deep"):
                verb()
    finally:
        subprocess.run(["rm", "-rf", str(root), str(tmp_path / "copy")], check=True)  # too deep for Python


@contextlib.contextmanager
def shallow_stack():
    """Let 320 folders be what thousands are otherwise."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(350)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("what", ["missing", "link", "file"])
def test_a_root_that_is_gone(root, workspace, what, tmp_path):
    """A root that was removed or replaced is an error for every verb, and a link is not followed."""
    (root / "a").write_text("a")
    tree = workspace.snapshot()
    shutil.rmtree(root)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "letter").write_text("mine")
    if what == "link":
        root.symlink_to(outside)
    if what == "file":
        root.write_text("")
    message = {"missing": "not there", "link": "is a symlink to", "file": "cannot be opened"}[what]
    for verb in (workspace.snapshot, workspace.git_state, lambda: workspace.copy_to(tmp_path / "copy")):
        with pytest.raises(WorkspaceError, match=message):
            verb()
    if what == "missing":
        workspace.restore(tree)
        assert (root / "a").read_text() == "a"
    else:
        with pytest.raises(WorkspaceError, match=message):
            workspace.restore(tree)
    assert [item.name for item in outside.iterdir()] == ["letter"]


def test_a_new_object_does_not_follow_a_planted_link(root, store, tmp_path):
    """After a restart the link in the workspace's place is refused as well."""
    root.rmdir()
    root.symlink_to("/etc")
    with pytest.raises(WorkspaceError, match="symlink"):
        Workspace(root, store).snapshot()


def test_the_store_must_lie_outside(root):
    """A store inside the workspace would photograph itself."""
    with pytest.raises(WorkspaceError, match="outside"):
        Workspace(root, SnapshotStore(root / "snapshots"))
    Workspace(root, SnapshotStore(root / ".obra" / "store"))  # a name that is left out may hold it


def become_ordinary():
    """Take root's right to read and write everything away from this process and what it becomes."""
    if os.geteuid() == 0:
        drop_from_bounding_set = ctypes.CDLL(None).prctl
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            drop_from_bounding_set(24, capability, 0, 0, 0)


UNREADABLE = """
import pathlib, sys
from obra.errors import WorkspaceError
from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace
here = pathlib.Path(sys.argv[1])
workspace = Workspace(here / "work", SnapshotStore(here / "store"))
tree = workspace.snapshot()
for name in ("secret.txt", "folder"):
    (here / "work" / name).chmod(0)
    try:
        workspace.snapshot()
    except WorkspaceError as error:
        print(error)
workspace.restore(tree)
print(workspace.snapshot() == tree)
(here / "work" / "folder").chmod(0o555)
(here / "work" / "folder" / "inner").chmod(0o444)
(here / "work" / "secret.txt").write_text("other")
(here / "work" / "secret.txt").chmod(0o444)
workspace.restore(tree)
print(workspace.snapshot() == tree)
"""


def test_unreadable_and_read_only_files(tmp_path, root):
    """An unreadable file or folder is named in the error; restore copes with missing rights of one's own files."""
    (root / "folder").mkdir()
    (root / "folder" / "inner").write_text("i")
    (root / "secret.txt").write_text("s")
    command = [sys.executable, "-c", UNREADABLE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=become_ordinary)
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stderr
    assert "secret.txt cannot be read: Permission denied" in lines[0]
    assert "cannot be read" in lines[1]
    assert lines[2:] == ["True", "True"]


def test_restore_never_writes_through_links(root, workspace, tmp_path, look):
    """Folders and files that became links outside are put back; what they point to is untouched."""
    (root / "folder").mkdir()
    (root / "folder" / "a").write_text("inside")
    (root / "b").write_text("inside b")
    tree, truth = workspace.snapshot(), look(root)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("inside b")
    shutil.rmtree(root / "folder")
    (root / "folder").symlink_to(outside)
    (root / "b").unlink()
    os.link(outside / "a", root / "b")
    workspace.restore(tree)
    assert look(root) == truth
    assert (outside / "a").read_text() == "inside b"
    (root / "b").write_text("again")
    assert (outside / "a").read_text() == "inside b"


def test_restore_leaves_ignored_names(root, workspace):
    """Caches and the repository stay; folders that were empty stay; left-over pipes go."""
    (root / "a").write_text("a")
    (root / "empty").mkdir()
    tree = workspace.snapshot()
    for path in (".git/HEAD", "__pycache__/x", "new/__pycache__/y", "new/b", "other/c"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
    os.mkfifo(root / "pipe")
    workspace.restore(tree)
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
    assert left == [".git/HEAD", "__pycache__/x", "a", "new/__pycache__/y"]
    assert (root / "empty").is_dir()
    assert not (root / "other").exists()


def test_restore_of_unknown_snapshot_changes_nothing(root, workspace):
    """An id that the store does not have is an error before anything is removed."""
    (root / "a").write_text("a")
    with pytest.raises(WorkspaceError, match="no object"):
        workspace.restore("0" * 40)
    assert (root / "a").read_text() == "a"


def test_a_user_repository_is_never_touched(root, workspace, git, look):
    """Index, branches, stash, reflog and config are the same bytes after every verb; commits do not hide work."""
    git(root, "init", "-q", "-b", "main")
    (root / "a.py").write_text("one\n")
    git(root, "add", "a.py")
    git(root, "commit", "-q", "-m", "first")
    (root / "a.py").write_text("stashed\n")
    git(root, "stash", "-q")
    (root / "a.py").write_text("two\n")
    git(root, "add", "a.py")
    (root / "a.py").write_text("three\n")
    repository = look(root / ".git", ignore=())
    stamps = {path: path.lstat().st_mtime_ns for path in (root / ".git").rglob("*")}
    before = workspace.snapshot()
    (root / "b.py").write_text("b\n")
    after = workspace.snapshot()
    workspace.diff(before, after)
    workspace.git_state()
    workspace.copy_to(root.parent / "copy")
    workspace.restore(before)
    assert look(root / ".git", ignore=()) == repository
    assert {path: path.lstat().st_mtime_ns for path in (root / ".git").rglob("*")} == stamps


def test_work_that_the_agent_committed(root, workspace, git):
    """Commits and amends change the git state; the files are in the diff all the same."""
    git(root, "init", "-q", "-b", "main")
    git(root, "commit", "-q", "--allow-empty", "-m", "start")
    before, state = workspace.snapshot(), workspace.git_state()
    (root / "a.py").write_text("one\n")
    git(root, "add", "a.py")
    git(root, "commit", "-q", "-m", "agent")
    committed = workspace.git_state()
    git(root, "commit", "-q", "--amend", "-m", "agent, again")
    states = [state, committed, workspace.git_state()]
    git(root, "checkout", "-q", "-b", "other")
    states.append(workspace.git_state())
    (root / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    states.append(workspace.git_state())
    git(root, "config", "core.hooksPath", "/tmp")
    states.append(workspace.git_state())
    git(root, "pack-refs", "--all")
    assert workspace.git_state() == states[-1]
    assert len(set(states)) == 6
    assert git(root, "rev-parse", "HEAD").decode().strip() in states[-1]
    assert [change.path for change in workspace.diff(before, workspace.snapshot()).changes] == ["a.py"]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("config", "[core] fsmonitor = evil"),
        ("config", '[diff "a]b"] textconv = evil'),
        ("config", "[diff]\n\texternal = true"),
        ("config", "[interactive]\n\tdiffFilter = evil"),
        ("config", "[core]\n\tworktree = /elsewhere"),
        ("config", '[alias]\n\tst-all = "!evil"'),
        ("config", "[alias]\n\tst = \\\n!evil"),
        ("config.worktree", "[core]\n\tfsmonitor = evil"),
    ],
)
def test_what_git_is_made_to_run_is_seen_however_it_is_written(root, workspace, git, file, line):
    """On the line of its section, over two lines, in the other file of settings; a name and a colour are free."""
    git(root, "init", "-q")
    before = workspace.git_state()
    with (root / ".git/config").open("a") as stream:
        stream.write("[user]\n\tname = Pathfinder\n[color] ui = never\n[extensions]\n\tworktreeConfig = true\n")
    assert planted_hooks(before, workspace.git_state()) == ()
    with (root / ".git" / file).open("a") as stream:
        stream.write(f"{line}\n")
    (found,) = planted_hooks(before, workspace.git_state())
    assert "a program named in .git/config changed" in found


def test_git_state_of_odd_repositories(root, workspace):
    """No repository, a linked one, a pipe for a HEAD, and a branch name that climbs out: each is an answer."""
    assert workspace.git_state() == ""
    (root / ".git").write_text("gitdir: /etc\n")
    assert workspace.git_state().startswith("linked: ")
    (root / ".git").unlink()
    (root / ".git").symlink_to("/etc")
    assert workspace.git_state().startswith("linked: ")
    (root / ".git").unlink()
    (root / ".git").mkdir()
    os.mkfifo(root / ".git" / "HEAD")
    assert workspace.git_state().startswith("head: \n")
    (root / ".git" / "HEAD").unlink()
    (root / ".git" / "HEAD").write_text("ref: refs/../../../../../../../../etc/passwd\n")
    assert "root:" not in workspace.git_state()
    (root / ".git" / "hooks").symlink_to("/etc")
    assert "linked to" in workspace.git_state()


def test_copy_is_plain_and_complete(root, workspace, tmp_path, look):
    """A copy holds files, rights, links as links and .git, but no caches and no pipes."""
    for path in ("a.py", "deep/run.sh", ".git/HEAD", "deep/__pycache__/x.pyc"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (root / "deep" / "run.sh").chmod(0o755)
    (root / "etc").symlink_to("/etc")
    os.mkfifo(root / "pipe")
    (root / os.fsdecode(b"\xff")).write_text("odd")
    workspace.copy_to(tmp_path / "new" / "copy")
    copied = look(tmp_path / "new" / "copy", ignore=())
    assert copied == {path: value for path, value in look(root, ignore=()).items() if b"__pycache__" not in path}
    assert b".git/HEAD" in copied


def test_copy_refuses_bad_places(root, workspace, tmp_path):
    """A copy into itself or onto something is refused."""
    (root / "a").write_text("a")
    with pytest.raises(WorkspaceError, match="outside"):
        workspace.copy_to(root / "copy")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "b").write_text("b")
    with pytest.raises(WorkspaceError, match="not empty"):
        workspace.copy_to(tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be copied"):
        workspace.copy_to(tmp_path / "file")


def test_a_file_is_read_from_a_snapshot_not_from_the_folder(root, workspace):
    """What stood at a path then; nothing where there was no file, a folder, or a link."""
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "c.txt").write_bytes(b"old\xff")
    (root / "odd\\name").write_text("odd")
    (root / "link").symlink_to("a/b/c.txt")
    tree = workspace.snapshot()
    (root / "a" / "b" / "c.txt").write_text("new")
    assert workspace.read(tree, "a/b/c.txt") == b"old\xff"
    odd = next(path for path in workspace.files(tree) if path.startswith("odd"))
    assert workspace.read(tree, odd) == b"odd"
    for path in ("a/b", "a", "link", "a/b/none", "none/b", "a/b/c.txt/d", "link/x"):
        assert workspace.read(tree, path) is None
    with pytest.raises(WorkspaceError):
        workspace.read("0" * 40, "a")
