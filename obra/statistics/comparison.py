"""Two runs, case by case: better, worse, or not to be told from chance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from obra.domain import Record
from obra.statistics.exact_tests import SIGNIFICANCE, fisher_exact, sign_test
from obra.statistics.proportions import Share
from obra.statistics.same_names import shared_names, told_apart
from obra.statistics.trials import Row, Trial, trials_of

_SCRIPTED_AGENT = re.compile(r"mock|(cassette|replay)(:\w+)?")


class Change(StrEnum):
    """What became of a case."""

    SAME = "same"
    """The same pass rate."""
    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "unclear"
    """Another pass rate, and chance alone could have done it."""
    NEW = "new"
    """It was not in the earlier run."""
    GONE = "gone"
    """It is not in the later run."""
    NO_VERDICT = "no_verdict"
    """The machinery broke in all of its runs, in one of the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseComparison(Record):
    """One case with one agent in two runs."""

    case: str
    agent: str
    bare: bool
    before: Share
    after: Share
    is_scripted: bool
    """True when agent and reviewer play a script in both runs, and all repeats of the earlier one ended alike, so
    that chance has no part in it."""
    p: float | None
    """Chance of a difference at least as odd if nothing changed (Fisher's exact test); ``None`` where none is
    needed or possible."""
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Record):
    """All cases of both runs, and whether they went one way together."""

    cases: tuple[CaseComparison, ...]
    higher: int
    """Cases whose observed pass rate rose, by whatever."""
    lower: int
    """Cases whose observed pass rate fell."""
    p: float
    """Chance of so one-sided a split of rises and falls if each were as likely (exact sign test over cases)."""

    @property
    def worse(self) -> tuple[CaseComparison, ...]:
        """Cases that are worse, each by its own test; how an agent fares alone is measured, and fails nobody."""
        return tuple(case for case in self.cases if case.change is Change.WORSE and not case.bare)

    @property
    def is_worse_overall(self) -> bool:
        """True when so many more cases fell than rose that chance does not explain it."""
        return self.lower > self.higher and self.p < SIGNIFICANCE

    @property
    def is_regression(self) -> bool:
        """True when a case is worse, or all of them together are."""
        return bool(self.worse) or self.is_worse_overall

    @property
    def tested(self) -> int:
        """Cases that were tested; about 5 % of those that did not change may be called changed by chance."""
        return sum(case.p is not None for case in self.cases)

    def as_data(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return {
            **asdict(self),
            "tested": self.tested,
            "is_worse_overall": self.is_worse_overall,
            "is_regression": self.is_regression,
        }


def compare(before: Iterable[Row], after: Iterable[Row]) -> Comparison:
    """Compare two runs.

    Where agent and reviewer play a script in both (rungs ``mock``, ``replay``, ``cassette`` with the scripted LLM)
    the same input gives the same end, so any change of the pass rate is one, unless the repeats of the earlier run
    ended differently. Elsewhere Fisher's exact test decides at 5 %: one run that passed and one that failed are no
    proof of anything (p is 1), which is what repeats are for; four of four against none of four are. Each case has
    a test of its own, without a correction for their number. What no single case shows, all may show together: a
    sign test over the cases that rose and fell.

    Args:
        before: rows or lines of the earlier run.
        after: those of the later one.
    """
    earlier, later = list(before), list(after)
    shared = shared_names(earlier) | shared_names(later)
    old, new = _by_case(told_apart(earlier, shared)), _by_case(told_apart(later, shared))
    cases = tuple(_compared(key, old.get(key), new.get(key)) for key in dict.fromkeys((*old, *new)))
    both = [case for case in cases if case.before.of and case.after.of and not case.bare]
    higher = sum(_rate(case.after) > _rate(case.before) for case in both)
    lower = sum(_rate(case.after) < _rate(case.before) for case in both)
    return Comparison(cases=cases, higher=higher, lower=lower, p=sign_test(higher, lower))


def _by_case(rows: Iterable[Row]) -> dict[tuple[str, str, bool], list[Trial]]:
    found: dict[tuple[str, str, bool], list[Trial]] = {}
    for trial in trials_of(rows):
        found.setdefault(trial.key, []).append(trial)
    return found


def _compared(
    key: tuple[str, str, bool], before: Sequence[Trial] | None, after: Sequence[Trial] | None
) -> CaseComparison:
    old, new = _share(before or ()), _share(after or ())
    is_scripted = old.count in (0, old.of) and all(map(_is_scripted, (*(before or ()), *(after or ()))))
    p = None
    if old.of and new.of and not is_scripted:
        p = fisher_exact(old.count, old.of, new.count, new.of)
    if before is None or after is None:
        change = Change.NEW if before is None else Change.GONE
    else:
        change = _change(old, new, p)
    case, agent, bare = key
    return CaseComparison(
        case=case, agent=agent, bare=bare, before=old, after=new, is_scripted=is_scripted, p=p, change=change
    )


def _change(old: Share, new: Share, p: float | None) -> Change:
    if not old.of or not new.of:
        return Change.NO_VERDICT
    if old.count * new.of == new.count * old.of:
        return Change.SAME
    if p is not None and p >= SIGNIFICANCE:
        return Change.UNCLEAR
    return Change.BETTER if _rate(new) > _rate(old) else Change.WORSE


def _share(trials: Sequence[Trial]) -> Share:
    judged = [trial for trial in trials if trial.is_judged]
    return Share.counted(sum(trial.passed for trial in judged), len(judged))


def _rate(share: Share) -> float:
    return share.count / share.of


def _is_scripted(trial: Trial) -> bool:
    """Tell whether chance has no part in a run; one that broke before it had a reviewer says nothing of it."""
    reviewer = trial.reviewer or ("" if trial.is_judged else "scripted")
    return bool(_SCRIPTED_AGENT.fullmatch(trial.agent)) and reviewer.startswith("scripted")
