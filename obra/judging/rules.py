"""The rules of judgement, printable on a page: from facts to one ruling.

The first rule that has something to say decides. What is measured stands above what the reviewer says, and the
reviewer can only lower: its yes never mends a failed check, its no always blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from obra.domain import Action, Record, Trigger, Verdict
from obra.judging.breakpoint_manager import asking
from obra.judging.control import UNTOLD
from obra.judging.facts import CheckFact, Facts
from obra.prompting.requirements import MAKE_CHECKABLE

QUALITY, CONFIDENCE = 70.0, 50.0
"""Least scores to proceed where the settings name none, as in the plan's configuration."""
MOST_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates(Record):
    """The least scores to proceed; ``None`` for quality when that gate is switched off."""

    quality: float | None = QUALITY
    confidence: float = CONFIDENCE

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Gates:
        """Read the sections ``validation`` and ``confidence``."""
        quality = (config.get("validation") or {}).get("quality") or {}
        confidence = config.get("confidence") or {}
        return cls(
            quality=float(quality.get("threshold", QUALITY)) if quality.get("enabled", True) else None,
            confidence=float(confidence.get("threshold", CONFIDENCE)),
        )

    def shortfalls(self, facts: Facts) -> tuple[str, ...]:
        """Return a sentence for each score that is too low; a missing score counts as 0."""
        found = []
        if self.quality is not None and (facts.quality or 0.0) < self.quality:
            found.append(f"the quality {facts.quality or 0.0:g} is below {self.quality:g}")
        if (facts.confidence or 0.0) < self.confidence:
            found.append(f"the confidence {facts.confidence or 0.0:g} is below {self.confidence:g}")
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling(Record):
    """What a rule says. ``trigger`` names the breakpoint of an escalation that no trigger asked for."""

    action: Action
    reason: str
    trigger: Trigger = Trigger.LIMIT_REACHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Record):
    """The facts, the least scores, and the triggers that were set off, each with its reason."""

    facts: Facts
    gates: Gates
    triggered: Mapping[Trigger, str]


def rule(case: Case) -> Ruling:
    """Return what to do. Total: there is a ruling for every case."""
    for applies in RULES:
        if (ruling := applies(case)) is not None:
            return ruling
    checks = len(case.facts.checks)
    return Ruling(
        action=Action.PROCEED,
        reason=f"nothing speaks against it: {checks} check(s) ran, every required one passed",
    )


def blockers(facts: Facts, gates: Gates) -> tuple[str, ...]:
    """Return every sentence that by itself forbids to accept the work, heaviest first."""
    found = [*facts.tampering]
    if facts.is_empty:
        found.append(NOTHING)
    if facts.asks and not facts.is_shown_complete:
        found.append(asking(facts))
    found += [_failure(check) for check in facts.failed]
    if facts.verdict in {Verdict.NO, Verdict.UNREADABLE} or (
        facts.verdict is not Verdict.YES and not facts.is_measured
    ):
        found.append(_reviewer(facts))
    if _is_untold(facts):
        found.append(UNTOLD)
    if not facts.is_empty and not facts.changed:
        found.append(UNCHANGED)
    if is_unclear(facts):
        found.append(MAKE_CHECKABLE)
    return (*found, *gates.shortfalls(facts))


def is_unclear(facts: Facts) -> bool:
    """Tell whether nothing says when the task is done: vague in its words, and no check was written."""
    return facts.is_vague and not facts.is_measured


def remarks(facts: Facts) -> tuple[str, ...]:
    """Return what speaks against the attempt and blocks nothing by itself."""
    return (*facts.claims, *(() if facts.valid else ("the reply is not a proper answer",)))


def _is_untold(facts: Facts) -> bool:
    """Tell whether the work rests on the yes of a reviewer who has not shown that it can say no."""
    return not facts.is_measured and facts.verdict is Verdict.YES and not facts.told_apart


NOTHING = "nothing to judge by: no check ran and nothing changed"
UNCHANGED = "nothing was changed, so whatever the checks show was so before anything was done"


def _tampering(case: Case) -> Ruling | None:
    if not case.facts.tampering:
        return None
    return _escalate(f"guarded paths were changed: {'; '.join(case.facts.tampering)}", Trigger.TAMPERING)


def _nothing(case: Case) -> Ruling | None:
    return _escalate(NOTHING, Trigger.NO_EVIDENCE) if case.facts.is_empty else None


def _asks(case: Case) -> Ruling | None:
    facts = case.facts
    if not facts.asks or facts.is_shown_complete:
        return None
    if Trigger.AGENT_ASKS in case.triggered:
        return _escalate(asking(facts), Trigger.AGENT_ASKS)
    return _again(facts, f"{asking(facts)}; nobody can answer", Action.CLARIFY)


def _failed(case: Case) -> Ruling | None:
    return _again(case.facts, _failures(case.facts.failed)) if case.facts.failed else None


def _unchanged(case: Case) -> Ruling | None:
    """Checks that pass on untouched files say nothing of the agent; a person must tell whether that is enough."""
    return None if case.facts.changed else _escalate(UNCHANGED, Trigger.NO_EVIDENCE)


def _unreadable(case: Case) -> Ruling | None:
    if case.facts.verdict is not Verdict.UNREADABLE:
        return None
    return _escalate(_reviewer(case.facts), Trigger.LOW_CONFIDENCE)


def _untold(case: Case) -> Ruling | None:
    """A yes by itself is no evidence: whoever says it to a broken copy as well has seen nothing."""
    if not _is_untold(case.facts) or is_unclear(case.facts):
        return None
    return _escalate(f"nobody wrote a check for this task, and {UNTOLD}", Trigger.LOW_CONFIDENCE)


def _vague(case: Case) -> Ruling | None:
    """Escalate early where nobody wrote a check: there another attempt has nothing to aim at."""
    return None if case.facts.is_measured else _doubtful(case)


def _says_no(case: Case) -> Ruling | None:
    facts = case.facts
    if facts.verdict is not Verdict.NO:
        return None
    if facts.issues:
        return _again(facts, _reviewer(facts))
    if facts.review_question:
        return _again(facts, f"the reviewer says no and asks: {facts.review_question}", Action.CLARIFY)
    return _escalate(f"{_reviewer(facts)}, and names neither an issue nor a question", Trigger.QUALITY_TOO_LOW)


def _unmeasured(case: Case) -> Ruling | None:
    facts = case.facts
    if facts.is_measured:
        return None
    if facts.verdict is not Verdict.YES:
        return _escalate(f"nobody wrote a check for this task, and {_reviewer(facts)}", Trigger.LOW_CONFIDENCE)
    return _escalate(MAKE_CHECKABLE, Trigger.QUALITY_TOO_LOW) if is_unclear(facts) else None


def _limit(case: Case) -> Ruling | None:
    limit = case.facts.limit
    if not limit:
        return None
    doubt = _doubtful(case)
    short = [doubt.reason] if doubt else case.gates.shortfalls(case.facts)
    if short:
        return _escalate(f"the task's limit '{limit}' is used up, and {short[0]}", Trigger.LIMIT_REACHED)
    return Ruling(
        action=Action.PROCEED, reason=f"the work is shown complete; the task's limit '{limit}' is used up"
    )


def _doubtful(case: Case) -> Ruling | None:
    for trigger in (Trigger.QUALITY_TOO_LOW, Trigger.LOW_CONFIDENCE):
        if trigger in case.triggered:
            return _escalate(case.triggered[trigger], trigger)
    return None


def _below(case: Case) -> Ruling | None:
    short = case.gates.shortfalls(case.facts)
    return _again(case.facts, " and ".join(short)) if short else None


RULES: tuple[Callable[[Case], Ruling | None], ...] = (
    _tampering,
    _nothing,
    _asks,
    _failed,
    _unchanged,
    _unreadable,
    _untold,
    _vague,
    _says_no,
    _unmeasured,
    _limit,
    _doubtful,
    _below,
)


def _escalate(reason: str, trigger: Trigger) -> Ruling:
    return Ruling(action=Action.ESCALATE, reason=reason, trigger=trigger)


def _again(facts: Facts, reason: str, action: Action = Action.RETRY) -> Ruling:
    """Ask for another attempt, or escalate when there is none."""
    if facts.limit:
        return _escalate(f"{reason}; the task's limit '{facts.limit}' is used up", Trigger.LIMIT_REACHED)
    if facts.attempts_left <= 0:
        return _escalate(f"{reason}; no attempt is left", Trigger.LIMIT_REACHED)
    return Ruling(action=action, reason=f"{reason}; attempts left: {facts.attempts_left}")


def _failure(check: CheckFact) -> str:
    return f"the check '{check.name}' failed: {check.message}"


def _failures(checks: tuple[CheckFact, ...]) -> str:
    if len(checks) == 1:
        return _failure(checks[0])
    names = ", ".join(f"'{check.name}'" for check in checks[:MOST_NAMES])
    more = f" and {len(checks) - MOST_NAMES} more" if len(checks) > MOST_NAMES else ""
    return f"{len(checks)} checks failed: {names}{more}"


def _reviewer(facts: Facts) -> str:
    if facts.verdict is None:
        return "nobody reviewed the work"
    first = f": {facts.issues[0]}" if facts.issues else ""
    if facts.verdict is Verdict.UNREADABLE:
        return f"the review cannot be read{first}"
    return f"the reviewer {'is unsure' if facts.verdict is Verdict.UNSURE else 'says no'}{first}"
