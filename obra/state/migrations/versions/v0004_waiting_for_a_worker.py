"""Tasks that wait for a worker: place, deadline, retries, pause and claim of each, and what waits for what."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_INDEXES = {
    "ix_task_place_id": ("place", "id"),
    "ix_task_project_id_place_id": ("project_id", "place", "id"),
    "ix_task_claimed_at": ("claimed_at",),
    "ix_task_project_id_claimed_at": ("project_id", "claimed_at"),
    "ix_task_lease_until": ("lease_until",),
}


def upgrade() -> None:
    """Add the columns, their indexes and ``task_after``; no task of before waits for a worker."""
    for column in _columns():
        op.add_column("task", column)
    for name, columns in _INDEXES.items():
        known = sa.text(f"{next(one for one in columns if one not in ('id', 'project_id'))} IS NOT NULL")
        op.create_index(name, "task", list(columns), sqlite_where=known, postgresql_where=known)
    after = op.create_table(
        "task_after",
        sa.Column("task_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("needs", sa.Integer, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("task_id", "needs", name="pk_task_after"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_task_after_task_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["needs"], ["task.id"], name="fk_task_after_needs", ondelete="CASCADE"),
    )
    task = sa.table("task", sa.column("id"), sa.column("data"))
    waiting = op.get_bind().execute(sa.select(task).where(task.c.data.like('%"after":[%')))
    rows = [
        {"task_id": key, "needs": needed}
        for key, data in waiting
        for needed in dict.fromkeys(json.loads(data).get("after", ()))
    ]
    if after is not None and rows:  # None only where Alembic writes a script instead of changing tables
        op.bulk_insert(after, rows)


def downgrade() -> None:
    """Forget who waits for a worker; what waits for what stands in ``task.data`` as well."""
    op.drop_table("task_after")
    for name in _INDEXES:
        op.drop_index(name, "task")
    for column in _columns():
        op.drop_column("task", column.name)


def _columns() -> list[sa.Column[Any]]:
    moments = ("queued_at", "not_before", "deadline", "claimed_at", "lease_until")
    return [
        *(sa.Column(name, sa.DateTime(timezone=True)) for name in moments),
        sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in ("retries", "tries")),
        sa.Column("place", sa.BigInteger),
        *(sa.Column(name, sa.Text, nullable=False, server_default="") for name in ("claimed_by", "agent", "llm")),
    ]
