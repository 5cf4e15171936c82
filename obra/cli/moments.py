"""Moments as people type them: how long from now, or the time itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_FROM_NOW = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(text: str) -> datetime:
    """Return the moment in UTC that *text* names, for the ``type`` of an option.

    Args:
        text: ``90m``, ``2h`` or ``3d`` from now, or a time in ISO 8601, which is UTC where it names no zone.

    Raises:
        click.BadParameter: it is neither.
    """
    try:
        if found := _FROM_NOW.fullmatch(text):
            return datetime.now(UTC) + timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
        named = datetime.fromisoformat(text)
        return named.replace(tzinfo=UTC) if named.tzinfo is None else named.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no time; write 90m, 2h or 3d from now, or 2030-12-24T18:00:00+01:00"
        ) from error
