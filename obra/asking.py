"""A person who is asked through the database: the question is an open breakpoint, the run waits for its answer.

Whoever answers may sit at another terminal or machine; ``obra breakpoint resolve ID allow`` is enough.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from obra.domain import (
    PERMISSION_ASKED,
    Breakpoint,
    BreakpointStatus,
    PermissionAnswer,
    PermissionRequest,
    Trigger,
)
from obra.events import BreakpointOpened, Observer

if TYPE_CHECKING:
    from obra.state.state_manager import StateManager

LONGEST_SUBJECT = 500
"""Characters of a command or path that are stored with a breakpoint."""
ALLOW = frozenset({"allow", "allowed", "yes", "y", "ok"})
DENY = frozenset({"deny", "denied", "no", "n"})
_LOOK_SECONDS = 0.2
NOBODY_WAITS = "deny: the run was stopped before anybody answered"
"""What stands as the answer where nobody waits for one any more."""


class AskPeople:
    """Puts what the agent asks to whoever looks at the task, and waits as long as that takes."""

    def ask(
        self, request: PermissionRequest, state: StateManager, task_id: int, number: int, tell: Observer
    ) -> PermissionAnswer:
        """Open a breakpoint, tell the observers, and return what a person answered to it."""
        opened = state.open_breakpoint(question(request, task_id, number))
        tell(BreakpointOpened(breakpoint=opened))
        answered = None
        try:
            while answered is None:
                time.sleep(_LOOK_SECONDS)
                answered = next(
                    (
                        one
                        for one in state.breakpoints(task_id=task_id, status=BreakpointStatus.RESOLVED, limit=None)
                        if one.id == opened.id
                    ),
                    None,
                )
        finally:
            if answered is None:  # nobody shall answer a question that nobody waits for
                state.resolve_breakpoint(opened.id, NOBODY_WAITS)
        return read_answer(answered.answer)


def question(request: PermissionRequest, task_id: int, number: int) -> Breakpoint:
    """Return the breakpoint that stands for a question of the agent."""
    return Breakpoint(
        task_id=task_id,
        attempt_number=number,
        trigger=Trigger.AGENT_ASKS,
        reason=f"{PERMISSION_ASKED}{request.tool}: {request.subject[:LONGEST_SUBJECT]}",
    )


def read_answer(text: str) -> PermissionAnswer:
    """Return what a person's words mean: ``allow`` and ``deny``, each perhaps with a reason behind it.

    Whatever else was said is a refusal with these words as the reason: doubt allows nothing.
    """
    first, _, rest = text.strip().partition(" ")
    word = first.rstrip(":,.!").lower()
    if word in ALLOW:
        return PermissionAnswer(allowed=True, reason=rest.strip())
    return PermissionAnswer(allowed=False, reason=rest.strip() if word in DENY else text.strip())
