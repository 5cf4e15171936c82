"""Roll: which workers live, by beats and leases, and who goes on with the work of one that does not.

A worker writes a beat; one whose lease ran out is given up: one of the others takes its row (one statement decides
who), puts its cases back, and removes the row. A survivor that dies in between leaves a row that is itself given
up, so that the next one does the same again. A frozen worker that wakes finds its row taken, and stops.
"""

from __future__ import annotations

import os
import secrets
import socket

import sqlalchemy as sa

from obra.scale.port import WorkerStatus
from obra.scale.register_database import RegisterDatabase
from obra.scale.register_tables import UNDER_WAY, case, loss, worker


def new_worker_id() -> str:
    """Return an id that no other worker has had: DBOS would take two with the same id for one."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Roll:
    """The workers of one database."""

    def __init__(self, database: RegisterDatabase) -> None:
        self._database = database

    def join(self, worker_id: str, *, lease: float) -> None:
        """Write down a new worker."""
        now = self._database.now
        values = {"id": worker_id, "host": socket.gethostname(), "pid": os.getpid(), "lease": lease}
        self._database.transact(
            lambda connection: connection.execute(
                sa.insert(worker).values(**values, started_at=now, beat_at=now, doing="", taken_by="")
            )
        )

    def beat(self, worker_id: str, doing: str) -> bool:
        """Write a sign of life; False when the others have given this worker up."""
        changed = self._database.transact(
            lambda connection: (
                connection.execute(
                    sa.update(worker)
                    .where(worker.c.id == worker_id, worker.c.taken_by == "")
                    .values(beat_at=self._database.now, doing=doing)
                ).rowcount
            )
        )
        return bool(changed)

    def leave(self, worker_id: str, *, has_left_work: bool) -> None:
        """Take a worker off the roll; one that leaves work behind is left there as dead, for others to see to."""

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.delete(worker).where(worker.c.id == worker_id))
            if has_left_work:
                self._write_dead(connection, worker_id)

        self._database.transact(write)

    def add_dead(self, worker_id: str) -> None:
        """Write down a worker that has work and stands nowhere, so that its work is seen to."""

        def write(connection: sa.Connection) -> None:
            if connection.execute(sa.select(worker.c.id).where(worker.c.id == worker_id)).first() is None:
                self._write_dead(connection, worker_id)

        self._database.transact(write)

    def take_dead(self, by: str) -> tuple[str, ...]:
        """Take the rows of workers whose lease ran out, and return their ids: *by* must see to their work now.

        A row that is locked is left for the next look: one who was frozen in the middle of writing its beat holds
        it, and whoever waited for that would not beat either.
        """
        now, one, other = self._database.now, worker.alias(), worker.alias()
        lives = sa.select(other.c.id).where(other.c.beat_at >= now - other.c.lease)
        dead = (
            sa.select(one.c.id)
            .where(one.c.id != by, one.c.beat_at < now - one.c.lease)
            .where(sa.or_(one.c.taken_by.in_(("", by)), one.c.taken_by.not_in(lives)))
            .with_for_update(skip_locked=True)
        )

        def write(connection: sa.Connection) -> tuple[str, ...]:
            rows = connection.execute(
                sa.update(worker).where(worker.c.id.in_(dead)).values(taken_by=by).returning(worker.c.id)
            )
            return tuple(row.id for row in rows)

        return self._database.transact(write)

    def remove(self, worker_id: str) -> int:
        """Take a dead worker off the roll; its cases wait again, and it is kept with each that it was lost.

        Returns:
            How many cases these are.
        """

        def write(connection: sa.Connection) -> int:
            rows = connection.execute(
                sa.update(case)
                .where(*UNDER_WAY, case.c.worker == worker_id)
                .values(worker="")
                .returning(case.c.id)
            ).all()
            if rows:
                connection.execute(sa.insert(loss), [{"case_id": row.id, "worker": worker_id} for row in rows])
            connection.execute(sa.delete(worker).where(worker.c.id == worker_id))
            return len(rows)

        return self._database.transact(write)

    def strays(self, at_work: frozenset[str]) -> frozenset[str]:
        """Return who has a case, or is said to be *at_work*, and stands nowhere on the roll."""

        def read(connection: sa.Connection) -> frozenset[str]:
            busy = connection.execute(sa.select(case.c.worker).where(*UNDER_WAY, case.c.worker != "").distinct())
            known = connection.execute(sa.select(worker.c.id)).all()
            return (at_work | {row.worker for row in busy}) - {row.id for row in known}

        return self._database.transact(read)

    def workers(self) -> tuple[WorkerStatus, ...]:
        """Return who is on the roll, oldest first."""
        query = sa.select(worker, (self._database.now - worker.c.beat_at).label("silent")).order_by(
            worker.c.started_at, worker.c.id
        )
        rows = self._database.transact(lambda connection: connection.execute(query).all())
        names = ("id", "host", "pid", "started_at", "silent", "lease", "doing")
        return tuple(WorkerStatus(**{name: row._mapping[name] for name in names}) for row in rows)  # noqa: SLF001  # the public name of a row's mapping

    def _write_dead(self, connection: sa.Connection, worker_id: str) -> None:
        connection.execute(
            sa.insert(worker).values(
                id=worker_id, host="", pid=0, started_at=0.0, beat_at=0.0, lease=0.0, doing="", taken_by=""
            )
        )
