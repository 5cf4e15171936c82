"""A conversation that another process began is read from where that one was."""

from __future__ import annotations

import subprocess

import pytest

from obra.agents.conversation import Conversation, StreamEnded
from obra.agents.wire import PipeWire
from obra.monitoring.output_monitor import OutputMonitor

PIPE = subprocess.PIPE


@pytest.mark.parametrize(("script", "seconds"), [("echo {}", 60), ("echo {}; exec cat", 0.05)])
def test_an_output_that_is_shorter_than_what_was_read_of_it_has_ended(script, seconds):
    """What was written down of the turns before is gone: nobody takes a later line for one of theirs, or waits."""
    with subprocess.Popen(["sh", "-c", script], stdin=PIPE, stdout=PIPE, stderr=PIPE) as program:
        wire = PipeWire(program.stdin, program.stdout, program.stderr)
        with pytest.raises(StreamEnded):
            Conversation(wire, OutputMonitor()).skip(100, seconds)
        wire.close()
