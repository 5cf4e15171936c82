"""DecisionEngine: from everything known about an attempt to one decision that carries its reasons and inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from obra.domain import Action, Breakpoint, Decision, Trigger
from obra.judging.breakpoint_manager import BreakpointManager
from obra.judging.facts import Facts
from obra.judging.feedback import write_feedback
from obra.judging.rules import Case, Gates, Ruling, blockers, is_unclear, remarks, rule
from obra.judging.situation import Situation
from obra.prompting.requirements import MAKE_CHECKABLE

DOUBTS = (Trigger.QUALITY_TOO_LOW, Trigger.LOW_CONFIDENCE)


class DecisionEngine:
    """Applies the rules of :mod:`obra.judging.rules`. The same inputs give the same decision, in every process."""

    def __init__(
        self,
        state_manager: Any = None,
        breakpoint_manager: BreakpointManager | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the triggers and the sections ``validation`` and ``confidence`` of the settings.

        The state manager is accepted for the plan's signature and never asked: history cannot bend a decision.
        """
        self.state_manager = state_manager
        self.breakpoint_manager = breakpoint_manager or BreakpointManager()
        self.gates = Gates.from_config(config or {})

    def decide_next_action(self, context: Mapping[str, Any] | Situation) -> Decision:
        """Decide: proceed, retry, clarify or escalate.

        Args:
            context: a situation, or a mapping as :meth:`Situation.from_context` reads it.

        Returns:
            A decision. ``reasons`` is all that speaks against the attempt; ``feedback`` is for the agent, when
            there is another attempt; ``breakpoint`` is the heaviest trigger of an escalation, unless it is
            switched off; ``inputs`` is plain JSON data, and :meth:`replay` decides the same from it.
        """
        situation = context if isinstance(context, Situation) else Situation.from_context(context)
        inputs = {
            **situation.as_data(),
            "gates": {"quality": self.gates.quality, "confidence": self.gates.confidence},
            "breakpoints": self.breakpoint_manager.as_data(),
        }
        facts = Facts.from_data(inputs)
        decision = _decide(facts, self.gates, self.breakpoint_manager, inputs)
        feedback = write_feedback(decision.action, decision.reason, facts, situation)
        return replace(decision, feedback=feedback)

    @staticmethod
    def replay(inputs: Mapping[str, Any]) -> Decision:
        """Decide once more from stored inputs: the same action, reason, reasons and breakpoint.

        Where a person decided instead, this is still what Obra decided. The feedback stays empty; it needs outputs
        that are stored with the attempt, not with the decision.
        """
        inputs = {name: value for name, value in inputs.items() if name != "override"}
        gates = Gates(quality=inputs["gates"]["quality"], confidence=inputs["gates"]["confidence"])
        manager = BreakpointManager(config=inputs["breakpoints"])
        return _decide(Facts.from_data(inputs), gates, manager, inputs)


def _decide(facts: Facts, gates: Gates, manager: BreakpointManager, inputs: Mapping[str, Any]) -> Decision:
    against = blockers(facts, gates)
    breakpoints = manager.judge(facts, acceptable=not against)
    triggered = {found.trigger: found.reason for found in breakpoints}
    ruling = rule(Case(facts=facts, gates=gates, triggered=triggered))
    doubts = [triggered[trigger] for trigger in DOUBTS if trigger in triggered]
    limit = [f"the task's limit '{facts.limit}' is used up"] if facts.limit else []
    reasons = tuple(dict.fromkeys((*against, *doubts, *limit, *remarks(facts))))
    return Decision(
        action=ruling.action,
        reason=ruling.reason,
        reasons=reasons,
        breakpoint=_breakpoint(ruling, facts, manager, breakpoints),
        inputs=inputs,
    )


def _breakpoint(
    ruling: Ruling, facts: Facts, manager: BreakpointManager, found: tuple[Breakpoint, ...]
) -> Breakpoint | None:
    """Return the heaviest trigger of an escalation; else the rule's own, so that a person hears of every one."""
    if ruling.action is not Action.ESCALATE:
        return None
    if found:
        opened = found[0]
    elif ruling.trigger in manager.enabled:
        opened = Breakpoint(task_id=facts.task_id, trigger=ruling.trigger, reason=ruling.reason)
    else:
        return None
    if is_unclear(facts) and MAKE_CHECKABLE not in opened.reason:
        return replace(opened, reason=f"{opened.reason}; {MAKE_CHECKABLE}")
    return opened
