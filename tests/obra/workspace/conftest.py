"""A workspace with a store beside it, and a plain look at what a folder holds."""

# Names that are no text need the calls that take bytes.
# ruff: noqa: PTH115, PTH118, PTH123, PTH208

import os
import stat
import subprocess

import pytest

from obra.workspace.snapshot_store import SnapshotStore
from obra.workspace.workspace import Workspace


@pytest.fixture
def store(tmp_path):
    """A store that does not exist yet."""
    return SnapshotStore(tmp_path / "store")


@pytest.fixture
def root(tmp_path):
    """An empty folder to work in."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def workspace(root, store):
    """The workspace in *root*."""
    return Workspace(root, store)


@pytest.fixture
def look():
    """Return what a folder holds, as a plain dict of bytes paths, without any of the code under test."""

    def looking(folder, ignore=(b".git", b"__pycache__")):
        found = {}
        waiting = [os.fsencode(folder)]
        while waiting:
            above = waiting.pop()
            for name in os.listdir(above):
                path = os.path.join(above, name)
                status = os.lstat(path)
                relative = os.path.relpath(path, os.fsencode(folder))
                if name in ignore:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(path)
                elif stat.S_ISLNK(status.st_mode):
                    found[relative] = ("link", os.readlink(path))
                elif stat.S_ISREG(status.st_mode):
                    with open(path, "rb") as stream:
                        found[relative] = (bool(status.st_mode & stat.S_IXUSR), stream.read())
        return found

    return looking


@pytest.fixture
def git(tmp_path):
    """Run the real git, away from the person's own settings; return its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "no-home"),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }

    def run(folder, *arguments, data=None):
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=environment, input=data, capture_output=True, check=False
        )
        assert done.returncode == 0, (arguments, done.stderr.decode(errors="replace"))
        return done.stdout

    return run
