"""The history of runs: one row for each run of scenarios, and one for each case in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add ``run`` and ``run_case``."""
    op.create_table(
        "run",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("exit_status", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("name", name="uq_run_name"),
    )
    op.create_table(
        "run_case",
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("case_name", sa.Text, nullable=False, server_default=""),
        sa.Column("agent", sa.Text, nullable=False, server_default=""),
        sa.Column("bare", sa.Boolean, nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("passed", "agent_failed", "verdict_wrong", "machinery_broke")
        ),
        *(sa.Column(name, sa.Float) for name in ("seconds", "tokens", "cost_usd")),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_run_case"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_case_run_id", ondelete="CASCADE"),
    )
    op.create_index("ix_run_case_case_name", "run_case", ["case_name"])


def downgrade() -> None:
    """Forget the history of runs."""
    op.drop_index("ix_run_case_case_name", "run_case")
    op.drop_table("run_case")
    op.drop_table("run")
