"""What a program said is known to whoever sees its end."""

from __future__ import annotations

import os

from obra.agents.wire import PipeWire


def test_who_sees_the_end_has_the_last_words():
    """Both pipes end at once, and their reader may be held up between them: the errors come first."""
    for _ in range(300):
        ends = [os.pipe() for _ in range(3)]
        (stdin_read, stdin), (stdout, stdout_write), (stderr, stderr_write) = ends
        os.write(stderr_write, b"unknown option\n")
        wire = PipeWire(os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"), os.fdopen(stderr, "rb"))
        os.close(stdout_write)
        os.close(stderr_write)
        assert wire.next_line(5) is None
        said = wire.errors()
        wire.close()
        os.close(stdin_read)
        assert said == "unknown option"
