"""ATIF, Harbor's interchange format for what an agent did: one trajectory for each row (ATIF-v1.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from obra.reports.exports.moments import attempt_began, began, later

Row = Mapping[str, Any]

VERSION = "ATIF-v1.7"
_CALLS = {"tool_call", "file_edit"}


def trajectory_of(row: Row, run: str) -> dict[str, Any]:
    """Return the trajectory of one row.

    Each attempt is a step of the user (the prompt), one of the agent (its tool calls, their results and its reply)
    and one of the system (what Obra decided, and why).
    """
    steps = [
        {"step_id": number, **_known(step)} for number, step in enumerate(_steps(row, began(row, run)), start=1)
    ]
    attempts = row["attempts"]
    facts = (
        "scenario",
        "case",
        "parameters",
        "repeat",
        "execution",
        "bare",
        "result",
        "status",
        "reason",
        "quality",
    )
    return _known(
        {
            "schema_version": VERSION,
            "session_id": next((one["session"] for one in attempts if one["session"]), None),
            "agent": {"name": row["agent_identity"] or row["agent"] or "unknown", "version": "unknown"},
            "steps": steps,
            "final_metrics": _known(
                {
                    "total_prompt_tokens": _sum(attempts, "tokens_in"),
                    "total_completion_tokens": _sum(attempts, "tokens_out"),
                    "total_cost_usd": row["cost_usd"],
                    "total_steps": len(steps),
                }
            ),
            "extra": {"run": run, **{key: row[key] for key in facts}, "confidence": row["confidence"]},
        }
    )


def _steps(row: Row, start: datetime) -> Iterator[dict[str, Any]]:
    at = start
    for attempt in row["attempts"]:
        at = attempt_began(attempt, at)
        yield {"timestamp": at.isoformat(), "source": "user", "message": attempt["prompt"]}
        yield _agent_step(attempt, start, at)
        at = later(at, attempt["seconds"])
        extra = {"action": attempt["action"], "quality": attempt["quality"], "confidence": attempt["confidence"]}
        message = "\n".join((f"{attempt['action']}: {attempt['reason']}", *attempt["reasons"]))
        yield {"timestamp": at.isoformat(), "source": "system", "message": message, "extra": extra}
    if not row["attempts"]:
        yield {"timestamp": start.isoformat(), "source": "system", "message": row["reason"]}


def _agent_step(attempt: Row, start: datetime, default: datetime) -> dict[str, Any]:
    calls, results = _calls(attempt)
    end = attempt["events"][-1]["at"] if attempt["events"] else None
    return {
        "timestamp": (later(start, end) if end is not None else default).isoformat(),
        "source": "agent",
        "message": attempt["reply"],
        "tool_calls": calls or None,
        "observation": {"results": results} if results else None,
        "metrics": _known(
            {
                "prompt_tokens": attempt["tokens_in"],
                "completion_tokens": attempt["tokens_out"],
                "cost_usd": attempt["cost_usd"],
            }
        )
        or None,
    }


def _calls(attempt: Row) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the tool calls, and their results; a result belongs to the last call of the same tool."""
    calls: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    last: dict[str, str] = {}
    for event in attempt["events"]:
        if event["kind"] in _CALLS:
            call = f"call-{attempt['number']}-{len(calls) + 1}"
            last[event["tool"]] = call
            arguments = _known({"text": event["text"] or None, "path": event["path"] or None})
            calls.append(
                {"tool_call_id": call, "function_name": event["tool"] or "unknown", "arguments": arguments}
            )
        elif event["kind"] == "tool_result":
            results.append(_known({"source_call_id": last.get(event["tool"]), "content": event["text"]}))
    return calls, results


def _sum(attempts: list[Row], key: str) -> int | None:
    """Return the sum, or ``None`` when a part is unknown or there is none."""
    values = [attempt[key] for attempt in attempts]
    return sum(values) if values and None not in values else None


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value is not None}
