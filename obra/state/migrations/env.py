"""What Alembic runs: the steps, in the transaction opened by :mod:`obra.state.migrating`."""

from __future__ import annotations

from alembic import context

from obra.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # also in SQLite, whose driver we keep from committing by itself
)
with context.begin_transaction():
    context.run_migrations()
