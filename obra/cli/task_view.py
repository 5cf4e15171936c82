"""One task as people read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from obra.cli.outcome import STATUS_COLOURS
from obra.cli.output import counted, number, one_line, say, styled
from obra.cli.progress import COLOURS, describe_control, describe_reply, describe_review, label_of, tell_evidence
from obra.cli.scores import parts_of_confidence, parts_of_quality
from obra.domain import Attempt, Breakpoint, Control, Task

_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def tell_task(
    task: Task, attempts: Sequence[Attempt], breakpoints: Sequence[Breakpoint], asked: Sequence[Control] = ()
) -> None:
    """Print a task, each attempt at it, and where a person had to look."""
    status = styled(task.status, STATUS_COLOURS.get(task.status, ""), bold=True)
    say(styled(f"task {task.id} ", bold=True), status, f"  {one_line(task.title)}")
    say(
        f"  project {task.project_id}, priority {task.priority}, {counted(task.iterations, 'attempt')}, "
        f"quality {number(task.quality_score)}, confidence {number(task.confidence)}"
    )
    _tell("why", task.status_reason)
    _tell("folder", task.working_dir)
    _tell("after", ", ".join(f"task {one}" for one in task.after))
    _tell("asked", task.description)
    for sentence in task.acceptance:
        _tell("accept", sentence)
    for check in task.checks:
        _tell("check", ", ".join(f"{key}: {_short(value)}" for key, value in check.items()))
    for attempt in attempts:
        _tell_attempt(attempt)
    for one in breakpoints:
        say(styled(f"breakpoint {one.id} ", bold=True), f"{one.status} ({one.trigger}): {one_line(one.reason)}")
        _tell("answer", one.answer)
    for wish in asked:
        _tell("person", describe_control(wish) + ("" if wish.effect else ": not obeyed yet"), "cyan")


def tell_diff(attempts: Sequence[Attempt]) -> None:
    """Print the unified diff since the task began, as its last attempt left it."""
    patch = attempts[-1].evidence.patch if attempts else ""
    if not patch:
        say("nothing has changed since the task began")
    for line in patch.splitlines():
        say(styled(line, _DIFF_COLOURS.get(line[:1], "")))


def _tell_attempt(attempt: Attempt) -> None:
    started = f"{attempt.started_at:%Y-%m-%d %H:%M:%S} UTC"
    say(styled(f"attempt {attempt.number}", bold=True), f"  {started}, {attempt.seconds:.1f} s")
    _tell("turn", describe_reply(attempt.reply))
    _tell("says", attempt.reply.text)
    _tell("reply", ", ".join(attempt.validation.problems))
    tell_evidence(attempt.evidence)
    _tell("review", f"{describe_review(attempt.review)} ({attempt.review.model})")
    _tell("quality", _score(attempt.quality.overall_score, parts_of_quality(attempt.quality.factors)))
    _tell("confidence", _score(attempt.confidence, parts_of_confidence(attempt.confidence_factors)))
    _tell(attempt.decision.action, attempt.decision.reason, COLOURS[attempt.decision.action])
    if made := attempt.decision.override:
        _tell("", f"Obra's own decision was: {made.instead_of}: {made.instead_of_reason}")
    for reason in attempt.decision.reasons:
        if reason != attempt.decision.reason:
            _tell("", reason)


def _score(score: float, parts: Sequence[str]) -> str:
    return "\n".join((number(score), *parts))


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _tell(label: str, text: str, colour: str = "") -> None:
    """Print a label and a text, if there is any; its further lines stand below its first."""
    for count, line in enumerate(text.strip().splitlines()):
        say(label_of("" if count else label, colour), line)
