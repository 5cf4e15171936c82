"""The conversation under ``-s``: what was said to the agent, what it did and said, and what was made of it."""

from __future__ import annotations

import sys
from typing import TextIO

from obra.domain import Attempt
from obra.events import (
    AgentActed,
    AttemptRecorded,
    Event,
    PromptReady,
    ReplyReceived,
    TaskEnded,
    TurnRetried,
)
from obra.reports.quoting import visible


class Conversation:
    """An observer that prints; control characters, and letters that the terminal does not know, are shown."""

    def __init__(self, file: TextIO | None = None) -> None:
        """Print to *file*; standard output when none is given."""
        self._file = file

    def __call__(self, event: Event) -> None:
        """Print what belongs to the conversation."""
        match event:
            case PromptReady(number=number, prompt=prompt):
                self._say(f"prompt {number}", prompt)
            case AgentActed(event=did) if did.act:
                self._say("agent", did.act)
            case TurnRetried(error=error):
                self._say("again", error)
            case ReplyReceived(number=number, reply=reply):
                self._say(f"reply {number}", reply.text or "(no words)")
            case AttemptRecorded(attempt=attempt):
                self._tell_judgement(attempt)
            case TaskEnded(outcome=outcome):
                self._say("end", f"{outcome.status}: {outcome.reason}")

    def _tell_judgement(self, attempt: Attempt) -> None:
        for change in attempt.evidence.changes:
            self._say("file", f"{change.kind} {change.path} (+{change.added} -{change.removed})")
        for check in attempt.evidence.checks:
            self._say("check", f"{'ok' if check.passed else 'FAILED'}: {check.name}")
        review = attempt.review
        score = "no score" if review.score is None else f"{review.score:g}"
        self._say("review", "\n".join((f"{review.verdict}, {score}", *review.issues)))
        self._say("decision", f"{attempt.decision.action}: {attempt.decision.reason}")

    def _say(self, who: str, text: str) -> None:
        margin = f"{who:>10} | "
        lines = [visible(line) for line in text.splitlines()] or [""]
        file = self._file or sys.stdout
        encoding = file.encoding or "utf-8"  # what it cannot write must not end the run that is told of
        told = "\n".join(margin + line for line in lines).encode(encoding, "backslashreplace").decode(encoding)
        print(told, file=file, flush=True)
