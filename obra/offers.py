"""What an agent or an LLM offers beside the plain protocol, told cheaply.

``isinstance`` tells the same. With a protocol it takes 20 microseconds each time before Python 3.12, and the loop
asks several times in each attempt.
"""

from __future__ import annotations

from typing import TypeGuard

from obra.plugins import AsksPermission, OutlivesUs, PlaysReviews


def asks_permission(agent: object) -> TypeGuard[AsksPermission]:
    """Tell whether *agent* has all that :class:`AsksPermission` names."""
    return hasattr(agent, "on_permission")


def outlives_us(agent: object) -> TypeGuard[OutlivesUs]:
    """Tell whether *agent* has all that :class:`OutlivesUs` names."""
    return hasattr(agent, "handle") and hasattr(agent, "take_up")


def plays_reviews(llm: object) -> TypeGuard[PlaysReviews]:
    """Tell whether *llm* has all that :class:`PlaysReviews` names."""
    return hasattr(llm, "rehearse")
