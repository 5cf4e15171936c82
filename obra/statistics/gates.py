"""Gates: what a run must show to be let through, and when that is certain before all repeats have run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from obra.domain import Record
from obra.statistics.proportions import Share
from obra.statistics.runs import CaseStatistics, RunStatistics


class GateState(StrEnum):
    """Whether a gate holds."""

    HELD = "held"
    FAILED = "failed"
    UNDECIDED = "undecided"
    """There is nothing to judge it by, as the machinery broke or nothing ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Record):
    """One condition and what became of it."""

    name: str
    """What was asked for, in words."""
    state: GateState
    findings: tuple[str, ...] = ()
    """One sentence for each case that speaks against it."""


def pass_rate_gate(run: RunStatistics, minimum: float) -> Gate:
    """Ask of every case that its observed pass rate is at least *minimum*.

    Every case by itself, since a mean over cases hides one that is dead. The observed rate and not the interval's
    lower bound, which for three passes of three is 44 %; the interval stands beside it. A case without a verdict
    leaves the gate undecided. Cases that ran without Obra are not asked.
    """
    asked = [case for case in run.cases if not case.bare]
    low = [case for case in asked if case.pass_rate.rate is not None and case.pass_rate.rate < minimum]
    unknown = [case for case in asked if case.pass_rate.rate is None]
    state = GateState.FAILED if low else GateState.UNDECIDED if unknown or not asked else GateState.HELD
    return Gate(
        name=f"the observed pass rate of every case is at least {minimum:.1%}",
        state=state,
        findings=(*(f"{case.label}: {share_text(case.pass_rate)}" for case in low), *map(_no_verdict, unknown)),
    )


def false_accept_gate(run: RunStatistics, most: int) -> Gate:
    """Ask that at most *most* runs of all were accepted and not true. Runs without Obra are not asked."""
    wrong = [case for case in run.cases if not case.bare and case.counts.false_accepts]
    found = sum(case.counts.false_accepts for case in wrong)
    state = GateState.FAILED if found > most else GateState.HELD if run.counts.judged else GateState.UNDECIDED
    return Gate(
        name=f"there are at most {most} false accepts",
        state=state,
        findings=tuple(
            f"{case.label}: {case.counts.false_accepts} of {case.runs} accepted, and not true" for case in wrong
        )
        if state is GateState.FAILED
        else (),
    )


def certain(*, passed: int, judged: int, left: int, minimum: float) -> GateState:
    """Tell whether the repeats that are left can still change if a case's pass rate reaches *minimum*.

    This is curtailed sampling, the stopping of a test of fixed size as soon as its answer stands: H. F. Dodge and
    H. G. Romig, "A method of sampling inspection", Bell System Technical Journal 8 (1929), 613-631. There is no
    chance of error: the verdict is the one that all repeats would have given, whatever they are, those included
    in which the machinery breaks. The rate that is observed then is of the runs made, and biased to the verdict.

    Args:
        passed: runs that passed so far.
        judged: runs that came to a verdict so far.
        left: repeats that have not come to a verdict yet, those under way among them.
        minimum: the pass rate that is asked for, 0 to 1.

    Returns:
        HELD or FAILED when that is certain, else UNDECIDED.
    """
    if judged and passed / (judged + left) >= minimum:
        return GateState.HELD
    if judged and (passed + left) / (judged + left) < minimum:
        return GateState.FAILED
    return GateState.UNDECIDED


def share_text(share: Share) -> str:
    """Return a share with its interval, such as ``3 of 5 (60.0%; 95% interval 23.1% to 88.2%)``."""
    if share.rate is None:
        return "nothing judged"
    return f"{share.count} of {share.of} ({share.rate:.1%}; 95% interval {share.low:.1%} to {share.high:.1%})"


def _no_verdict(case: CaseStatistics) -> str:
    return f"{case.label}: no verdict in {case.runs} runs, as the machinery broke"
