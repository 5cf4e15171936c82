"""The tables as they were before there were migrations; such a database holds ``obra_schema.version = 1``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_STATUSES = ("pending", "running", "completed", "escalated", "failed", "interrupted")
_ACTIONS = ("proceed", "retry", "clarify", "escalate")
_TRIGGERS = ("low_confidence", "quality_too_low", "no_evidence", "agent_asks", "limit_reached", "tampering")


def upgrade() -> None:
    """Make the tables of version 1."""
    tables = _tables()
    tables.create_all(op.get_bind())
    op.bulk_insert(tables.tables["obra_schema"], [{"version": 1}])


def downgrade() -> None:
    """Remove everything."""
    _tables().drop_all(op.get_bind())


def _tables() -> sa.MetaData:
    tables = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    sa.Table("obra_schema", tables, sa.Column("version", sa.Integer, nullable=False))
    _work(tables)
    _attempts(tables)
    _story(tables)
    return tables


def _work(tables: sa.MetaData) -> None:
    sa.Table(
        "project_state",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts("project_name", "description", "working_dir"),
        _text("status", "active"),
        *_times("created_at", "updated_at"),
        _one_of("status", ("active", "paused", "completed", "archived")),
    )
    sa.Table(
        "task",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        _link("project_id", "project_state.id"),
        *_texts("title", "description"),
        _text("status", "pending"),
        *_texts("status_reason"),
        sa.Column("priority", sa.Integer, nullable=False, server_default="5"),
        *_texts("owner", "base_snapshot"),
        sa.Column("iterations", sa.Integer, nullable=False, server_default="0"),
        sa.Column("quality_score", sa.Float),
        sa.Column("confidence", sa.Float),
        *_texts("data"),
        *_times("created_at", "updated_at"),
        _one_of("status", _STATUSES),
        _score("quality_score"),
        _score("confidence"),
        sa.CheckConstraint("iterations >= 0", name="iterations"),
        sa.Index(None, "updated_at"),
        sa.Index(None, "project_id", "updated_at"),
        sa.Index(None, "status", "updated_at"),
    )


def _attempts(tables: sa.MetaData) -> None:
    sa.Table(
        "attempt",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        _link("task_id", "task.id"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("quality", sa.Float, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("cost_usd", sa.Float),
        sa.Column("tokens", sa.Integer),
        sa.Column("seconds", sa.Float, nullable=False),
        *_texts("snapshot_before", "snapshot_after"),
        *_times("started_at"),
        *_texts("record"),
        sa.UniqueConstraint("task_id", "number"),
        _one_of("action", _ACTIONS),
        _score("quality"),
        _score("confidence"),
        sa.CheckConstraint("number >= 1", name="number"),
    )
    sa.Table(
        "check_result",
        tables,
        _link("attempt_id", "attempt.id", primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        *_texts("name", "kind"),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("passed", "required", "implied")),
        *_texts("message"),
        sa.Column("seconds", sa.Float, nullable=False),
    )
    sa.Table(
        "decision",
        tables,
        _link("attempt_id", "attempt.id", primary_key=True, autoincrement=False),
        sa.Column("action", sa.Text, nullable=False),
        *_texts("reason", "reasons", "feedback", "inputs"),
        _one_of("action", _ACTIONS),
    )


def _story(tables: sa.MetaData) -> None:
    sa.Table(
        "breakpoint",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        _link("task_id", "task.id", index=True),
        _link("attempt_id", "attempt.id", nullable=True, unique=True),
        sa.Column("attempt_number", sa.Integer, nullable=False, server_default="0"),
        *_texts("reason"),
        _text("status", "open"),
        sa.Column("trigger", sa.Text, nullable=False),
        *_texts("answer"),
        *_times("created_at"),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        _one_of("status", ("open", "resolved")),
        _one_of("trigger", _TRIGGERS),
        sa.Index(None, "status", "id"),
    )
    sa.Table(
        "event",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        _link("task_id", "task.id"),
        *_texts("kind", "data"),
        *_times("at"),
        sa.Index(None, "task_id", "id"),
    )


def _text(name: str, default: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [_text(name, "") for name in names]


def _times(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in names]


def _link(name: str, target: str, **more: Any) -> sa.Column[int]:
    return sa.Column(name, sa.ForeignKey(target, ondelete="CASCADE"), **{"nullable": False, **more})


def _one_of(column: str, words: tuple[str, ...]) -> sa.CheckConstraint:
    quoted = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({quoted})", name=column)


def _score(column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} BETWEEN 0 AND 100", name=column)
