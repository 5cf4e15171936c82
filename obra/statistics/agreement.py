"""Whether a judge agrees with itself: the same attempt, judged several times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb

from obra.domain import Record
from obra.statistics.proportions import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement(Record):
    """How alike several judgements of the same things are."""

    unanimous: Share
    """Things of which all judgements were the same."""
    pairwise: float | None
    """Mean chance that two judgements of one thing are the same, 0 to 1; ``None`` without two of anything."""


def agreement(judged: Iterable[Sequence[str]]) -> Agreement:
    """Measure the agreement of the judgements of each thing.

    The pairwise agreement of one thing is the share of all pairs of its judgements that are the same: J. L.
    Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76 (1971), 378-382, where
    it is called P_i. No correction for chance is made, as the judgements of one judge are expected to be the same.

    Args:
        judged: for each thing the words that were said of it; a thing with fewer than two tells nothing.
    """
    counted = [(Counter(words), len(words)) for words in judged if len(words) > 1]
    shares = [sum(comb(count, 2) for count in found.values()) / comb(total, 2) for found, total in counted]
    return Agreement(
        unanimous=Share.counted(sum(len(found) == 1 for found, _ in counted), len(counted)),
        pairwise=sum(shares) / len(shares) if shares else None,
    )
