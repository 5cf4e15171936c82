"""The SSH server that tests start for themselves."""

from __future__ import annotations

import errno

from refusing_kernel import with_refusal


def test_a_machine_without_a_free_port_is_told():
    """A hundred were tried; the message names the range, so that somebody can look who has them."""
    code = "from obra.testing.ssh_server import _free_port; _free_port()"
    ended = with_refusal("bind", errno.EADDRINUSE, code)
    assert ended.stderr.splitlines()[-1] == (
        "obra.errors.AgentUnavailable: no port of 100 between 20000 and 32000 is free for an SSH server"
    )
