"""Do the rungs agree: the same cases, run with several agents in one run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from obra.domain import Record
from obra.statistics.proportions import Share
from obra.statistics.trials import Row, Trial, trials_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement(Record):
    """One pair of runs of the same case that ended differently."""

    case: str
    repeat: int
    first: str
    """How it ended with the first agent: result and status."""
    other: str
    differs: str
    """The first thing that was not the same: ``result``, ``status`` or the step seen, such as ``checks``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity(Record):
    """How alike one agent's endings are to the first one's, over the pairs that both came to a verdict."""

    first: str
    """The agent that the run named first; the others are held to it."""
    other: str
    agreeing: Share
    """Pairs with the same result and the same status."""
    same_evidence: Share
    """Of those, the pairs whose checks and hidden checks also came out the same at the end."""
    without_verdict: int
    """Pairs of which at least one half broke down."""
    disagreements: tuple[Disagreement, ...]

    def as_data(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return asdict(self)


def fidelities(rows: Iterable[Row], agents: Sequence[str] = ()) -> tuple[Fidelity, ...]:
    """Hold every agent of a run to the first one; nothing when there is only one.

    Args:
        rows: rows or lines of one run.
        agents: in the order in which they were asked for, as workers and plugins may run them in any other; those
            that are not named follow in the order of the rows.

    A pair is one repeat of one case. Attempts are not compared one by one: a rung may need another number of them
    and still come to the same verdict for the same reasons.
    """
    lines = list(rows)
    if len({row["agent"] for row in lines}) < 2:  # noqa: PLR2004  # one agent agrees with itself
        return ()
    by_agent: dict[str, dict[tuple[str, int], Trial]] = {}
    for trial in trials_of(lines):
        if not trial.bare:
            by_agent.setdefault(trial.agent, {})[trial.case, trial.repeat] = trial
    if len(by_agent) < 2:  # noqa: PLR2004  # the same: the others ran without Obra
        return ()
    order = [name for name in dict.fromkeys((*agents, *by_agent)) if name in by_agent]
    (first, known), *others = [(name, by_agent[name]) for name in order]
    return tuple(_fidelity(first, known, other, found) for other, found in others)


def _fidelity(
    first: str, known: dict[tuple[str, int], Trial], other: str, found: dict[tuple[str, int], Trial]
) -> Fidelity:
    pairs = [(known[key], found[key]) for key in known if key in found]
    judged = [(one, two) for one, two in pairs if one.is_judged and two.is_judged]
    agreeing = [(one, two) for one, two in judged if _ending(one) == _ending(two)]
    return Fidelity(
        first=first,
        other=other,
        agreeing=Share.counted(len(agreeing), len(judged)),
        same_evidence=Share.counted(
            sum(_last_seen(one) == _last_seen(two) for one, two in agreeing), len(agreeing)
        ),
        without_verdict=len(pairs) - len(judged),
        disagreements=tuple(
            Disagreement(
                case=one.case,
                repeat=one.repeat,
                first=" ".join(_ending(one)),
                other=" ".join(_ending(two)),
                differs=_differs(one, two),
            )
            for one, two in judged
            if _ending(one) != _ending(two)
        ),
    )


def _ending(trial: Trial) -> tuple[str, str]:
    return trial.result, trial.status


def _last_seen(trial: Trial) -> dict[str, str]:
    """Return the digests of the last checks and of the hidden ones (:func:`~obra.statistics.trials.trace_of`)."""
    seen = dict(step.partition(" ")[::2] for step in trial.trace)
    return {name: seen.get(name, "") for name in ("checks", "truth")}


def _differs(one: Trial, two: Trial) -> str:
    seen, other = _last_seen(one), _last_seen(two)
    return next(
        (name for name in seen if seen[name] != other[name]), "status" if one.result == two.result else "result"
    )
