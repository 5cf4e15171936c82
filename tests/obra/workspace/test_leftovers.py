"""What a dead Obra left running is ended before anybody goes on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import psutil
from refusing_kernel import with_refusal

from obra.state.owners import this_process
from obra.workspace.leftovers import end_leftovers

OLD = """
import os, pathlib, sys, time
from obra.state.owners import this_process
from obra.workspace.processes import ProcessTree
from obra.workspace.supervision import supervisor
here = pathlib.Path(sys.argv[1])
tree = ProcessTree([sys.executable, "-c", sys.argv[2]], cwd=here, environment={"PATH": os.environ["PATH"]},
                   dies_with_thread=False)
while not (here / "seen").exists():
    time.sleep(0.005)
os.kill(supervisor().guard, 9)  # the guard is late, or was killed too
print(tree.process.pid, this_process(), flush=True)
time.sleep(60)
"""
WRITER = (
    "import os, pathlib, time\n"
    "if os.fork(): time.sleep(60)\n"
    "os.setsid()\n"
    "for number in range(6000):\n"
    "    pathlib.Path('seen').write_text(str(number)); time.sleep(0.01)\n"
)


def test_a_writer_that_outlived_its_killed_obra_is_ended(tmp_path):
    """It fled to a session of its own and nobody guards it; afterwards nothing writes any more."""
    old = subprocess.Popen([sys.executable, "-c", OLD, str(tmp_path), WRITER], stdout=subprocess.PIPE, text=True)
    try:
        pid, owner = old.stdout.readline().split()
        assert end_leftovers(owner) == 0  # it lives: nothing of it is touched
        assert psutil.pid_exists(int(pid))
        old.kill()
        old.wait(60)
        assert end_leftovers(owner) >= 1
    finally:
        old.kill()
        old.communicate()
    written = (tmp_path / "seen").read_text()
    time.sleep(0.1)
    assert (tmp_path / "seen").read_text() == written
    assert end_leftovers(owner) == 0


def test_strangers_are_left_alone():
    """Nobody, a living process and one of another machine have nothing that is to be ended here."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        assert [end_leftovers(owner) for owner in ("", this_process(), "elsewhere:12:x-1", "odd")] == [0] * 4
        assert other.poll() is None
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()


def test_what_may_not_be_killed_is_named(tmp_path):
    """An agent that became another user left it: its number is told, and no foreign error escapes."""
    code = """
import os, subprocess, sys
from obra.errors import WorkspaceError
from obra.state.owners import this_process
from obra.workspace.leftovers import end_leftovers
from obra.workspace.supervision import RUN_ID, number_of

reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, this_process().encode())
    os._exit(0)
os.wait()
owner = os.read(reading, 500).decode()
with subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={RUN_ID: number_of(owner) + "00000001"}) as left:
    try:
        end_leftovers(owner, 0.05)
    except WorkspaceError as error:
        print(str(error) == f"processes [{left.pid}] of process {owner.split(':')[1]} on {owner.split(':')[0]} "
              "do not end; end them by hand", error)
"""
    ended = with_refusal("kill", errno.EPERM, code, tmp_path)
    assert ended.stdout.startswith("True processes ["), (ended.stdout, ended.stderr)
