"""What a scenario expects of its tasks, compared with how they ended. Pure: outcomes in, check results out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from obra.domain import CheckResult, Outcome, TaskStatus
from obra.scenarios.forms import EndForm
from obra.scenarios.playing import PartRun


def expectations_of(run: PartRun, *, scripted: bool) -> tuple[CheckResult, ...]:
    """Return what one task was expected to do, one by one; the task's name stands before each, if it has one.

    Args:
        run: how the task ended.
        scripted: whether the agent played a script; some expectations hold only then.
    """
    found = [*_met_or_not(run.part.expect, run, scripted=scripted), *_answers(run), *_own_decisions(run)]
    if not run.part.name:
        return tuple(found)
    return tuple(replace(one, name=f"{run.part.name}: {one.name}") for one in found)


def is_false_accept(runs: Sequence[PartRun], *, is_true: bool) -> bool:
    """Tell whether work was accepted that should not have been.

    A task that is completed against its expectation is accepted wrongly; when all are completed, so is work that
    the hidden checks find wanting.
    """
    against = any(
        one.status is TaskStatus.COMPLETED and TaskStatus(one.part.expect.status) is not TaskStatus.COMPLETED
        for one in runs
    )
    return against or (not is_true and all(one.status is TaskStatus.COMPLETED for one in runs))


def is_false_reject(runs: Sequence[PartRun], *, is_shown_true: bool) -> bool:
    """Tell whether work was held up for a person although hidden checks show that all of it is right."""
    return is_shown_true and any(
        one.status is TaskStatus.ESCALATED and TaskStatus(one.part.expect.status) is TaskStatus.COMPLETED
        for one in runs
    )


def _answers(run: PartRun) -> Iterator[CheckResult]:
    """Compare the answers that a person had ready with those that were asked for."""
    ready = len(run.part.human)
    if ready:
        unused = "; ".join(repr(one.answer) for one in run.unused)
        seen = f"{ready - len(run.unused)}" + (f"; nobody asked for {unused}" if unused else "")
        yield _expectation("human answers", not run.unused, f"{ready} to be asked for", seen)


def is_decided_by_person(run: PartRun) -> bool:
    """Tell whether a person decided an attempt instead of Obra, so that the run says nothing about its verdict."""
    return run.outcome is not None and any(one.decision.override for one in run.outcome.attempts)


def _own_decisions(run: PartRun) -> Iterator[CheckResult]:
    """Hold it against a run that a person decided: its ending is not Obra's verdict, whatever it is."""
    for attempt in run.outcome.attempts if run.outcome else ():
        if made := attempt.decision.override:
            seen = f"{made.action} by {made.by} instead of {made.instead_of} ({made.reason})"
            yield _expectation(f"decision of attempt {attempt.number}", met=False, wanted="Obra's own", seen=seen)


def _met_or_not(expect: EndForm, run: PartRun, *, scripted: bool) -> Iterator[CheckResult]:
    outcome = run.outcome
    if outcome is None:
        seen = f"{TaskStatus.PENDING} (not every task that it waits for is completed)"
        yield _expectation("status", TaskStatus(expect.status) is TaskStatus.PENDING, expect.status, seen)
        return
    seen = f"{outcome.status} ({outcome.reason})"
    yield _expectation("status", outcome.status == expect.status, expect.status, seen)
    yield from _scores(expect, outcome, scripted=scripted)
    if expect.breakpoint:
        opened = [one.trigger for one in run.answers]
        opened += [outcome.breakpoint.trigger] if outcome.breakpoint else []
        shown = ", ".join(opened) or "no breakpoint"
        yield _expectation("breakpoint", expect.breakpoint in opened, expect.breakpoint, shown)


def _scores(expect: EndForm, outcome: Outcome, *, scripted: bool) -> Iterator[CheckResult]:
    if expect.iterations:
        low, high = expect.iterations.min if scripted else 0, expect.iterations.max
        met = outcome.iterations >= low and (high is None or outcome.iterations <= high)
        yield _expectation(
            "iterations", met, f"{low} to {'any' if high is None else high}", str(outcome.iterations)
        )
    for name, bounds, seen in (
        ("quality", expect.quality, outcome.quality_score),
        ("confidence", expect.confidence, outcome.confidence),
    ):
        if bounds:
            met = seen is not None and bounds.min <= seen <= bounds.max
            shown = "no score" if seen is None else f"{seen:.1f}"
            yield _expectation(name, met, f"{bounds.min:g} to {bounds.max:g}", shown)
    if expect.quality_rises is not None and scripted:
        scores = [attempt.quality.overall_score for attempt in outcome.attempts]
        rises = len(scores) > 1 and scores[-1] > scores[0]
        shown = " -> ".join(f"{score:.1f}" for score in scores) or "no attempt"
        wanted = "rising" if expect.quality_rises else "not rising"
        yield _expectation("quality over attempts", rises is expect.quality_rises, wanted, shown)


def _expectation(name: str, met: bool, wanted: str, seen: str) -> CheckResult:
    return CheckResult(name=name, kind="expectation", passed=met, message=f"expected {wanted}, got {seen}")
