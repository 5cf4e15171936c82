"""SSHConnection to a real sshd: what does not end, and what is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from ever_longer import with_time

from obra.agents.ssh_connection import SSHConnection
from obra.agents.ssh_settings import ClaudeCodeSSHSettings, log_in
from obra.errors import AgentCrashed


@pytest.fixture
def connection(ssh_server) -> Iterator[SSHConnection]:
    """A connection that is logged in."""
    one = log_in(ClaudeCodeSSHSettings(workspace_dir="", **ssh_server.reach))
    yield one
    one.close()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[str]:
    """A command that waits for the end of the test, and not much longer, whatever became of its connection."""
    yield f"timeout 90 sh -c 'until test -e {tmp_path}/over; do sleep 0.05; done'"
    (tmp_path / "over").touch()


def cut_when(server, file: Path) -> None:
    """Cut the connections when a file is there."""
    end = time.monotonic() + 60
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.01)
    server.cut()


@pytest.mark.parametrize(
    ("begin", "why"),
    [("", "its output did not end"), ("exec >&- 2>&-; ", "no exit code")],
    ids=["it prints nothing", "it closed its output"],
)
def test_a_command_that_does_not_end_is_told(connection, waiting, begin, why):
    """Its words, the time that it had, and what it still owes."""
    command = begin + waiting

    def run(seconds: float) -> None:
        with pytest.raises(AgentCrashed) as told:
            connection.run(command, seconds=seconds)
        assert str(told.value) == f"over SSH, {command[:80]!r} did not end within {seconds:g} s: {why}"

    with_time(run, 0.8, 5, 30)


def test_a_connection_that_is_lost_under_a_command_is_told(connection, ssh_server, waiting, tmp_path):
    """It has no exit code then, which says nothing about the command; one that a signal ended has none either."""
    assert connection.run("kill -9 $$", seconds=30)[0] == -1
    thread = Thread(target=cut_when, args=(ssh_server, tmp_path / "begun"))
    thread.start()
    with pytest.raises(AgentCrashed, match=r"lost: it ended in the middle of 'touch .*'; the next prompt logs in"):
        connection.run(f"touch {tmp_path}/begun; {waiting}", seconds=60)
    thread.join()


def test_a_port_over_a_connection_that_is_gone_is_told(connection, ssh_server):
    """Cut on the way, and closed by us."""
    ssh_server.cut()
    with pytest.raises(AgentCrashed, match=r"^the SSH connection is lost: .+; the next prompt logs in again$"):
        connection.forward(print)
    connection.close()
    with pytest.raises(AgentCrashed, match=r"^the SSH connection is closed; the next prompt logs in again$"):
        connection.forward(print)
