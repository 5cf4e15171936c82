"""The tables of the register. They are made when the queue is opened; what is in them is transient.

They stand beside DBOS's own, not among the tables of the state: those are what users keep, these are gone once a
submission is pruned. On PostgreSQL they have a schema of their own, so that nothing else is ever touched.
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = "obra_queue"
WAITS = "result = '' AND worker = '' AND cancelled_at IS NULL"
"""What holds of a case that waits, word for word as in its index: PostgreSQL must see that it is the same."""
metadata = sa.MetaData()

submission = sa.Table(
    "submission",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float(53), nullable=False),
)
case = sa.Table(
    "case_run",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("submission", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("repeat", sa.Integer, nullable=False),
    sa.Column("order_data", sa.JSON, nullable=False),
    sa.Column("claims", sa.Integer, nullable=False, default=0),
    sa.Column("worker", sa.Text, nullable=False, default=""),
    sa.Column("task", sa.Integer),
    sa.Column("result", sa.Text, nullable=False, default=""),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("row_reference", sa.Text, nullable=False, default=""),
    sa.Column("begun_at", sa.Float(53)),
    sa.Column("ended_at", sa.Float(53)),
    sa.Column("cancelled_at", sa.Float(53)),
)
UNDER_WAY = (case.c.result == "", case.c.cancelled_at.is_(None))
"""What holds of a case that waits or runs."""
waiting = sa.Index(
    "ix_case_run_waiting",
    case.c.submission,
    case.c.id,
    sqlite_where=sa.text(WAITS),
    postgresql_where=sa.text(WAITS),
)
loss = sa.Table(
    "loss",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.Text, nullable=False, index=True),
    sa.Column("worker", sa.Text, nullable=False),
)
"""Each worker that was given up while it had a case, in order."""
worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Float(53), nullable=False),
    sa.Column("beat_at", sa.Float(53), nullable=False),
    sa.Column("lease", sa.Float(53), nullable=False),
    sa.Column("doing", sa.Text, nullable=False, default=""),
    sa.Column("taken_by", sa.Text, nullable=False, default=""),
)
