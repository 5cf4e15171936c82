"""Register: what was submitted, who has which case, what came of it, and who lives.

Every change names what it expects to find, so that whoever comes late changes nothing: a claim by its number, a
worker by not having been taken over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from obra.errors import LeaseLost, NotFound
from obra.scale.address import QueueAddress
from obra.scale.port import CaseStatus, Claim, Order, SubmissionStatus
from obra.scale.register_database import RegisterDatabase
from obra.scale.register_tables import UNDER_WAY, WAITS, case, loss, submission, worker

_STATE = sa.case(
    (case.c.result != "", case.c.result),
    (case.c.cancelled_at.is_not(None), "cancelled"),
    (case.c.worker != "", "running"),
    else_="waiting",
)

_WAITS = sa.text(WAITS)


class Register:
    """The register of one database. Threads may share it.

    Args:
        address: the database; the tables are made when they are not there.
    """

    def __init__(self, address: QueueAddress) -> None:
        self.database = RegisterDatabase(address)
        self._is_unsure = False

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def submit(self, name: str, agent: str, orders: Mapping[str, Order]) -> None:
        """Write down a submission *name* with its cases by id."""

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.insert(submission).values(id=name, agent=agent, created_at=self.database.now))
            connection.execute(
                sa.insert(case),
                [
                    {
                        "id": one,
                        "submission": name,
                        "name": order.case,
                        "agent": order.agent,
                        "repeat": order.repeat,
                        "order_data": dict(order),
                    }
                    for one, order in orders.items()
                ],
            )

        self.database.transact(write)

    def claim(self, name: str, worker_id: str) -> Claim | None:
        """Give the next case of a submission that waits to a worker that has none; ``None`` when none waits.

        Raises:
            LeaseLost: that worker has been given up by the others.
        """
        first = sa.select(case.c.id).where(case.c.submission == name, _WAITS).order_by(case.c.id).limit(1)
        lives = sa.select(worker.c.id).where(worker.c.id == worker_id, worker.c.taken_by == "")
        take = (
            sa.update(case)
            .where(case.c.id == first.with_for_update(skip_locked=True).scalar_subquery(), lives.exists())
            .values(
                claims=case.c.claims + 1,
                worker=worker_id,
                begun_at=sa.func.coalesce(case.c.begun_at, self.database.now),
            )
            .returning(case.c.id, case.c.claims, case.c.order_data, case.c.task)
        )

        def write(connection: sa.Connection) -> Claim | None:
            if self._is_unsure:  # the last answer did not come: what it gave waits again
                held = (case.c.worker == worker_id, *UNDER_WAY)
                connection.execute(sa.update(case).where(*held).values(worker=""))
            self._is_unsure = True
            row = connection.execute(take).first()
            if row is None:
                if connection.execute(lives).first() is None:
                    raise LeaseLost(f"worker {worker_id} was given up by the others; it takes no case any more")
                return None
            return Claim(
                id=row.id,
                number=row.claims,
                worker=worker_id,
                order=Order(**row.order_data),
                task=row.task,
                lost=_lost(connection, row.id) if row.claims > 1 else (),
            )

        found = self.database.transact(write)
        self._is_unsure = False
        return found

    def waiting(self) -> frozenset[str]:
        """Return the submissions of which a case waits for a worker."""
        query = sa.select(case.c.submission).where(_WAITS).distinct()
        rows = self.database.transact(lambda connection: connection.execute(query).all())
        return frozenset(row.submission for row in rows)

    def remember_task(self, claim: Claim, task: int) -> None:
        """Write down which task a case is, so that whoever takes it over goes on with that one.

        Raises:
            LeaseLost: the case is not this claim's any more.
        """
        self._change(claim, task=task)

    def finish(self, claim: Claim, result: str, *, reason: str = "", row: str = "") -> None:
        """Write down how a case ended.

        Raises:
            LeaseLost: the case is not this claim's any more; what others wrote stands.
        """
        self._change(claim, result=result, reason=reason, row_reference=row, ended_at=self.database.now)

    def require_held(self, claim: Claim) -> None:
        """Pass while a case belongs to a claim.

        Raises:
            LeaseLost: it was cancelled, or is another one's.
        """
        found = self.database.transact(
            lambda connection: connection.execute(sa.select(case.c.id).where(*_held(claim))).first()
        )
        if found is None:
            raise _late(claim)

    def let_go(self, claim: Claim) -> None:
        """Make a case one that waits again; nothing happens when it is not this claim's."""
        self.database.transact(
            lambda connection: connection.execute(sa.update(case).where(*_held(claim)).values(worker=""))
        )

    def cancel(self, name: str) -> tuple[str, ...]:
        """Cancel what is not over of a submission, or one case by its id; return the ids of the cases.

        Raises:
            NotFound: there is none with that name.
        """

        def write(connection: sa.Connection) -> tuple[str, ...]:
            rows = connection.execute(
                sa.update(case)
                .where(sa.or_(case.c.submission == name, case.c.id == name))
                .where(*UNDER_WAY)
                .values(cancelled_at=self.database.now, ended_at=self.database.now)
                .returning(case.c.id)
            )
            return tuple(sorted(row.id for row in rows))

        self.cases(name)  # says clearly that there is none
        return self.database.transact(write)

    def cases(self, name: str) -> tuple[CaseStatus, ...]:
        """Return the cases of a submission, or the one that has that id, in their order.

        Raises:
            NotFound: there is no such submission or case.
        """
        query = (
            sa.select(case, _STATE.label("state"))
            .where(sa.or_(case.c.submission == name, case.c.id == name))
            .order_by(case.c.id)
        )
        rows = self.database.transact(lambda connection: connection.execute(query).all())
        if not rows:
            raise NotFound(f"no submission and no case is called {name!r}; 'obra submission list' shows them")
        return tuple(_status_of(row) for row in rows)

    def submissions(self, older_than: float | None = None) -> tuple[SubmissionStatus, ...]:
        """Return the submissions, newest first; or only those *older_than* so many seconds."""
        query = (
            sa.select(submission, _STATE.label("state"), sa.func.count().label("cases"))
            .join(case, case.c.submission == submission.c.id)
            .group_by(submission.c.id, submission.c.agent, submission.c.created_at, sa.text("state"))
            .order_by(submission.c.created_at.desc(), submission.c.id.desc())
        )
        if older_than is not None:
            query = query.where(submission.c.created_at < self.database.now - older_than)
        found: dict[str, dict[str, Any]] = {}
        for row in self.database.transact(lambda connection: connection.execute(query).all()):
            one = found.setdefault(
                row.id, {"id": row.id, "agent": row.agent, "created_at": row.created_at, "states": {}}
            )
            one["states"][row.state] = row.cases
        return tuple(SubmissionStatus(**one) for one in found.values())

    def forget(self, names: Iterable[str]) -> None:
        """Remove submissions and their cases."""
        given = list(names)

        def write(connection: sa.Connection) -> None:
            cases = sa.select(case.c.id).where(case.c.submission.in_(given))
            connection.execute(sa.delete(loss).where(loss.c.case_id.in_(cases)))
            connection.execute(sa.delete(case).where(case.c.submission.in_(given)))
            connection.execute(sa.delete(submission).where(submission.c.id.in_(given)))

        self.database.transact(write)

    def sources(self) -> frozenset[str]:
        """Return the references of all archives that some case needs."""
        query = sa.select(case.c.order_data)
        rows = self.database.transact(lambda connection: connection.execute(query).all())
        return frozenset(row.order_data["source"] for row in rows)

    def is_idle(self) -> bool:
        """Tell whether no case waits or runs."""
        query = sa.select(case.c.id).where(*UNDER_WAY).limit(1)
        return self.database.transact(lambda connection: connection.execute(query).first()) is None

    def _change(self, claim: Claim, **values: Any) -> None:
        changed = self.database.transact(
            lambda connection: connection.execute(sa.update(case).where(*_held(claim)).values(**values)).rowcount
        )
        if not changed:
            raise _late(claim)


def _held(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        case.c.id == claim.id,
        case.c.claims == claim.number,
        case.c.worker == claim.worker,
        *UNDER_WAY,
    )


def _lost(connection: sa.Connection, case_id: str) -> tuple[str, ...]:
    query = sa.select(loss.c.worker).where(loss.c.case_id == case_id).order_by(loss.c.number)
    return tuple(row.worker for row in connection.execute(query))


def _late(claim: Claim) -> LeaseLost:
    return LeaseLost(
        f"case {claim.id} ({claim.order.case}) was cancelled, or another worker has it now: what worker "
        f"{claim.worker} brings for its claim {claim.number} is late and was refused; nothing of it is stored"
    )


def _status_of(row: sa.Row[Any]) -> CaseStatus:
    return CaseStatus(
        id=row.id,
        submission=row.submission,
        case=row.name,
        agent=row.agent,
        repeat=row.repeat,
        state=row.state,
        worker=row.worker,
        claims=row.claims,
        task=row.task,
        reason=row.reason,
        row=row.row_reference,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
    )
