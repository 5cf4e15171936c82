"""pytest's own ``--junitxml`` on a disk that is full: what is half-written is taken back."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a system says when there is no room: for anybody, for this person, or in one file."""
_END = b"</testsuites>"


def take_back_junit(config: pytest.Config, error: OSError) -> str:
    """Take away the file of ``--junitxml`` unless it is whole, and return what is to be told."""
    option = config.getoption("--junitxml")
    if not option:
        return f"a plugin of pytest could not write its report: {error}; make room"
    path = config.invocation_params.dir / Path(option).expanduser()
    if path.is_file() and not path.read_bytes().endswith(_END):
        path.unlink()
    return f"the report {option} cannot be written: {error.strerror}; make room or name another file"
