"""Ctrl-C while a program is started is obeyed, and nothing of that program is left."""

from __future__ import annotations

import os
import signal
import sys
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


def test_a_handler_of_any_kind_waits():
    """A person's stop is SIGUSR1, with its own handler: it is called behind the outermost block, each time."""
    came = []
    usual = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
    try:
        with ctrl_c_waits():
            with ctrl_c_waits():
                signal.raise_signal(signal.SIGUSR1)
                signal.raise_signal(signal.SIGUSR1)
            assert came == []
        assert came == [signal.SIGUSR1] * 2
        signal.raise_signal(signal.SIGUSR1)
        assert came == [signal.SIGUSR1] * 3
    finally:
        signal.signal(signal.SIGUSR1, usual)


def test_of_several_the_most_urgent_is_heard():
    """Each handler is called, and it is Ctrl-C that comes out, whatever came first."""
    called = []

    def stop(number, _frame):
        called.append(number)
        raise KeyboardInterrupt("a person's stop")

    usual = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(KeyboardInterrupt) as caught, ctrl_c_waits():
            [signal.raise_signal(one) for one in (signal.SIGINT, signal.SIGUSR1)]
        assert (str(caught.value), called) == ("", [signal.SIGUSR1])
        assert signal.getsignal(signal.SIGUSR1) is stop
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGUSR1, usual)


def test_a_signal_while_the_handlers_are_put_back_takes_nothing_from_the_others():
    """What raises in between comes out, unless a more urgent one waited; each has its own handler again."""

    def stop(_number, _frame):
        raise KeyboardInterrupt("a person's stop")

    def disturb(_frame, event, function):
        if event == "c_return" and signal.getsignal(signal.SIGUSR1) is stop and not disturbed:
            disturbed.append(function)
            signal.raise_signal(signal.SIGUSR1)

    disturbed = []
    usual = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(KeyboardInterrupt) as caught, ctrl_c_waits():  # noqa: PT012  # sets what disturbs its end
            signal.raise_signal(signal.SIGINT)
            sys.setprofile(disturb)
        sys.setprofile(None)
        assert (len(disturbed), str(caught.value)) == (1, "")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGUSR1) is stop
    finally:
        sys.setprofile(None)
        signal.signal(signal.SIGUSR1, usual)


def test_what_nobody_handles_is_left_as_it_is():
    """Signals without a handler are not touched, and in a thread that no signal reaches none is."""
    ignored = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        with ctrl_c_waits():
            assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
            assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR2, ignored)
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
