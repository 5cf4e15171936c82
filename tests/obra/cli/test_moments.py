"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from obra.cli.moments import moment


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("90m", 5400), ("2h", 7200), ("3d", 259200)])
def test_how_long_from_now(text, seconds):
    """Seconds, minutes, hours and days."""
    assert abs(moment(text) - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=10)


def test_a_time_itself():
    """In UTC where it names no zone."""
    for text in ("2030-12-24T18:00:00+01:00", "2030-12-24T17:00", "2030-12-24T17:00Z"):
        assert moment(text) == datetime(2030, 12, 24, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["soon", "", "2 h", "-2h", "2030-13-01", "9999999999999d", "0001-01-01T00:00+09:00"]
)
def test_what_is_no_time_is_refused(text):
    """With what to write instead."""
    with pytest.raises(click.BadParameter, match="is no time; write 90m, 2h or 3d"):
        moment(text)
