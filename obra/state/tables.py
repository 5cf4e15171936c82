"""The tables, as the plan's monitor queries name them. The SQL is portable; SQLite comes first.

Scores and statuses are guarded by CHECK constraints, so that no other writer can store a 101 or a status that
Obra does not know. Columns called ``record``, ``data``, ``reasons`` and ``inputs`` hold JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from obra.domain import Action, BreakpointStatus, TaskStatus, Trigger
from obra.state.encoding import utc

SCHEMA_VERSION = "0004"
"""Raised with every change to the tables, by one; the newest step in ``migrations/versions`` has this number."""


Columns = Mapping[str, Any]
"""The columns of one row by name, just read or about to be written."""


class UTCDateTime(sa.TypeDecorator[datetime]):
    """Aware datetimes in UTC, in and out, also where the database itself knows no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give the database UTC; SQLite stores it without saying so."""
        del dialect
        return None if value is None else utc(value)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Say that what comes back is UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _one_of(column: str, words: type[StrEnum] | tuple[str, ...]) -> sa.CheckConstraint:
    quoted = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({quoted})", name=column)


def _score(column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} BETWEEN 0 AND 100", name=column)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _key() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _link(name: str, target: str, **more: Any) -> sa.Column[int]:
    return sa.Column(name, sa.ForeignKey(target, ondelete="CASCADE"), **{"nullable": False, **more})


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UTCDateTime, nullable=nullable)


_ROWS = "rows"
"""What :attr:`sqlalchemy.Index.info` holds of an index: which rows it has."""


def _index_known(*columns: str) -> sa.Index:
    """Index the rows in which the one column of these that can be NULL is not; see :func:`tell_postgresql`."""
    known = sa.text(f"{next(one for one in columns if one not in ('id', 'project_id'))} IS NOT NULL")
    return sa.Index(None, *columns, sqlite_where=known, info={_ROWS: known})


def tell_postgresql() -> None:
    """Let PostgreSQL's indexes have the rows that SQLite's have, before their statements are made.

    Said when an index is defined, it would load all of SQLAlchemy's PostgreSQL in every process: 2 MiB.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            if _ROWS in index.info:
                index.dialect_options["postgresql"]["where"] = index.info[_ROWS]


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

schema_version = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""One row with the version of the tables; named and shaped as Alembic wants it."""

first_schema = sa.Table("obra_schema", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False))
"""What stood there before Alembic, with the version 1."""

project_state = sa.Table(
    "project_state",
    metadata,
    _key(),
    _text("project_name"),
    _text("description"),
    _text("working_dir"),
    sa.Column("status", sa.Text, nullable=False, server_default="active"),
    _time("created_at"),
    _time("updated_at"),
    _one_of("status", ("active", "paused", "completed", "archived")),
)

task = sa.Table(
    "task",
    metadata,
    _key(),
    _link("project_id", "project_state.id"),
    _text("title"),
    _text("description"),
    sa.Column("status", sa.Text, nullable=False, server_default=TaskStatus.PENDING.value),
    _text("status_reason"),
    sa.Column("priority", sa.Integer, nullable=False, server_default="5"),
    _text("owner"),
    _text("base_snapshot"),
    sa.Column("iterations", sa.Integer, nullable=False, server_default="0"),
    sa.Column("quality_score", sa.Float),
    sa.Column("confidence", sa.Float),
    _text("data"),  # after, acceptance, checks, limits, working_dir
    _time("created_at"),
    _time("updated_at"),
    sa.Column("fence", sa.Integer, nullable=False, server_default="0"),
    _time("queued_at", nullable=True),
    _time("not_before", nullable=True),
    _time("deadline", nullable=True),
    sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("retries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("place", sa.BigInteger),  # obra.scheduler.place() while it waits for a worker, else NULL
    _text("claimed_by"),
    _time("claimed_at", nullable=True),
    _time("lease_until", nullable=True),
    _text("agent"),
    _text("llm"),
    _one_of("status", TaskStatus),
    _score("quality_score"),
    _score("confidence"),
    sa.CheckConstraint("iterations >= 0", name="iterations"),
    sa.Index(None, "updated_at"),
    sa.Index(None, "project_id", "updated_at"),
    sa.Index(None, "status", "updated_at"),
    _index_known("place", "id"),
    _index_known("project_id", "place", "id"),
    _index_known("claimed_at"),
    _index_known("project_id", "claimed_at"),
    _index_known("lease_until"),
)
"""Most tasks never wait for a worker: the last five indexes hold only those that do, and cost the others
nothing."""

task_after = sa.Table(
    "task_after",
    metadata,
    _link("task_id", "task.id", primary_key=True, autoincrement=False),
    _link("needs", "task.id", primary_key=True, autoincrement=False),
)
"""Which task waits for which; it stands in ``task.data`` as well, in the order that it was asked for."""

attempt = sa.Table(
    "attempt",
    metadata,
    _key(),
    _link("task_id", "task.id"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("quality", sa.Float, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("cost_usd", sa.Float),
    sa.Column("tokens", sa.Integer),
    sa.Column("seconds", sa.Float, nullable=False),
    _text("snapshot_before"),
    _text("snapshot_after"),
    _time("started_at"),
    _text("record"),  # everything else that an Attempt holds
    sa.UniqueConstraint("task_id", "number"),
    _one_of("action", Action),
    _score("quality"),
    _score("confidence"),
    sa.CheckConstraint("number >= 1", name="number"),
)

check_result = sa.Table(
    "check_result",
    metadata,
    _link("attempt_id", "attempt.id", primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    _text("name"),
    _text("kind"),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("required", sa.Boolean, nullable=False),
    sa.Column("implied", sa.Boolean, nullable=False),
    _text("message"),
    sa.Column("seconds", sa.Float, nullable=False),
)
"""For queries; what a check printed stands in the attempt's record alone."""

decision = sa.Table(
    "decision",
    metadata,
    _link("attempt_id", "attempt.id", primary_key=True, autoincrement=False),
    sa.Column("action", sa.Text, nullable=False),
    _text("reason"),
    _text("reasons"),
    _text("feedback"),
    _text("inputs"),
    _one_of("action", Action),
)

breakpoint_ = sa.Table(
    "breakpoint",
    metadata,
    _key(),
    _link("task_id", "task.id", index=True),
    _link("attempt_id", "attempt.id", nullable=True, unique=True),  # only if an attempt's decision opened it
    sa.Column("attempt_number", sa.Integer, nullable=False, server_default="0"),
    _text("reason"),
    sa.Column("status", sa.Text, nullable=False, server_default=BreakpointStatus.OPEN.value),
    sa.Column("trigger", sa.Text, nullable=False),
    _text("answer"),
    _time("created_at"),
    _time("resolved_at", nullable=True),
    _one_of("status", BreakpointStatus),
    _one_of("trigger", Trigger),
    sa.Index(None, "status", "id"),
)

event = sa.Table(
    "event",
    metadata,
    _key(),
    _link("task_id", "task.id"),
    _text("kind"),
    _text("data"),
    _time("at"),
    sa.Index(None, "task_id", "id"),
)

attempt_step = sa.Table(
    "attempt_step",
    metadata,
    _link("task_id", "task.id", primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    _text("name"),
    _text("data"),
    _time("at"),
)
"""What is done of the attempt under way, so that another process can go on; gone as soon as it is recorded."""

run = sa.Table(
    "run",
    metadata,
    _key(),
    _text("name"),
    _time("started_at"),
    sa.Column("exit_status", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.UniqueConstraint("name"),
)
"""One run of scenarios; what was found stands in its report folder, which has the same name."""

run_case = sa.Table(
    "run_case",
    metadata,
    _link("run_id", "run.id", primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    _text("case_name"),
    _text("agent"),
    sa.Column("bare", sa.Boolean, nullable=False),
    *(
        sa.Column(name, sa.Integer, nullable=False)
        for name in ("passed", "agent_failed", "verdict_wrong", "machinery_broke")
    ),
    *(sa.Column(name, sa.Float) for name in ("seconds", "tokens", "cost_usd")),
    sa.Index(None, "case_name"),
)
