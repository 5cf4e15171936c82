"""Attempts and their decisions: stored whole in one transaction, and rebuilt equal to what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from obra.domain import Action, Attempt, Breakpoint, Decision, TaskStatus
from obra.errors import IllegalStatus, NotFound, StateError, TaskBusy
from obra.state import breakpoints, holding, journal, steps, tasks, waiting
from obra.state.connection import Connection
from obra.state.encoding import (
    REPLACEMENT,
    attempt_from_json,
    attempt_to_json,
    clean,
    from_json,
    to_json,
    utc,
)
from obra.state.owners import describe, this_process
from obra.state.tables import Columns, breakpoint_, check_result
from obra.state.tables import attempt as attempt_table
from obra.state.tables import decision as decision_table

_INSERT_ATTEMPT = sa.insert(attempt_table)
_INSERT_CHECK = sa.insert(check_result)
_INSERT_DECISION = sa.insert(decision_table)
_BREAKPOINT_COLUMNS = [column.label(f"breakpoint_{column.name}") for column in breakpoint_.c]
_DECISIONS = sa.select(decision_table, *_BREAKPOINT_COLUMNS).select_from(
    decision_table.outerjoin(breakpoint_, breakpoint_.c.attempt_id == decision_table.c.attempt_id)
)
_DECISION = _DECISIONS.where(decision_table.c.attempt_id == sa.bindparam("key"))
_ATTEMPTS = (
    sa.select(
        attempt_table.c.id,
        attempt_table.c.task_id,
        attempt_table.c.number,
        attempt_table.c.record,
        *(column for column in decision_table.c if column.name != "attempt_id"),
        *_BREAKPOINT_COLUMNS,
    )
    .select_from(
        attempt_table.join(decision_table, decision_table.c.attempt_id == attempt_table.c.id).outerjoin(
            breakpoint_, breakpoint_.c.attempt_id == attempt_table.c.id
        )
    )
    .where(attempt_table.c.task_id == sa.bindparam("key"))
    .order_by(attempt_table.c.number)
)
_ATTEMPT = _ATTEMPTS.where(attempt_table.c.number == sa.bindparam("number"))
_NUMBER_TAKEN = sa.select(attempt_table.c.id).where(
    attempt_table.c.task_id == sa.bindparam("key"), attempt_table.c.number == sa.bindparam("number")
)


def record(
    connection: Connection,
    attempt: Attempt,
    status: TaskStatus | None,
    reason: str,
    *,
    fence: int | None,
    run: Mapping[str, Any] | None,
) -> Attempt:
    """Store *attempt*, and with *status* the end of its task; return it as stored, with all ids.

    Its steps are forgotten; *run* is what the run has used up before the next attempt.

    Raises:
        NotFound: there is no such task.
        IllegalStatus: the task is not running, or may not become *status*.
        TaskBusy: another process owns the task.
        StateError: the number is taken, a score is not from 0 to 100, or something is not JSON.
    """
    stored, now = holding.find(connection, attempt.task_id), datetime.now(UTC)
    if fence is not None:
        holding.require_held(stored, fence)
    _require_ours(stored)
    if status is not None:
        holding.require_legal(stored, status)
    _require_sound(connection, attempt)
    if run is None or status is not None:
        steps.forget(connection, attempt.task_id)
    else:
        steps.begin(connection, attempt.task_id, attempt.number + 1, run)
    key, text = _insert_attempt(connection, attempt)
    _insert_checks(connection, key, attempt)
    decision = _insert_decision(connection, key, attempt, now)
    told = {
        "attempt_id": key,
        "number": attempt.number,
        "action": decision.action,
        "status": status or stored.status,
    }
    journal.write_event(connection, stored.id, "attempt", told, now)
    _update_task(connection, stored, attempt, status, reason=reason, now=now)
    if REPLACEMENT in text:  # perhaps the text was cleaned: then give back what is stored
        attempt = attempt_from_json(text, key=key, task_id=stored.id, number=attempt.number, decision=decision)
    return replace(attempt, id=key, decision=decision)


def of_task(connection: Connection, task_id: int) -> tuple[Attempt, ...]:
    """Return all attempts at a task, in order; a breakpoint shows how it stands today."""
    rows = connection.rows(_ATTEMPTS, {"key": task_id})
    if not rows:
        journal.require_task(connection, task_id)
    return tuple(_attempt_of(row) for row in rows)


def find(connection: Connection, task_id: int, number: int) -> Attempt:
    """Return one attempt at a task; its breakpoint shows how it stands today.

    Raises:
        NotFound: there is no such attempt.
    """
    row = connection.first(_ATTEMPT, {"key": task_id, "number": number})
    if row is None:
        raise NotFound(f"task {task_id} has no attempt {number}; 'obra task show {task_id}' lists those there are")
    return _attempt_of(row)


def decision(connection: Connection, attempt_id: int) -> Decision:
    """Return the decision of one attempt, with all that it was made from.

    Raises:
        NotFound: there is no such attempt.
    """
    row = connection.first(_DECISION, {"key": attempt_id})
    if row is None:
        raise NotFound(f"no attempt has the id {attempt_id}; 'obra task show' lists the attempts at a task")
    return _decision_of(row)


def _require_ours(stored: holding.Held) -> None:
    if stored.status is not TaskStatus.RUNNING:
        raise IllegalStatus(
            f"task {stored.id} is {stored.status}, not running, so no attempt can be recorded; start it first"
        )
    if stored.owner != this_process():
        raise TaskBusy(
            f"task {stored.id} belongs to {describe(stored.owner)}, not to {describe(this_process())}; "
            f"only the process that started a task records its attempts"
        )


def _require_sound(connection: Connection, attempt: Attempt) -> None:
    """Refuse by name what the tables would refuse by constraint (SQLite even stores NaN as NULL)."""
    if attempt.number < 1:
        raise StateError(f"the attempt's number is {attempt.number}; attempts are counted from 1")
    scores = {"quality.overall_score": attempt.quality.overall_score, "confidence": attempt.confidence}
    for name, score in scores.items():
        if not 0 <= score <= 100:  # noqa: PLR2004  # every score is from 0 to 100
            raise StateError(f"the attempt's {name} is {score}; every score is from 0 to 100")
    taken = connection.first(_NUMBER_TAKEN, {"key": attempt.task_id, "number": attempt.number})
    if taken is not None:
        raise StateError(
            f"attempt {attempt.number} of task {attempt.task_id} is recorded already, with the id {taken['id']}; "
            f"an attempt is never changed. Read attempts() and go on counting from there"
        )


def _insert_attempt(connection: Connection, attempt: Attempt) -> tuple[int, str]:
    reply, text = attempt.reply, attempt_to_json(attempt)
    known = [count for count in (reply.tokens_in, reply.tokens_out) if count is not None]
    values = {
        "task_id": attempt.task_id,
        "number": attempt.number,
        "action": attempt.decision.action.value,
        "quality": float(attempt.quality.overall_score),
        "confidence": float(attempt.confidence),
        "cost_usd": reply.cost_usd,
        "tokens": sum(known) if known else None,
        "seconds": attempt.seconds,
        "snapshot_before": clean(attempt.snapshot_before),
        "snapshot_after": clean(attempt.snapshot_after),
        "started_at": utc(attempt.started_at),
        "record": text,
    }
    return connection.insert(_INSERT_ATTEMPT, values), text


def _insert_checks(connection: Connection, key: int, attempt: Attempt) -> None:
    rows = [
        {
            "attempt_id": key,
            "position": position,
            "name": clean(check.name),
            "kind": clean(check.kind),
            "passed": check.passed,
            "required": check.required,
            "implied": check.implied,
            "message": clean(check.message),
            "seconds": check.seconds,
        }
        for position, check in enumerate(attempt.evidence.checks, start=1)
    ]
    connection.run_many(_INSERT_CHECK, rows)


def _insert_decision(connection: Connection, key: int, attempt: Attempt, now: datetime) -> Decision:
    """Store the decision and the breakpoint it opens; return both as stored."""
    made = attempt.decision
    values = {
        "attempt_id": key,
        "action": made.action.value,
        "reason": clean(made.reason),
        "reasons": to_json(made.reasons),
        "feedback": clean(made.feedback),
        "inputs": to_json(made.inputs),
    }
    connection.run(_INSERT_DECISION, values)
    opened = None
    if made.breakpoint is not None:
        wanted = replace(made.breakpoint, attempt_number=attempt.number)
        opened = breakpoints.open_(connection, wanted, attempt.task_id, now, attempt_id=key)
    if any(REPLACEMENT in str(values[name]) for name in ("reason", "reasons", "feedback", "inputs")):
        return _decision_from(values, opened)
    return replace(made, breakpoint=opened)


def _update_task(
    connection: Connection,
    stored: holding.Held,
    attempt: Attempt,
    status: TaskStatus | None,
    *,
    reason: str,
    now: datetime,
) -> None:
    ends = {} if status is None else {"status": status.value, "owner": "", **waiting.UNCLAIMED}
    tasks.write_columns(
        connection,
        stored.id,
        iterations=max(stored.iterations, attempt.number),
        quality_score=float(attempt.quality.overall_score),
        confidence=float(attempt.confidence),
        status_reason=clean(reason) or stored.status_reason,
        updated_at=now,
        **ends,
    )


def _attempt_of(row: Columns) -> Attempt:
    return attempt_from_json(
        row["record"], key=row["id"], task_id=row["task_id"], number=row["number"], decision=_decision_of(row)
    )


def _decision_of(row: Columns) -> Decision:
    opened = None
    if row["breakpoint_id"] is not None:
        opened = breakpoints.breakpoint_of(
            {name.removeprefix("breakpoint_"): row[name] for name in row if name.startswith("breakpoint_")}
        )
    return _decision_from(row, opened)


def _decision_from(row: Columns, opened: Breakpoint | None) -> Decision:
    return Decision(
        action=Action(row["action"]),
        reason=row["reason"],
        reasons=tuple(from_json(row["reasons"])),
        feedback=row["feedback"],
        breakpoint=opened,
        inputs=from_json(row["inputs"]),
    )
