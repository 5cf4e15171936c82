"""The conversation with a runner that refuses it; real sshd."""

from __future__ import annotations

import pytest

from obra.agents.ssh_link import SSHLink
from obra.agents.ssh_settings import ClaudeCodeSSHSettings, log_in
from obra.agents.ssh_wire import RunnerWire


@pytest.fixture
def refused(ssh_server):
    """Give what is said of an attachment that ends of itself, and how often another link was tried."""

    def talk(attachment: str) -> tuple[str, int]:
        connection = log_in(ClaudeCodeSSHSettings(workspace_dir="unused", **ssh_server.reach))
        wire = RunnerWire(SSHLink(lambda: connection, 10), lambda *_: attachment, lease=60, port_on=lambda _: 0)
        try:
            assert wire.is_over(100)
        finally:
            wire.close()
            connection.close()
        return wire.errors(), wire.reconnects

    return talk


def test_last_words_that_come_after_the_exit_code_are_heard(refused):
    """The server tells the code as soon as the program is gone, with what it printed still on its way."""
    late = "(sleep 0.5; echo another Obra has taken this run over >&2) & exit 7"
    assert refused(late) == ("over SSH: another Obra has taken this run over", 0)


def test_an_end_without_words_is_told_too(refused):
    """Something there holds standard error open for longer than anybody waits."""
    assert refused("sleep 20 & exit 7") == ("over SSH: the runner cannot be reached", 0)
