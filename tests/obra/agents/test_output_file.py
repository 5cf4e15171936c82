"""Output through a file: all of it arrives, in order, whenever it is read and however the program ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from obra.agents.output_file import OutputFile

ALL_AT_ONCE = "import os; os.write(1, b'x' * 5_000_000); os._exit(0)"
SLOWLY = "import time\nfor n in range(5): print(n, flush=True); time.sleep(0.05)"
HELD = "import subprocess; print('mine', flush=True); subprocess.Popen(['sleep', '60'])"


@pytest.fixture
def printing():
    """Start a program that prints into a file; all is closed afterwards."""
    opened = []

    def start(code: str) -> OutputFile:
        output = OutputFile()
        process = subprocess.Popen([sys.executable, "-c", code], stdout=output.file, start_new_session=True)
        opened.append((output, process))
        output.follow(process)
        return output

    yield start
    for output, process in opened:
        output.pipe.close()
        output.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_what_is_read_late_is_not_lost(printing):
    """The program has long ended when the first byte is read, with more than any pipe holds."""
    output = printing(ALL_AT_ONCE)
    time.sleep(0.3)
    assert len(output.pipe.readall()) == 5_000_000


def test_lines_come_while_the_program_runs(printing):
    """The first is there before the last is printed, and their order is kept."""
    output = printing(SLOWLY)
    assert output.pipe.read(100).startswith(b"0\n")
    assert output.pipe.readall().endswith(b"4\n")


def test_the_end_of_the_program_is_the_end(printing):
    """A background process that holds the output does not keep the reader waiting."""
    output = printing(HELD)
    begun = time.monotonic()
    assert output.pipe.readall() == b"mine\n"
    assert time.monotonic() - begun < 60  # as long as that process would have held it


def test_a_reader_that_goes_away_ends_the_thread(printing):
    """Also when the pipe is full and much is still to come."""
    threads = set(threading.enumerate())
    output = printing(ALL_AT_ONCE)
    time.sleep(0.3)
    output.pipe.close()
    output.close()
    output.close()
    assert set(threading.enumerate()) <= threads


def test_one_that_was_never_used_closes():
    """Where the program could not be started there is no thread."""
    output = OutputFile()
    output.pipe.close()
    output.close()
    output.close()
    assert output.file.closed
