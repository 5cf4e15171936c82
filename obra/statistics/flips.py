"""Flips: two repeats of one case that end differently, and who is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from obra.domain import Record
from obra.statistics.trials import Trial


class FlipCause(StrEnum):
    """What was different first."""

    AGENT = "agent"
    """The work in the workspace, or what is wrong with the reply as an answer."""
    CHECKS = "checks"
    """The same work, and a check or a hidden check says something else: it is flaky."""
    REVIEWER = "reviewer"
    """The same work and checks, and another review."""
    UNEXPLAINED = "unexplained"
    """All that was recorded is the same; what remains is time, such as a limit that passed."""


_CAUSES = {
    "work": FlipCause.AGENT,
    "checks": FlipCause.CHECKS,
    "truth": FlipCause.CHECKS,
    "review": FlipCause.REVIEWER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(Record):
    """A repeat that did not pass, beside the passed one that is most like it."""

    failed: int
    """Number of the repeat."""
    passed: int
    cause: FlipCause
    step: int
    """How many steps of the two traces are the same."""


def flips(trials: Sequence[Trial]) -> tuple[Flip, ...]:
    """Return one flip for each repeat that failed, when others passed; broken machinery is no flip.

    Each is set beside the passed repeat with which it shares the longest way, and put down to the first step at
    which they part: a review of other work says nothing about the reviewer.
    """
    judged = [trial for trial in trials if trial.is_judged]
    passed = [trial for trial in judged if trial.passed]
    if not passed:
        return ()
    return tuple(_flip(trial, passed) for trial in judged if not trial.passed)


def _flip(failed: Trial, passed: Sequence[Trial]) -> Flip:
    nearest = max(passed, key=lambda one: _shared(failed, one))
    step = _shared(failed, nearest)
    return Flip(failed=failed.repeat, passed=nearest.repeat, cause=_cause(failed, nearest, step), step=step)


def _shared(one: Trial, other: Trial) -> int:
    count = 0
    for mine, theirs in zip(one.trace, other.trace, strict=False):  # one may have ended earlier
        if mine != theirs:
            break
        count += 1
    return count


def _cause(one: Trial, other: Trial, step: int) -> FlipCause:
    if step >= min(len(one.trace), len(other.trace)):
        return FlipCause.UNEXPLAINED
    mine, theirs = (trial.trace[step].partition(" ")[0] for trial in (one, other))
    return _CAUSES[mine] if mine == theirs else FlipCause.UNEXPLAINED
