"""Glimpses: what somebody who looks again and again asks for; cheap queries that leave the large columns alone.

Nothing here writes. A look begins with :meth:`Glimpses.mark`, which tells in one row whether anything is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from obra.domain import Action, Attempt, Record
from obra.state import attempts
from obra.state.connection import Connection
from obra.state.database import Database
from obra.state.encoding import from_json
from obra.state.steps import RUN
from obra.state.tables import attempt as attempt_table
from obra.state.tables import attempt_step, breakpoint_, decision, event, task


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine(Record):
    """An attempt without what was said and seen: one line of a list."""

    number: int
    action: Action
    reason: str
    quality: float
    confidence: float
    cost_usd: float | None
    tokens: int | None
    seconds: float
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay(Record):
    """Where the attempt under way of one task stands."""

    task_id: int
    number: int
    step: str
    """The last step that is done; ``run`` when none is yet."""
    at: datetime
    """When the attempt began."""
    seconds: float
    """What the run had taken before this attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(Record):
    """What all attempts at one task took."""

    seconds: float
    cost_usd: float
    """Of the turns whose cost is known."""
    cost_known: bool


_MARK = sa.select(
    sa.select(sa.func.max(event.c.id)).scalar_subquery().label("event"),
    sa.select(sa.func.max(task.c.id)).scalar_subquery().label("task"),
    sa.select(sa.func.max(breakpoint_.c.id)).scalar_subquery().label("breakpoint"),
    sa.select(sa.func.count()).select_from(attempt_step).scalar_subquery().label("steps"),
    sa.select(sa.func.max(attempt_step.c.at)).scalar_subquery().label("step_at"),
)
_LATER = (
    sa.select(event)
    .where(event.c.id > sa.bindparam("after"))
    .order_by(event.c.id.desc())
    .limit(sa.bindparam("most"))
)
_LINES = (
    sa.select(
        *(attempt_table.c[one] for one in ("number", "quality", "confidence", "cost_usd", "tokens", "seconds")),
        attempt_table.c.started_at,
        decision.c.action,
        decision.c.reason,
    )
    .join(decision, decision.c.attempt_id == attempt_table.c.id)
    .where(attempt_table.c.task_id == sa.bindparam("key"))
    .order_by(attempt_table.c.number)
)
_STEPS = sa.select(
    attempt_step.c.task_id, attempt_step.c.number, attempt_step.c.position, attempt_step.c.name, attempt_step.c.at
).order_by(attempt_step.c.task_id, attempt_step.c.number, attempt_step.c.position)
_RUNS = sa.select(attempt_step.c.task_id, attempt_step.c.number, attempt_step.c.data).where(
    attempt_step.c.position == 0
)

_SUMS: tuple[sa.ColumnElement[Any], ...] = (
    sa.func.sum(attempt_table.c.seconds).label("seconds"),
    sa.func.sum(attempt_table.c.cost_usd).label("cost_usd"),
    sa.func.count().label("attempts"),
    sa.func.count(attempt_table.c.cost_usd).label("known"),
)
_USAGE = sa.select(*_SUMS).where(attempt_table.c.task_id == sa.bindparam("key"))


class Glimpses:
    """The part of StateManager for those who watch; every method is one transaction that reads."""

    _database: Database

    def mark(self) -> Mapping[str, Any]:
        """Return a mapping that is equal to an earlier one as long as nothing was written that can be watched.

        Its ``event`` is the id of the newest event, ``None`` where there is none.
        """
        return self._database.read(_mark)

    def events_after(self, event_id: int, *, limit: int = 500) -> tuple[Mapping[str, Any], ...]:
        """Return the newest events of all tasks behind *event_id*, oldest first, as :meth:`events` does."""
        return self._database.read(_later, event_id, limit)

    def attempt_lines(self, task_id: int) -> tuple[AttemptLine, ...]:
        """Return the attempts at a task, in order, without their large parts; none for a task there is not."""
        return self._database.read(_lines, task_id)

    def attempt(self, task_id: int, number: int) -> Attempt:
        """Return one attempt whole.

        Raises:
            NotFound: there is no such attempt.
        """
        return self._database.read(attempts.find, task_id, number)

    def under_way(self) -> Mapping[int, UnderWay]:
        """Return by task id where the attempts stand that are under way, or were when their run was cut off."""
        return self._database.read(_under_way)

    def usage(self, task_id: int) -> Usage:
        """Return what the attempts at a task took; nothing for a task without one."""
        return self._database.read(_usage, task_id)


def _mark(connection: Connection) -> Mapping[str, Any]:
    found = connection.first(_MARK)
    assert found is not None  # noqa: S101  # a select of subqueries always has one row
    return found


def _later(connection: Connection, event_id: int, limit: int) -> tuple[Mapping[str, Any], ...]:
    rows = connection.rows(_LATER, {"after": event_id, "most": limit})
    return tuple(MappingProxyType({**row, "data": from_json(row["data"])}) for row in reversed(rows))


def _lines(connection: Connection, task_id: int) -> tuple[AttemptLine, ...]:
    rows = connection.rows(_LINES, {"key": task_id})
    return tuple(AttemptLine(**{**row, "action": Action(row["action"])}) for row in rows)


def _under_way(connection: Connection) -> Mapping[int, UnderWay]:
    begun: dict[tuple[int, int], datetime] = {}
    last: dict[int, tuple[int, str]] = {}
    for row in connection.rows(_STEPS):
        begun.setdefault((row["task_id"], row["number"]), row["at"])
        last[row["task_id"]] = (row["number"], row["name"])
    spent = {(row["task_id"], row["number"]): from_json(row["data"])[RUN] for row in connection.rows(_RUNS)}
    return {
        key: UnderWay(
            task_id=key,
            number=number,
            step=step,
            at=begun[key, number],
            seconds=float(spent.get((key, number), {}).get("seconds", 0.0)),
        )
        for key, (number, step) in last.items()
    }


def _usage(connection: Connection, task_id: int) -> Usage:
    row = connection.first(_USAGE, {"key": task_id}) or {}
    known, cost = row.get("known", 0), row.get("cost_usd") or 0.0
    return Usage(seconds=row.get("seconds") or 0.0, cost_usd=cost, cost_known=known == row.get("attempts", 0))
