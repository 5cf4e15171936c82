from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from obra.evidence.copying import copy_tree, delete_tree
from obra.evidence.scene import Scene

AS_NOBODY = """
import os, shutil, tempfile
from pathlib import Path
import obra.evidence.copying
from obra.evidence.scene import Scene
from obra.workspace.private_folder import make_private_folder, remove_private_folder

remove_private_folder(make_private_folder("check"))  # nobody may read Python's own files to import more

if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
root = Path(tempfile.mkdtemp())
(root / "locked").mkdir()
(root / "locked" / "file").write_text("x")
(root / "closed").mkdir()
(root / "closed" / "inner").write_text("x")
(root / "secret").write_text("x")
(root / "closed").chmod(0)
(root / "secret").chmod(0)
(root / "locked").chmod(0o500)
with Scene(root=root).scratch() as scratch:
    copy = scratch.workspace
    assert (copy / "locked" / "file").read_text() == "x"
    assert (copy / "secret").stat().st_mode & 0o777 == 0
    assert (copy / "closed").stat().st_mode & 0o777 == 0
    (copy / "deep").mkdir()
    (copy / "deep" / "deeper").mkdir()
    (copy / "deep" / "deeper" / "file").touch()
    (copy / "deep" / "out").symlink_to(root)
    (copy / "deep" / "deeper").chmod(0)
    (copy / "deep").chmod(0o500)
assert not copy.parent.exists(), os.listdir(copy.parent)
assert (root / "locked").stat().st_mode & 0o777 == 0o500
os.chmod(root, 0)
try:
    with Scene(root=root).scratch():
        raise SystemExit("a closed workspace was copied")
except PermissionError:
    os.chmod(root, 0o700)
shutil.rmtree(root, ignore_errors=True)
print("good")
"""


def test_each_scratch_is_new_and_gone_afterwards(root: Path) -> None:
    """Two copies share nothing, and nothing is left of either."""
    (root / "a.txt").write_text("original")
    with Scene(root=root).scratch() as first:
        (first.workspace / "a.txt").write_text("changed")
        (first.workspace / "new.txt").touch()
        (first.home / "x").touch()
    with Scene(root=root).scratch() as second:
        assert (second.workspace / "a.txt").read_text() == "original"
        assert sorted(path.name for path in second.workspace.iterdir()) == ["a.txt"]
        assert list(second.home.iterdir()) == []
    assert not first.workspace.parent.exists()
    assert not second.workspace.parent.exists()
    assert (root / "a.txt").read_text() == "original"


def test_the_copy_is_faithful(root: Path) -> None:
    """Names, contents, modes, times and links are kept; caches and special files are not."""
    (root / "-rf\n'\"").write_bytes(b"\0\xff")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    os.utime(root / "run.sh", (1_000_000_000, 1_000_000_000))
    (root / "empty").mkdir()
    (root / "sub").mkdir()
    (root / "sub" / "link").symlink_to("../run.sh")
    (root / "dangling").symlink_to("nowhere")
    (root / "circle").symlink_to("circle")
    os.mkfifo(root / "pipe")
    for cache in ("__pycache__", ".pytest_cache", ".obra"):
        (root / cache).mkdir()
        (root / cache / "x").touch()
    with Scene(root=root).scratch() as scratch:
        copy = scratch.workspace
        assert sorted(path.name for path in copy.iterdir()) == sorted(
            ["-rf\n'\"", "run.sh", "empty", "sub", "dangling", "circle"]
        )
        assert (copy / "-rf\n'\"").read_bytes() == b"\0\xff"
        assert stat.S_IMODE((copy / "run.sh").stat().st_mode) == 0o755
        assert (copy / "run.sh").stat().st_mtime == 1_000_000_000
        assert (copy / "sub" / "link").readlink() == Path("../run.sh")
        assert (copy / "circle").readlink() == Path("circle")


def test_holes_of_a_file_are_not_written_out(root: Path) -> None:
    """A terabyte that takes no room does not fill the disk; what stands between the holes is there."""
    size = 1 << 40
    with (root / "sparse").open("wb") as stream:
        stream.seek(size // 2)
        stream.write(b"in the middle")
        stream.truncate(size)
    (root / "hole").touch()
    os.truncate(root / "hole", size)
    with Scene(root=root).scratch() as scratch:
        copy = scratch.workspace / "sparse"
        assert copy.stat().st_size == (scratch.workspace / "hole").stat().st_size == size
        assert copy.stat().st_blocks * 512 < 1 << 20
        with copy.open("rb") as stream:
            stream.seek(size // 2 - 1)
            assert stream.read(15) == b"\0in the middle\0"


def test_no_link_in_the_copy_leads_back_into_the_original(root: Path) -> None:
    """Absolute links and detours into the workspace are turned into the copy; others stay as they are."""
    (root / "data").mkdir()
    (root / "data" / "file").write_text("original")
    (root / "absolute").symlink_to(root / "data")
    (root / "self").symlink_to(root)
    (root / "detour").symlink_to("../workspace/data/file")
    (root / "outside").symlink_to("/usr/bin/env")
    (root / "elsewhere").symlink_to("../not-ours")
    with Scene(root=root).scratch() as scratch:
        copy = scratch.workspace
        (copy / "absolute" / "new").write_text("x")
        (copy / "detour").write_text("changed")
        assert (copy / "self").resolve() == copy.resolve()
        assert (copy / "outside").readlink() == Path("/usr/bin/env")
        assert (copy / "elsewhere").readlink() == Path("../not-ours")
    assert (root / "data" / "file").read_text() == "original"
    assert [path.name for path in (root / "data").iterdir()] == ["file"]


def test_the_link_file_of_a_git_worktree_stays_behind(root: Path) -> None:
    """A command in the copy must not find the real index; a link that stays inside is kept."""
    (root / ".git").write_text(f"gitdir: {root.parent}/real/.git/worktrees/w\n")
    (root / "module").mkdir()
    (root / "module" / ".git").write_text("gitdir: ../.git/modules/module\n")
    with Scene(root=root).scratch() as scratch:
        assert not (scratch.workspace / ".git").exists()
        assert (scratch.workspace / "module" / ".git").exists()


def test_a_copy_below_its_source_does_not_copy_itself(root: Path) -> None:
    """The workspace may be the very folder of temporary files."""
    (root / "a").touch()
    inner = root / "temporary"
    inner.mkdir()
    copy_tree(root, inner / "copy", skip=inner)
    assert [path.name for path in (inner / "copy").iterdir()] == ["a"]
    delete_tree(inner)
    assert not inner.exists()


def test_a_missing_workspace_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """Also then the private folder is deleted."""
    program = """
from pathlib import Path
from obra.evidence.scene import Scene
try:
    with Scene(root=Path("/no/such/workspace")).scratch():
        print("made")
except FileNotFoundError:
    print("refused")
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "refused\n"
    assert list(tmp_path.iterdir()) == []


def test_closed_files_and_read_only_folders_for_someone_who_is_not_root() -> None:
    """A user without special rights copies what may be read, and deletes what may not be changed."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", AS_NOBODY],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr
