"""The history of runs: one row for each run of pytest, and one for each case in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import sqlalchemy as sa

from obra.domain import Record
from obra.errors import StateError
from obra.state.connection import Connection
from obra.state.encoding import clean
from obra.state.tables import run as run_table
from obra.state.tables import run_case as case_table


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCase(Record):
    """How one case fared with one agent in one run; costs are sums, and unknown as soon as one part is."""

    case: str
    agent: str
    bare: bool
    passed: int
    agent_failed: int
    verdict_wrong: int
    machinery_broke: int
    seconds: float | None
    tokens: float | None
    cost_usd: float | None
    run: str = ""
    """Id of the run, when read back."""
    started_at: datetime | None = None
    """When that run began."""

    @property
    def judged(self) -> int:
        """Runs of the case that came to a verdict."""
        return self.passed + self.agent_failed + self.verdict_wrong


_NUMBERS = ("passed", "agent_failed", "verdict_wrong", "machinery_broke", "seconds", "tokens", "cost_usd")
_AT_ONCE = 500
"""Cases that are made ready for the database at a time; a run may have tens of thousands."""
_INSERT_RUN = sa.insert(run_table)
_INSERT_CASE = sa.insert(case_table)
_RUN_EXISTS = sa.select(run_table.c.id).where(run_table.c.name == sa.bindparam("name"))
_COLUMNS = (
    *(case_table.c[name] for name in ("agent", "bare", *_NUMBERS)),
    case_table.c["case_name"],
    run_table.c.name.label("run"),
    run_table.c.started_at,
)


def record(
    connection: Connection,
    name: str,
    started_at: datetime,
    *,
    exit_status: int,
    seconds: float,
    cases: Iterable[RunCase],
) -> None:
    """Store a run with its cases.

    Raises:
        StateError: a run of that name is stored already.
    """
    if connection.first(_RUN_EXISTS, {"name": name}) is not None:
        raise StateError(f"the run {name!r} is in the history already; give each run a name of its own")
    values = {"name": clean(name), "started_at": started_at, "exit_status": exit_status, "seconds": seconds}
    key = connection.insert(_INSERT_RUN, values)
    rows = (
        {
            "run_id": key,
            "position": position,
            "case_name": clean(one.case),
            "agent": clean(one.agent),
            "bare": one.bare,
            **{number: one[number] for number in _NUMBERS},
        }
        for position, one in enumerate(cases, start=1)
    )
    while some := tuple(islice(rows, _AT_ONCE)):
        connection.run_many(_INSERT_CASE, some)


def newest(connection: Connection, case: str | None, limit: int) -> tuple[RunCase, ...]:
    """Return what the newest *limit* runs (in which *case* took part) say of their cases, oldest run first."""
    chosen = sa.select(run_table.c.id).order_by(run_table.c.id.desc()).limit(limit)
    if case is not None:
        took_part = sa.select(case_table.c.run_id).where(case_table.c.case_name == case)
        chosen = chosen.where(run_table.c.id.in_(took_part))
    query = (
        sa.select(*_COLUMNS)
        .join(run_table, run_table.c.id == case_table.c.run_id)
        .where(run_table.c.id.in_(chosen.scalar_subquery()))
        .order_by(run_table.c.id, case_table.c.position)
    )
    if case is not None:
        query = query.where(case_table.c.case_name == case)
    rows = connection.rows(query)
    return tuple(
        RunCase(case=row["case_name"], **{k: v for k, v in row.items() if k != "case_name"}) for row in rows
    )
