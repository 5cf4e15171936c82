"""One scenario as one row of plain JSON data, fit for a file, for another process and for any reader.

A row holds nothing but ``str, int, float, bool, None, list`` and ``dict`` with text keys; exact types, no
subclasses, no numbers that are not finite and no text that UTF-8 cannot hold, so that every serializer takes it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from obra.statistics.trials import trace_of

if TYPE_CHECKING:
    from obra.domain import Attempt, CheckResult, Factor, FileChange, Outcome
    from obra.scenarios.playing import HumanAnswer
    from obra.scenarios.scenario_run import ScenarioReport, TaskReport
    from obra.scenarios.story import AttemptStory

LONGEST_TEXT = 100_000
"""Characters kept of each prompt, reply, patch and output; what is cut stands in full in the database."""
MACHINERY_BROKE = "machinery_broke"
"""The result of a scenario that came to no verdict."""

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_SURROGATE = re.compile("[\ud800-\udfff]")


def row_of(report: ScenarioReport, *, node: str = "") -> dict[str, Any]:
    """Return everything that a run of a scenario showed.

    Args:
        report: the run.
        node: the pytest node id that runs it again.

    Returns:
        The row; seconds, US dollars, scores from 0 to 100. ``None`` for cost or tokens means unknown.
        ``execution`` is 1; whoever runs a test again because it failed counts it up.
    """
    outcome = report.outcome
    stories = {(story.task_id, story.number): story for story in report.stories}
    attempts = [_attempt(attempt, stories.get((attempt.task_id, attempt.number))) for attempt in outcome.attempts]
    truth = _checks(report.truth)
    return {
        "scenario": text_of(report.scenario),
        "case": text_of(report.case or report.scenario),
        "parameters": {text_of(name): text_of(str(value)) for name, value in report.parameters.items()},
        "repeat": report.repeat,
        "title": text_of(report.title),
        "description": text_of(report.description),
        "markers": _texts(report.markers),
        "execution": 1,
        "bare": report.bare,
        "agent": text_of(report.agent),
        "agent_identity": text_of(report.agent_identity),
        "llm_identity": text_of(report.llm_identity),
        "sandbox": text_of(report.sandbox),
        "node": text_of(node),
        "path": text_of(report.path),
        "workspace": text_of(report.workspace),
        "result": text_of(report.result),
        "task": outcome.task_id,
        "status": text_of(outcome.status),
        "reason": text_of(outcome.reason),
        "iterations": outcome.iterations,
        "quality": _number(outcome.quality_score),
        "confidence": _number(outcome.confidence),
        "seconds": _number(report.seconds),
        "cost_usd": _number(outcome.cost_usd),
        "tokens": outcome.tokens,
        "breakpoint": _breakpoint(outcome),
        "expectations": _checks(report.expectations),
        "truth": truth,
        "trace": trace_of(attempts, truth),
        "human": [_answer(answer) for answer in report.answers],
        "tasks": [_task(task) for task in report.tasks],
        "attempts": attempts,
    }


def error_row(
    *,
    scenario: str,
    agent: str,
    path: str,
    node: str,
    message: str,
    case: str = "",
    repeat: int = 1,
    bare: bool = False,
) -> dict[str, Any]:
    """Return the row of a scenario that came to no verdict because the machinery broke.

    It has the same keys as any other row; what is not known is ``None`` or empty.
    """
    return {
        "scenario": text_of(scenario),
        "case": text_of(case or scenario),
        "parameters": {},
        "repeat": repeat,
        "title": "",
        "description": "",
        "markers": [],
        "execution": 1,
        "bare": bare,
        "agent": text_of(agent),
        "agent_identity": "",
        "llm_identity": "",
        "sandbox": "",
        "node": text_of(node),
        "path": text_of(path),
        "workspace": "",
        "result": MACHINERY_BROKE,
        "task": None,
        "status": None,
        "reason": text_of(message),
        "iterations": 0,
        "quality": None,
        "confidence": None,
        "seconds": None,
        "cost_usd": None,
        "tokens": None,
        "breakpoint": None,
        "expectations": [],
        "truth": [],
        "trace": [],
        "human": [],
        "tasks": [],
        "attempts": [],
    }


def json_line(row: Mapping[str, Any]) -> str:
    """Return a row as the one line that stands for it in files, without the line's end."""
    return _encode(row)


def text_of(value: str) -> str:
    """Return *value* as a plain ``str`` that UTF-8 can hold.

    Of more than :data:`LONGEST_TEXT` characters the first are kept, and a note says how many were cut.
    """
    text = str.__str__(value)
    if len(text) > LONGEST_TEXT:
        cut = len(text) - LONGEST_TEXT
        text = f"{text[:LONGEST_TEXT]}\n[{cut} more characters are cut here]"
    if text.isascii():
        return text
    return _SURROGATE.sub("\ufffd", text)


def _attempt(attempt: Attempt, story: AttemptStory | None) -> dict[str, Any]:
    reply, decision = attempt.reply, attempt.decision
    tokens = None
    if reply.tokens_in is not None and reply.tokens_out is not None:
        tokens = reply.tokens_in + reply.tokens_out
    return {
        "task": attempt.task_id,
        "number": attempt.number,
        "prompt": text_of(attempt.prompt),
        "reply": text_of(reply.text),
        "started_at": attempt.started_at.isoformat(),
        "seconds": _number(attempt.seconds),
        "agent_seconds": _number(reply.seconds),
        "session": text_of(reply.session),
        "turns": reply.turns,
        "cost_usd": _number(reply.cost_usd),
        "tokens": tokens,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "limit": text_of(reply.limit),
        "denials": _texts(reply.denials),
        "changes": [_change(change) for change in attempt.evidence.changes],
        "patch": text_of(attempt.evidence.patch),
        "tampering": _texts(attempt.evidence.tampering),
        "checks": _checks(attempt.evidence.checks),
        "review": _review(attempt),
        "requirements": [
            {"text": text_of(one.text), "state": text_of(one.state), "evidence": text_of(one.evidence)}
            for one in attempt.requirements
        ],
        "problems": [text_of(problem) for problem in attempt.validation.problems],
        "question": text_of(attempt.validation.question),
        "quality": _number(attempt.quality.overall_score),
        "quality_factors": _factors(attempt.quality.factors),
        "quality_issues": _texts(attempt.quality.issues),
        "confidence": _number(attempt.confidence),
        "confidence_factors": _factors(attempt.confidence_factors),
        "action": text_of(decision.action),
        "reason": text_of(decision.reason),
        "reasons": _texts(decision.reasons),
        "feedback": text_of(decision.feedback),
        "decision_inputs": plain(decision.inputs),
        **_story(story),
    }


def _story(story: AttemptStory | None) -> dict[str, Any]:
    """Return what was seen while the attempt ran; nothing where nobody looked."""
    if story is None:
        return {"stages": [], "events": [], "events_left_out": 0}
    return {
        "stages": [
            {"name": stage.name, "at": _number(stage.at), "seconds": _number(stage.seconds)}
            for stage in story.stages
        ],
        "events": [
            {
                "at": _number(seen.at),
                "kind": text_of(seen.event.kind),
                "text": text_of(seen.event.text),
                "tool": text_of(seen.event.tool),
                "path": text_of(seen.event.path),
            }
            for seen in story.events
        ],
        "events_left_out": story.events_left_out,
    }


def plain(value: Any) -> Any:
    """Return data that JSON knows as a row may hold it: exact types, finite numbers, text that UTF-8 can hold."""
    if isinstance(value, str):
        return text_of(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return {text_of(str(key)): plain(one) for key, one in value.items()}
    return [plain(one) for one in value]


def _review(attempt: Attempt) -> dict[str, Any]:
    review = attempt.review
    return {
        "verdict": text_of(review.verdict),
        "score": _number(review.score),
        "issues": _texts(review.issues),
        "question": text_of(review.question),
        "model": text_of(review.model),
        "raw": text_of(review.raw),
        "agreement": _number(review.agreement),
        "told_apart": review.told_apart,
        "answers": [
            {
                "id": text_of(answer.id),
                "question": text_of(answer.question),
                "verdict": text_of(answer.verdict),
                "reason": text_of(answer.reason),
                "quote": text_of(answer.quote),
                "agreement": _number(answer.agreement),
            }
            for answer in review.answers
        ],
    }


def _breakpoint(outcome: Outcome) -> dict[str, Any] | None:
    opened = outcome.breakpoint
    if opened is None:
        return None
    return {"id": opened.id, "trigger": text_of(opened.trigger), "reason": text_of(opened.reason)}


def _answer(answer: HumanAnswer) -> dict[str, Any]:
    return {
        "task": text_of(answer.task),
        "task_id": answer.task_id,
        "attempt": answer.attempt_number,
        "trigger": text_of(answer.trigger),
        "reason": text_of(answer.reason),
        "answer": text_of(answer.answer),
        "by": "human",
    }


def _task(task: TaskReport) -> dict[str, Any]:
    return {
        "name": text_of(task.name),
        "task": task.task_id,
        "status": text_of(task.status),
        "reason": text_of(task.reason),
        "iterations": task.iterations,
        "quality": _number(task.quality_score),
        "confidence": _number(task.confidence),
    }


def _checks(checks: Iterable[CheckResult]) -> list[dict[str, Any]]:
    return [
        {
            "name": text_of(check.name),
            "passed": check.passed,
            "required": check.required,
            "implied": check.implied,
            "seconds": _number(check.seconds),
            "message": text_of(check.message),
            "output": text_of(check.output),
        }
        for check in checks
    ]


def _change(change: FileChange) -> dict[str, Any]:
    return {
        "path": text_of(change.path),
        "kind": text_of(change.kind),
        "old_path": text_of(change.old_path),
        "added": change.added,
        "removed": change.removed,
    }


def _factors(factors: Iterable[Factor]) -> list[dict[str, Any]]:
    return [
        {
            "name": text_of(factor.name),
            "points": _number(factor.points),
            "weight": _number(factor.weight),
            "why": text_of(factor.why),
        }
        for factor in factors
    ]


def _texts(values: Iterable[str]) -> list[str]:
    return [text_of(value) for value in values]


def _number(value: float | None) -> float | None:
    """Return an exact float, or ``None`` for what JSON cannot say (infinity, not a number)."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)
