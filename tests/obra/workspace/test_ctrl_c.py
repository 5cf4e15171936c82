"""Ctrl-C while a program is started is obeyed, and nothing of that program is left."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from obra.workspace.ctrl_c import ctrl_c_waits
from obra.workspace.processes import ProcessTree, run_command

at_fork: list[int] = []
"""Signals that this process sends itself in the next fork."""


def _disturb() -> None:
    while at_fork:
        signal.raise_signal(at_fork.pop())


os.register_at_fork(after_in_parent=_disturb)


@pytest.fixture(autouse=True)
def _stopped_like_obra():
    """SIGTERM raises KeyboardInterrupt, as in ``obra run``."""
    usual = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    at_fork.clear()
    signal.signal(signal.SIGTERM, usual)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_fork_is_not_lost(tmp_path, number):
    """It is raised as soon as the program has started, which is ended again; the handlers are as before."""
    at_fork.append(number)
    with pytest.raises(KeyboardInterrupt):
        ProcessTree("touch began; exec sleep 600", cwd=tmp_path, environment={"PATH": os.environ["PATH"]})
    assert at_fork == []
    assert signal.getsignal(number) is signal.default_int_handler
    assert not [one for one in Path("/proc").iterdir() if one.name.isdigit() and _works_in(one, tmp_path)]


def test_a_signal_that_another_thread_was_given_ends_a_command(tmp_path, ctrl_c_elsewhere):
    """The kernel chooses who gets it when a process goes on that was stopped; the main thread waits meanwhile."""
    ctrl_c_elsewhere(tmp_path / "begun")
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_command(
            "touch begun; exec sleep 60",
            cwd=tmp_path,
            environment={"PATH": os.environ["PATH"]},
            timeout=100,
            max_output=100,
        )
    assert time.monotonic() - began < 60  # as long as the command would have taken


def test_where_no_signal_raises_nothing_is_changed():
    """A handler of somebody's own is called at once, and in another thread nothing is touched."""
    came = []
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    with ctrl_c_waits():
        signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGTERM]
    seen = []

    def look() -> None:
        with ctrl_c_waits():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False
