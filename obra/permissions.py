"""What is answered when the agent asks for a tool call in the middle of a turn, and where that is remembered.

The scenario's rules come first, then what the configuration allows anyway, then the person; where there is nobody,
the call is denied and the turn goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from obra.asking import LONGEST_SUBJECT, AskPeople, question, read_answer
from obra.domain import PermissionAnswer, PermissionRequest, PermissionRule
from obra.events import Observer

if TYPE_CHECKING:
    from obra.plugins import PermissionDecider
    from obra.state.state_manager import StateManager

Operator = Callable[[PermissionRequest], PermissionAnswer | None]
"""A person, or who stands for one; ``None`` means: no answer from me."""

_WRITING = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})


class PermissionDesk:
    """Answers the agent, and writes down what was asked and answered."""

    def __init__(
        self,
        *,
        rules: Sequence[PermissionRule] = (),
        allowed_tools: Sequence[str] = (),
        operator: Operator | AskPeople | None = None,
    ) -> None:
        """Take who may answer.

        Args:
            rules: answers given in advance; the first that matches counts.
            allowed_tools: what the configuration allows; it counts for tools that are only asked about because
                a rule names them.
            operator: whom to ask then; :class:`~obra.asking.AskPeople` asks through the database, and waits.
        """
        self._rules = tuple(rules)
        self._asked_about = {rule.tool for rule in self._rules} & set(allowed_tools)
        self._operator = operator

    def for_attempt(
        self, state: StateManager, task_id: int, number: int, root: Path, tell: Observer
    ) -> PermissionDecider:
        """Return what decides during one attempt of a task in *root*; *tell* hears of questions to people."""

        def decide(request: PermissionRequest) -> PermissionAnswer:
            given = _given_before(request, state, task_id)
            if given is not None:
                return given
            answer, by = self.answer(request, root)
            if by == "default" and isinstance(self._operator, AskPeople):
                return self._operator.ask(request, state, task_id, number, tell)
            said = f"{'allow' if answer.allowed else 'deny'}: {answer.reason}".removesuffix(": ")
            if by in ("scenario", "operator"):
                asked = question(request, task_id, number)
                state.record_permission(asked, said, request=request.id)
            else:
                subject = request.subject[:LONGEST_SUBJECT]
                told = {"number": number, "tool": request.tool, "subject": subject, "by": by}
                state.record_event(task_id, "permission", {**told, "answer": said, "request": request.id})
            return answer

        return decide

    def answer(self, request: PermissionRequest, root: Path) -> tuple[PermissionAnswer, str]:
        """Return the answer, and who gave it: scenario, operator, configuration or default."""
        for rule in self._rules:
            if rule.tool == request.tool and _contains(request, rule.contains):
                return rule.answer, "scenario"
        if request.tool in self._asked_about and _stays_inside(request, root):
            return PermissionAnswer(allowed=True, reason="agent.allowed_tools allows it"), "configuration"
        given = self._operator(request) if callable(self._operator) else None
        if given is not None:
            return given, "operator"
        reason = (
            f"{request.tool} is not permitted here, and there is nobody who could be asked. "
            f"Do the task without it, or say what you would need it for."
        )
        return PermissionAnswer(allowed=False, reason=reason), "default"


def _given_before(request: PermissionRequest, state: StateManager, task_id: int) -> PermissionAnswer | None:
    """Return what an Obra answered that was killed before the agent had heard it: one question, one answer."""
    told = (one["data"] for one in state.events(task_id)) if request.id else ()
    given = (data["answer"] for data in told if data.get("request") == request.id)
    return next((read_answer(answer) for answer in given), None)


def _contains(request: PermissionRequest, wanted: str) -> bool:
    texts = (value for value in request.input.values() if isinstance(value, str))
    return not wanted or any(wanted in text for text in (request.subject, *texts))


def _stays_inside(request: PermissionRequest, root: Path) -> bool:
    """Tell whether a tool that writes would write in the workspace; other tools have no such bound."""
    if request.tool not in _WRITING:
        return True
    return (root / request.subject).resolve().is_relative_to(root.resolve())
