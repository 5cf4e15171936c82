"""When a person must look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from obra.domain import Breakpoint, Trigger
from obra.judging.facts import Facts
from obra.judging.situation import Situation

LOW_CONFIDENCE, LOW_QUALITY = 30.0, 50.0
"""Thresholds where the settings name none, as in the plan's configuration."""


class BreakpointManager:
    """Finds the triggers that a situation sets off, the heaviest first."""

    def __init__(self, state_manager: Any = None, config: Mapping[str, Any] | None = None) -> None:
        """Take the section ``breakpoints`` of the settings: ``enabled`` and ``triggers`` by name.

        The state manager is accepted for the plan's signature; the loop stores breakpoints, with their attempt.
        """
        self.state_manager = state_manager
        config = config or {}
        triggers: Mapping[str, Any] = config.get("triggers") or {}
        self.enabled = frozenset(
            trigger
            for trigger in Trigger
            if config.get("enabled", True) and (triggers.get(trigger.value) or {}).get("enabled", True)
        )
        self.confidence_threshold = _threshold(triggers, Trigger.LOW_CONFIDENCE, LOW_CONFIDENCE)
        self.quality_threshold = _threshold(triggers, Trigger.QUALITY_TOO_LOW, LOW_QUALITY)

    def evaluate(self, situation: Situation) -> tuple[Breakpoint, ...]:
        """Return one breakpoint for each trigger that is on and set off, the heaviest first.

        The order: tampering, no_evidence, agent_asks, low_confidence, quality_too_low, limit_reached.
        """
        return self.judge(Facts.of(situation))

    def judge(self, facts: Facts, *, acceptable: bool | None = None) -> tuple[Breakpoint, ...]:
        """Do as :meth:`evaluate`, from facts.

        ``acceptable`` says whether the work could be accepted as it is; without it, whether it is shown complete.
        """
        done = facts.is_shown_complete if acceptable is None else acceptable
        reasons = {
            Trigger.TAMPERING: "; ".join(facts.tampering),
            Trigger.NO_EVIDENCE: "there is nothing to judge by: no check ran and nothing changed"
            if facts.is_empty
            else "",
            Trigger.AGENT_ASKS: asking(facts) if facts.asks and not facts.is_shown_complete else "",
            # What is wrong with the work tells a person more than how sure the verdict is.
            Trigger.QUALITY_TOO_LOW: self._low_quality(facts),
            Trigger.LOW_CONFIDENCE: self._low_confidence(facts),
            Trigger.LIMIT_REACHED: limit_reached(facts, acceptable=done),
        }
        return tuple(
            Breakpoint(task_id=facts.task_id, trigger=trigger, reason=reason)
            for trigger, reason in reasons.items()
            if reason and trigger in self.enabled
        )

    def as_data(self) -> dict[str, Any]:
        """Return the settings as a section that makes an equal manager."""
        triggers: dict[str, dict[str, Any]] = {
            trigger.value: {"enabled": trigger in self.enabled} for trigger in Trigger
        }
        triggers[Trigger.LOW_CONFIDENCE]["threshold"] = self.confidence_threshold
        triggers[Trigger.QUALITY_TOO_LOW]["threshold"] = self.quality_threshold
        return {"triggers": triggers}

    def _low_confidence(self, facts: Facts) -> str:
        confidence = facts.confidence or 0.0
        if confidence >= self.confidence_threshold or facts.failed:
            return ""
        below = f"the confidence {confidence:g} is below {self.confidence_threshold:g}"
        return f"{below}, and no failed check says what to work on"

    def _low_quality(self, facts: Facts) -> str:
        quality = facts.quality or 0.0
        if quality >= self.quality_threshold or (facts.failed and facts.attempts_left > 0):
            return ""
        why = "no attempt is left" if facts.failed else "no failed check says what to work on"
        return f"the quality {quality:g} is below {self.quality_threshold:g}, and {why}"


def asking(facts: Facts) -> str:
    """Return the sentence for an agent that waits for a person."""
    return f"the agent asks: {facts.question}" if facts.question else "the agent asks a person to decide"


def limit_reached(facts: Facts, *, acceptable: bool) -> str:
    """Return the sentence for a task that has used up its limits, or nothing."""
    if facts.limit:
        return f"the task's limit '{facts.limit}' is used up"
    if facts.attempts_left <= 0 and not acceptable:
        return "no attempt is left, and the work cannot be accepted as it is"
    return ""


def _threshold(triggers: Mapping[str, Any], trigger: Trigger, default: float) -> float:
    return float((triggers.get(trigger.value) or {}).get("threshold", default))
