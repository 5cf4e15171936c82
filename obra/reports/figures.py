"""Numbers as people read them. What is unknown is told as unknown, never as zero."""

from __future__ import annotations

_MINUTE = 60
_HOUR = 3600
_TENTHS_TELL = 10


def score_text(value: float | None) -> str:
    """Return a score from 0 to 100 with one decimal, or ``none``."""
    return "none" if value is None else f"{value:.1f}"


def seconds_text(value: float | None) -> str:
    """Return seconds with two decimals, or ``unknown``."""
    return "unknown" if value is None else f"{value:.2f} s"


def duration_text(value: float | None) -> str:
    """Return a duration in the unit that fits it: ``35 ms``, ``2.4 s``, ``4 min 05 s`` or ``1 h 02 min``."""
    if value is None:
        return "unknown"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < _MINUTE:
        return f"{value:.1f} s" if value < _TENTHS_TELL else f"{value:.0f} s"
    whole = round(value)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def count_text(value: int | None) -> str:
    """Return a whole number, or ``unknown``."""
    return "unknown" if value is None else str(value)


def cost_text(value: float | None) -> str:
    """Return US dollars with four decimals, or ``unknown``."""
    return "unknown" if value is None else f"{value:.4f} USD"
