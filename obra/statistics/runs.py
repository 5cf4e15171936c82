"""The statistics of a run: each case with its repeats, and the whole.

Start here: :func:`run_statistics` takes the rows of a run and returns everything that reports show in numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from statistics import median
from typing import Any

from obra.domain import Record
from obra.statistics.estimators import pass_at_k, pass_hat_k
from obra.statistics.flips import Flip, flips
from obra.statistics.proportions import Share
from obra.statistics.same_names import told_apart
from obra.statistics.trials import MACHINERY_BROKE, PASSED, VERDICT_WRONG, Row, Trial, counting, key_of, trial_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Record):
    """One quantity over several runs: seconds, tokens or US dollars. What is unknown is never taken for zero."""

    total: float
    """Sum of what is known; with unknown parts a lower bound."""
    known: int
    unknown: int
    median: float | None
    """Of what is known; ``None`` when nothing is."""

    @property
    def is_complete(self) -> bool:
        """True when every part is known."""
        return not self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(Record):
    """How many runs had which of the four outcomes."""

    passed: int
    agent_failed: int
    verdict_wrong: int
    machinery_broke: int
    false_accepts: int
    """Of ``verdict_wrong``: completed, and not true."""
    false_rejects: int
    """Of ``verdict_wrong``: true, and not completed."""

    @property
    def judged(self) -> int:
        """Runs that came to a verdict; the only ones that count into a rate."""
        return self.passed + self.agent_failed + self.verdict_wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStatistics(Record):
    """One case (a scenario with its parameters) and one agent, over all repeats."""

    case: str
    scenario: str
    agent: str
    bare: bool
    """True when the agent worked without Obra."""
    counts: Counts
    pass_rate: Share
    """Passed of judged, with the interval of Wilson at 95 %."""
    pass_at: tuple[float, ...]
    """Chance that one of k runs passes, for k = 1, 2, ... up to the number of judged runs."""
    pass_hat: tuple[float, ...]
    """Chance that all of k runs pass, for the same k."""
    flips: tuple[Flip, ...]
    seconds: Measure
    tokens: Measure
    cost_usd: Measure

    @property
    def runs(self) -> int:
        """Repeats that ran, those in which the machinery broke among them."""
        return self.counts.judged + self.counts.machinery_broke

    @property
    def is_flaky(self) -> bool:
        """True when some repeats passed and others did not."""
        return bool(self.flips)

    @property
    def label(self) -> str:
        """The case and the agent in one name."""
        return f"{self.case} ({self.agent}{', bare' if self.bare else ''})"

    def as_data(self) -> dict[str, Any]:
        """Return it as plain JSON data, what is counted from it included."""
        own: dict[str, Any] = {name: _data(getattr(self, name)) for name in _FIELDS}
        return {**own, "runs": self.runs, "is_flaky": self.is_flaky, "label": self.label}


_FIELDS = tuple(one.name for one in fields(CaseStatistics))


def _data(value: object) -> object:
    """Return a value of a case as data. ``asdict`` would copy texts and numbers, too, which takes far longer."""
    if isinstance(value, Record):
        return {name: getattr(value, name) for name in value}
    if isinstance(value, tuple):
        return tuple(map(_data, value))
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatistics(Record):
    """All cases of a run, in the order in which they were first seen, and the numbers of the whole.

    The whole counts the runs with Obra only; ``bare`` ones stand among the cases, to be compared.
    """

    cases: tuple[CaseStatistics, ...]
    counts: Counts
    pass_rate: Share
    """Over all judged runs. Repeats of a case are alike, so the interval speaks of these cases, not of others."""
    seconds: Measure
    tokens: Measure
    cost_usd: Measure

    @property
    def flaky(self) -> tuple[CaseStatistics, ...]:
        """Cases of which some repeats passed and others did not."""
        return tuple(case for case in self.cases if case.is_flaky)

    @property
    def has_repeats(self) -> bool:
        """True when a case ran more than once."""
        return any(case.runs > 1 for case in self.cases)

    def as_data(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return {"cases": [case.as_data() for case in self.cases], **self.whole_as_data()}

    def whole_as_data(self) -> dict[str, Any]:
        """Return the same without the cases, of which there may be thousands."""
        return {
            "counts": asdict(self.counts),
            "pass_rate": asdict(self.pass_rate),
            "seconds": asdict(self.seconds),
            "tokens": asdict(self.tokens),
            "cost_usd": asdict(self.cost_usd),
            "flaky": [case.label for case in self.flaky],
        }


def run_statistics(rows: Iterable[Row]) -> RunStatistics:
    """Count a run.

    Args:
        rows: rows of :mod:`obra.reports.rows`, or an :class:`obra.reports.summary.Line` of each.
            Of a repeat that a plugin ran again, the first verdict counts
            (see :func:`obra.statistics.trials.trials_of`), and what every run used up.

    Returns:
        Shares from 0 to 1, seconds, tokens, US dollars.
    """
    lines = told_apart(rows)
    counted = counting(lines)
    executions = _by_case(lines)
    counting_ones = executions if len(counted) == len(lines) else _by_case(counted)
    cases = tuple(_case(list(map(trial_of, counting_ones[key])), found) for key, found in executions.items())
    counts = _sum(case.counts for case in cases if not case.bare)
    return RunStatistics(
        cases=cases,
        counts=counts,
        pass_rate=Share.counted(counts.passed, counts.judged),
        **_measures(lines),
    )


def _by_case(rows: Iterable[Row]) -> dict[tuple[str, str, bool], list[Row]]:
    found: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row), []).append(row)
    return found


def measure(values: Sequence[float | None]) -> Measure:
    """Return the sum and the median of what is known, and how much is not."""
    known = [value for value in values if value is not None]
    return _same_measure(
        total=sum(known),
        known=len(known),
        unknown=len(values) - len(known),
        median=float(median(known)) if known else None,
    )


def _case(trials: Sequence[Trial], executions: Sequence[Row]) -> CaseStatistics:
    counts, first = _counts(trials), trials[0]
    passed, judged = counts.passed, counts.judged
    return CaseStatistics(
        case=first.case,
        scenario=first.scenario,
        agent=first.agent,
        bare=first.bare,
        counts=counts,
        pass_rate=Share.counted(passed, judged),
        pass_at=_for_each_k(pass_at_k, judged, passed),
        pass_hat=_for_each_k(pass_hat_k, judged, passed),
        flips=flips(trials),
        **_measures(executions),
    )


def _measures(rows: Sequence[Row]) -> dict[str, Measure]:
    return {name: measure([row[name] for row in rows]) for name in ("seconds", "tokens", "cost_usd")}


def _counts(trials: Sequence[Trial]) -> Counts:
    seen = Counter(trial.result for trial in trials)
    return _same_counts(
        passed=seen[PASSED],
        agent_failed=seen["agent_failed"],
        verdict_wrong=seen[VERDICT_WRONG],
        machinery_broke=seen[MACHINERY_BROKE],
        false_accepts=sum(trial.is_false_accept for trial in trials),
        false_rejects=sum(trial.is_false_reject for trial in trials),
    )


def _sum(found: Iterable[Counts]) -> Counts:
    total: Counter[str] = Counter()
    for counts in found:
        for name in counts:
            total[name] += counts[name]
    return _same_counts(**{one.name: total[one.name] for one in fields(Counts)})


# Of thousands of cases most have the same counts, chances and costs: these are kept once.


@lru_cache(maxsize=256)
def _same_counts(**counts: int) -> Counts:
    return Counts(**counts)


@lru_cache(maxsize=256)
def _for_each_k(chance: Callable[[int, int, int], float], judged: int, passed: int) -> tuple[float, ...]:
    return tuple(chance(judged, passed, k) for k in range(1, judged + 1))


@lru_cache(maxsize=256, typed=True)
def _same_measure(*, total: float, known: int, unknown: int, median: float | None) -> Measure:
    return Measure(total=total, known=known, unknown=unknown, median=median)
