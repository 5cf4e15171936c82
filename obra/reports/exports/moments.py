"""When things happened: a row's relative times as moments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Row = Mapping[str, Any]

_RUN_ID = re.compile(r"\d{8}-\d{6}")
_RUN_ID_TIME = "%Y%m%d-%H%M%S"


def began(row: Row, run: str) -> datetime:
    """Return when a row's scenario began: by its first attempt, else when its run did, as the run's id says.

    A run whose id is no time began at the epoch, which no viewer takes for a measured time.
    """
    for attempt in row["attempts"]:
        if attempt["started_at"]:
            at = attempt["stages"][0]["at"] if attempt["stages"] else 0.0
            return datetime.fromisoformat(attempt["started_at"]) - timedelta(seconds=at)
    found = _RUN_ID.match(run)
    if found is None:
        return datetime.fromtimestamp(0, UTC)
    return datetime.strptime(found[0], _RUN_ID_TIME).replace(tzinfo=UTC)


def later(moment: datetime, seconds: float | None) -> datetime:
    """Return the moment so many seconds later; the same where nobody knows how many."""
    return moment + timedelta(seconds=seconds or 0.0)


def attempt_began(attempt: Row, default: datetime) -> datetime:
    """Return when an attempt began, or *default* where a row of an older version does not tell."""
    return datetime.fromisoformat(attempt["started_at"]) if attempt["started_at"] else default


def nanoseconds(moment: datetime) -> str:
    """Return nanoseconds since the epoch as text, as protobuf's JSON writes 64 bits."""
    since = moment - datetime.fromtimestamp(0, UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return str(microseconds * 1000)
