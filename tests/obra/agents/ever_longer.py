"""For what must happen within a time limit, on a machine that may stand still in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from obra.errors import ObraError

T = TypeVar("T")


def with_time(attempt: Callable[[float], T], *seconds: float) -> T:
    """Return what *attempt* gives for the first of ever longer limits that this machine keeps.

    Where a test has to wait for longer than its limit, a limit that no machine misses would make it slow for all.
    So the first is short; what does not hold with the last either does not hold, and fails with that.
    """
    *shorter, last = seconds
    for limit in shorter:
        try:
            return attempt(limit)
        except (AssertionError, ObraError, pytest.fail.Exception):
            continue
    return attempt(last)
