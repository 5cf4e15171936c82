"""One budget for a whole run: what may be spent, what was, and whether another scenario may begin."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

from obra.domain import Record
from obra.statistics.runs import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget(Record):
    """What a whole run may use up; ``None`` means no limit."""

    usd: float | None = None
    tokens: float | None = None
    seconds: float | None = None
    """Wall clock since the run began."""

    @property
    def is_limited(self) -> bool:
        """True when there is any limit."""
        return (self.usd, self.tokens, self.seconds) != (None, None, None)


def used_up(budget: Budget, *, cost_usd: Measure, tokens: Measure, seconds: float) -> str:
    """Return why no further scenario may begin, in one sentence; nothing when one may.

    What is under way when the budget runs out is not stopped, so a run can spend more by what its workers have in
    hand. An unknown cost (or number of tokens) is not taken for zero: under a budget of that kind nothing begins
    any more once a run did not tell, as nobody can say what is left.

    Args:
        budget: the limits.
        cost_usd: US dollars of the runs that ended.
        tokens: of the same runs.
        seconds: since the run began.
    """
    if budget.seconds is not None and seconds >= budget.seconds:
        return f"the budget of {budget.seconds:g} seconds is used up"
    return _spent(budget.usd, cost_usd, "USD", "--obra-budget-usd") or _spent(
        budget.tokens, tokens, "tokens", "--obra-budget-tokens"
    )


def _spent(limit: float | None, measure: Measure, unit: str, option: str) -> str:
    if limit is None:
        return ""
    # Ten times 0.1 is less than 1, as binary fractions.
    if measure.total >= limit or isclose(measure.total, limit):
        return f"the budget of {limit:g} {unit} is used up ({amount(measure, unit)} spent)"
    if measure.unknown:
        return (
            f"{measure.unknown} of {measure.known + measure.unknown} runs did not tell how many {unit} they used, "
            f"so {option}={limit:g} cannot be held; use --obra-budget-seconds for agents that do not tell"
        )
    return ""


def amount(measure: Measure, unit: str) -> str:
    """Return a sum in words; with unknown parts it is a lower bound, and says so.

    Examples: ``1.25 USD``, ``at least 1.25 USD, 2 unknown``, ``tokens unknown``.
    """
    shown = f"{measure.total:.2f} USD" if unit == "USD" else f"{measure.total:g} {unit}"
    if not measure.unknown:
        return shown
    return f"at least {shown}, {measure.unknown} unknown" if measure.known else f"{unit} unknown"
