"""A row for each step of the attempt under way, and a number that each start of a task raises (its fence)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add ``task.fence`` and ``attempt_step``; the old table of the version gives way to Alembic's."""
    op.add_column("task", sa.Column("fence", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "attempt_step",
        sa.Column("task_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("data", sa.Text, nullable=False, server_default=""),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "number", "position", name="pk_attempt_step"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_attempt_step_task_id", ondelete="CASCADE"),
    )
    op.drop_table("obra_schema")


def downgrade() -> None:
    """Go back to version 1; what is known of attempts under way is forgotten, finished ones stay."""
    version = op.create_table("obra_schema", sa.Column("version", sa.Integer, nullable=False))
    if version is not None:  # None only where Alembic writes a script instead of changing tables
        op.bulk_insert(version, [{"version": 1}])
    op.drop_table("attempt_step")
    op.drop_column("task", "fence")
