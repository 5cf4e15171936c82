"""How a claim ended: with a row, to be tried again, or not ours any more."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from obra.errors import ObraError, RemoteRunFailed, ScaleError, StateError
from obra.scale.port import Claim

_MOST_CLAIMS = 5
"""How often a case is begun before a stumble counts as its end."""
_STUMBLED = (StateError, ScaleError)
"""What a database or a store that is away for a moment raises, exactly these and none of their kinds."""


class Ending(StrEnum):
    """The three ways."""

    DONE = "done"
    AGAIN = "again"
    LOST = "lost"


class CaseEnd(NamedTuple):
    """The end of a claim."""

    ending: Ending
    result: str = ""
    reason: str = ""
    row: str = ""


def worn_out(claim: Claim) -> RemoteRunFailed:
    """Return the error that says whom a case has taken along."""
    return RemoteRunFailed(
        f"the case was under way on {len(claim.lost)} workers that were lost with it, and is not taken over again "
        f"(scale.takeovers): {', '.join(claim.lost)}. Perhaps it ends whatever runs it; see by hand: "
        f"obra run {claim.order.path}"
    )


def ending_of(error: Exception, claim: Claim, store_row: Callable[[Claim, dict[str, Any]], str]) -> CaseEnd:
    """Return what an error of the machinery means for a claim: again, or a row without a verdict."""
    from obra.reports.rows import MACHINERY_BROKE, error_row

    if type(error) in _STUMBLED and claim.number < _MOST_CLAIMS:
        return CaseEnd(Ending.AGAIN, reason=str(error))
    kind = "" if isinstance(error, ObraError) else f"unexpected {type(error).__name__}: "
    message = "\n".join((f"{kind}{error}", *getattr(error, "__notes__", ())))
    order = claim.order
    row = error_row(
        scenario=order.scenario,
        case=order.case,
        agent=order.agent,
        path=order.path,
        node="",
        message=message,
        repeat=order.repeat,
    )
    try:
        reference = store_row(claim, row)
    except ScaleError as second:
        return CaseEnd(Ending.DONE, result=MACHINERY_BROKE, reason=f"{message}; and its row: {second}")
    return CaseEnd(Ending.DONE, result=MACHINERY_BROKE, reason=message, row=reference)
