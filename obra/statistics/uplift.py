"""What Obra adds: the same agent with and without it, on the same cases and at the same budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from obra.domain import Record
from obra.statistics.proportions import Difference, Share, paired_difference
from obra.statistics.runs import Measure, measure
from obra.statistics.trials import Row, Trial, trials_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplift(Record):
    """One agent with and without Obra, over the pairs in which both came to a verdict."""

    agent: str
    pairs: int
    with_obra: Share
    bare: Share
    only_with_obra: int
    """Pairs that passed with Obra only."""
    only_bare: int
    difference: Difference
    """Of the two shares, with Newcombe's interval for pairs."""
    cost_with_obra: Measure
    cost_bare: Measure

    def as_data(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return asdict(self)


def uplifts(rows: Iterable[Row]) -> tuple[Uplift, ...]:
    """Return the uplift of each agent that worked both with and without Obra.

    A pair is one repeat of one case. Repeats of a case are more alike than cases are, so with repeats the interval
    speaks of these cases and not of others. A pair of which one half broke down is left out.
    """
    halves: dict[tuple[str, str, int], dict[bool, Trial]] = {}
    for trial in trials_of(rows):
        if trial.is_judged:
            halves.setdefault((trial.agent, trial.case, trial.repeat), {})[trial.bare] = trial
    agents: dict[str, list[tuple[Trial, Trial]]] = {}
    for (agent, _, _), half in halves.items():
        if len(half) == 2:  # noqa: PLR2004  # with Obra and without
            agents.setdefault(agent, []).append((half[False], half[True]))
    return tuple(_uplift(agent, pairs) for agent, pairs in agents.items())


def _uplift(agent: str, pairs: list[tuple[Trial, Trial]]) -> Uplift:
    ends = [(one.passed, other.passed) for one, other in pairs]
    both, first, second = (ends.count(end) for end in ((True, True), (True, False), (False, True)))
    return Uplift(
        agent=agent,
        pairs=len(ends),
        with_obra=Share.counted(both + first, len(ends)),
        bare=Share.counted(both + second, len(ends)),
        only_with_obra=first,
        only_bare=second,
        difference=paired_difference(both, first, second, len(ends) - both - first - second),
        cost_with_obra=measure([one.cost_usd for one, _ in pairs]),
        cost_bare=measure([other.cost_usd for _, other in pairs]),
    )
