from __future__ import annotations

import errno
import subprocess
import sys

import pytest
from refusing_kernel import with_refusal

from obra.errors import FolderBusy, WorkspaceError
from obra.workspace.folder_lock import held


def test_a_folder_is_held_by_one_and_free_afterwards(tmp_path):
    """In one process, too; no file is written."""
    with held(tmp_path), pytest.raises(FolderBusy, match="another task is at work in the folder"), held(tmp_path):
        pass
    with held(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_kill_9_frees_it_and_children_do_not_keep_it(tmp_path):
    """The kernel frees it with its holder, also while a program that the holder started lives on."""
    program = (
        "import subprocess, sys; from pathlib import Path; from obra.workspace.folder_lock import held\n"
        "with held(Path(sys.argv[1])):\n"
        "    child = subprocess.Popen(['sleep', '60'])\n"
        "    print(child.pid, flush=True); input()"
    )
    command = [sys.executable, "-c", program, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        child = int(holder.stdout.readline())
        with pytest.raises(FolderBusy), held(tmp_path):
            pass
        holder.kill()
        holder.wait()
        try:
            with held(tmp_path):
                pass
        finally:
            subprocess.run(["kill", "-9", str(child)], check=True)


def test_a_folder_that_is_not_there_is_explained(tmp_path):
    """With its name."""
    with pytest.raises(WorkspaceError, match="none cannot be opened: No such file"), held(tmp_path / "none"):
        pass


def test_a_file_system_without_locks_is_named(tmp_path):
    """Nobody works unlocked: the message says what the kernel said, and where else to work."""
    code = (
        "import pathlib, sys; from obra.workspace.folder_lock import held\n"
        "with held(pathlib.Path(sys.argv[1])): pass"
    )
    ended = with_refusal("flock", errno.ENOLCK, code, tmp_path)
    assert ended.stderr.splitlines()[-1] == (
        f"obra.errors.WorkspaceError: the folder {tmp_path} cannot be locked against other tasks "
        "(No locks available); work in a folder whose file system knows locks"
    )
