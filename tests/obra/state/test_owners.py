from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from obra.state import owners

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
NAME_YOURSELF = "from obra.state.owners import this_process as t; print(t(), flush=True); input()"


def test_this_process_is_alive_and_named_after_host_and_pid():
    """The own name holds host and process number, and stands for a living process."""
    host, pid, start = owners.this_process().rsplit(":", 2)
    assert (host, int(pid)) == (socket.gethostname(), os.getpid())
    assert start
    assert owners.is_alive(owners.this_process()) is True


def test_a_process_is_alive_until_it_is_killed_even_before_it_is_reaped():
    """A living process is alive, a zombie and a reaped one are dead."""
    with subprocess.Popen(
        [sys.executable, "-c", NAME_YOURSELF], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as child:
        name = child.stdout.readline().strip()
        assert owners.is_alive(name) is True
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, nobody has fetched its end
        assert owners.is_alive(name) is False
        child.wait()
        assert owners.is_alive(name) is False


def test_a_reused_process_number_is_not_mistaken():
    """A living process with the same number but another start is not the owner."""
    host, pid, start = owners.this_process().rsplit(":", 2)
    assert owners.is_alive(f"{host}:{pid}:{start}9") is False
    assert owners.is_alive(f"{host}:1:{start}") is False


@pytest.mark.parametrize(
    "name", ["elsewhere:1:2", "worker-7", "", "a:b", f"{socket.gethostname()}:x:1", "::", "h:1:"]
)
def test_what_cannot_be_known_is_none(name):
    """Owners on other hosts, and names of another form, are neither alive nor dead."""
    assert owners.is_alive(name) is None


def test_impossible_process_numbers_are_dead():
    """A number that no process can have belongs to no living process."""
    assert owners.is_alive(f"{socket.gethostname()}:{10**30}:1") is False


def test_a_fork_has_its_own_name():
    """A forked child does not pass itself off as its parent."""
    mine = owners.this_process()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, owners.this_process().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as told:
        theirs = told.read()
    assert theirs != mine
    assert theirs.split(":")[-2] == str(child)


@pytest.mark.parametrize("start_of", [owners._start_by_proc, owners._start_by_psutil])
def test_both_ways_to_read_a_start_agree_on_what_lives(start_of):
    """Where there is no /proc, psutil gives a start that is as steady."""
    child = subprocess.Popen(SLEEPER)
    try:
        start = start_of(child.pid)
        assert start == start_of(child.pid) != ""
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert start_of(child.pid) == ""
    finally:
        child.kill()
        child.wait()
    assert start_of(child.pid) == ""
    assert start_of(10**30) == ""


def test_owners_are_described_in_words():
    """Messages speak of processes and hosts."""
    assert owners.describe("build7:12:ab-3") == "process 12 on build7"
    assert owners.describe("me") == "owner 'me'"
