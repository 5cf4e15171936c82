"""A kernel that says no: Python code in a process of its own for which one system call fails.

What a file system without locks, a machine without a free port or a process of another user does to us is thereby
done by the kernel itself, with a filter of seccomp(2), and needs no rights.
"""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_NUMBERS = {
    "x86_64": {"flock": 73, "bind": 49, "kill": 62, "inotify_add_watch": 254},
    "aarch64": {"flock": 32, "bind": 200, "kill": 129, "inotify_add_watch": 27},
}
"""What Linux calls the system calls (``asm/unistd.h``)."""
_FILTER = """
import ctypes

class Line(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("k", ctypes.c_uint)]

class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("lines", ctypes.POINTER(Line))]

load, jump_if_equal, give_back, fail, allow = 0x20, 0x15, 0x06, 0x00050000, 0x7FFF0000
lines = (Line * 4)(
    Line(load, 0, 0, 0),
    Line(jump_if_equal, 0, 1, {number}),
    Line(give_back, 0, 0, fail | {error}),
    Line(give_back, 0, 0, allow),
)
no_new_privileges, seccomp, by_filter = 38, 22, 2
control = ctypes.CDLL(None).prctl
assert control(no_new_privileges, 1, 0, 0, 0) == 0
if control(seccomp, by_filter, ctypes.byref(Program(4, lines)), 0, 0) != 0:
    raise SystemExit(77)
"""
_CANNOT = 77


def with_refusal(call: str, error: int, code: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run *code* with *words* as its arguments while the system call *call* fails with *error*."""
    numbers = _NUMBERS.get(platform.machine()) if sys.platform == "linux" else None
    if numbers is None:
        pytest.skip(f"no number of {call} is known for {sys.platform} on {platform.machine()}")
    text = _FILTER.format(number=numbers[call], error=error) + code
    command = [sys.executable, "-c", text, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == _CANNOT:
        pytest.skip("this kernel takes no filter of seccomp")
    return done
