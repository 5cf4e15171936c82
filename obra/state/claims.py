"""Taking tasks up: which of many processes gets the next one, for how long, and how it is given back.

The rows that could be next are read by index, :class:`obra.scheduler.TaskScheduler` chooses among them, and the
one that it chose is taken. In SQLite BEGIN IMMEDIATE lets one process at a time do so. In PostgreSQL the chosen
row is locked with FOR UPDATE SKIP LOCKED: who finds it locked or taken asks the scheduler for the next best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from obra.domain import Claim, Record, Task, TaskStatus
from obra.errors import IllegalStatus, StateError
from obra.scheduler import Capacity, Moment, TaskScheduler
from obra.state import journal, steps, tasks, waiting
from obra.state.connection import Connection
from obra.state.owners import describe
from obra.state.tables import UTCDateTime
from obra.state.tables import task as task_table

_SCHEDULER = TaskScheduler()
_ROUNDS = 20
"""How often a claim looks again when others took all that it saw."""

_TAKE = (
    sa.select(task_table)
    .where(
        task_table.c.id == sa.bindparam("key"),
        sa.or_(
            task_table.c.place.is_not(None),
            task_table.c.lease_until <= sa.bindparam("now", type_=UTCDateTime),
        ),
    )
    .with_for_update(skip_locked=True)
)
_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(:key)")
_LOCK_KEY = 0x636C6169
"""Our own number among PostgreSQL's advisory locks: ``clai`` in ASCII."""
_SERVER_CLOCK = sa.select(sa.func.clock_timestamp().label("now"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Record):
    """Who asks for a task, and what may run at once."""

    owner: str
    lease: float
    agent: str = ""
    llm: str = ""
    capacity: Capacity
    project_id: int | None = None


def claim(connection: Connection, asked: Asked) -> Claim | None:
    """Give the next task to whoever asks; ``None`` when there is none for them now.

    Raises:
        StateError: the lease is not longer than nothing.
    """
    from obra.state import candidates  # many statements, which only workers need

    if asked.lease <= 0:
        raise StateError(f"the lease is {asked.lease:g} seconds; give more than 0")
    if asked.capacity and connection.speaks_postgresql:
        connection.run(_ONE_AT_A_TIME, {"key": _LOCK_KEY})  # counting and taking must be one thing
    for _ in range(_ROUNDS):
        now = clock(connection)
        leased = candidates.leased(connection)
        running = [one for one, until in leased if until > now]
        is_any_out = len(running) < len(leased)
        found = candidates.able(connection, now, asked.project_id, also_leased=is_any_out)
        late = [task for task in found.tasks if task.deadline is not None and task.deadline <= now]
        _tell_late(connection, late, now)
        able = [task for task in found.tasks if task not in late]
        if not able:
            return None
        moment = Moment(
            now=now,
            running=running,
            served=found.served,
            capacity=asked.capacity,
            agent=asked.agent,
            llm=asked.llm,
        )
        if _is_full(moment):
            return None
        made = _take_best(connection, able, moment, asked)
        if made is not None:
            return made
    return None


def renew(connection: Connection, held: Claim) -> None:
    """Let the lease of a claim run from now on again.

    Raises:
        TaskBusy: the claim is lost: its lease ran out and another process has the task, or it was released.
    """
    _require_held(connection, held)
    until = clock(connection) + timedelta(seconds=held.lease)
    tasks.write_columns(connection, held.task.id, lease_until=until)


def release(connection: Connection, held: Claim) -> None:
    """Give a task back that was not begun, or whose run has ended already; then nothing is left to do.

    Raises:
        TaskBusy: the claim is lost.
        IllegalStatus: the task runs; its run must end first.
    """
    stored = tasks.find_to_change(connection, held.task.id)
    if stored.fence == held.fence and not stored.claimed_by:
        return
    _refuse_lost(stored, held)
    if stored.status is TaskStatus.RUNNING:
        raise IllegalStatus(f"task {stored.id} runs under this claim; finish_task() ends both")
    free = replace(stored, claimed_by="", lease_until=None)
    tasks.write_columns(connection, stored.id, **waiting.UNCLAIMED, place=waiting.place_of(free))
    journal.write_event(connection, stored.id, "claim_released", {"owner": held.owner})


def pause(connection: Connection, task_id: int, *, paused: bool) -> Task:
    """Keep a task from being taken up, or let it be again; one that runs goes on running."""
    stored = tasks.find_to_change(connection, task_id)
    if stored.paused is paused:
        return stored
    now = datetime.now(UTC)
    changed = replace(stored, paused=paused, updated_at=now)
    tasks.write_columns(connection, task_id, paused=paused, updated_at=now, place=waiting.place_of(changed))
    journal.write_event(connection, task_id, "paused" if paused else "pause_ended", {}, now)
    return changed


def clock(connection: Connection) -> datetime:
    """Return the time by which leases are measured: the server's where there is one, else this machine's."""
    if not connection.speaks_postgresql:
        return datetime.now(UTC)
    found: datetime = connection.rows(_SERVER_CLOCK)[0]["now"]
    return found.astimezone(UTC)


def _is_full(moment: Moment) -> bool:
    return bool(moment.capacity.what_is_full(moment.running, moment.agent, moment.llm))


def _take_best(connection: Connection, able: Sequence[Task], moment: Moment, asked: Asked) -> Claim | None:
    left = list(able)
    while left:
        chosen = _SCHEDULER.pick(left, moment)
        if chosen is None:
            return None
        row = connection.first(_TAKE, {"key": chosen.id, "now": moment.now})
        if row is not None:
            return _taken(connection, tasks.task_of_row(row), moment.now or clock(connection), asked)
        left.remove(chosen)  # somebody else has it, or is just changing it
    return None


def _taken(connection: Connection, stored: Task, now: datetime, asked: Asked) -> Claim:
    until = now + timedelta(seconds=asked.lease)
    changes: dict[str, Any] = {
        "claimed_by": asked.owner,
        "lease_until": until,
        "fence": stored.fence + 1,
        "updated_at": now,
    }
    if stored.claimed_by:
        gone = {"owner": stored.claimed_by, "lease_until": stored.lease_until}
        journal.write_event(connection, stored.id, "owner_lost", gone, now)
    if stored.status is TaskStatus.RUNNING:
        changes["status"] = TaskStatus.INTERRUPTED
        changes["status_reason"] = f"the lease of {describe(stored.claimed_by)} ran out"
    told = {"owner": asked.owner, "lease": asked.lease, "agent": asked.agent, "llm": asked.llm}
    journal.write_event(connection, stored.id, "claimed", told, now)
    changed = tasks.change(connection, stored, **changes)
    tasks.write_columns(connection, stored.id, place=None, claimed_at=now, agent=asked.agent, llm=asked.llm)
    return Claim(task=changed, owner=asked.owner, fence=changed.fence, lease=asked.lease)


def _tell_late(connection: Connection, late: Sequence[Task], now: datetime) -> None:
    """Take tasks whose deadline passed out of the queue, and say so in each."""
    for task in late:
        row = connection.first(_TAKE, {"key": task.id, "now": now})
        if row is None or row["place"] is None:
            continue
        reason = f"its deadline passed at {task.deadline:%Y-%m-%d %H:%M:%S} UTC before a worker was free for it"
        tasks.write_columns(connection, task.id, place=None, status_reason=reason, updated_at=now)
        journal.write_event(connection, task.id, "deadline_missed", {"deadline": task.deadline}, now)


def _require_held(connection: Connection, held: Claim) -> None:
    _refuse_lost(tasks.find_to_change(connection, held.task.id), held)


def _refuse_lost(stored: Task, held: Claim) -> None:
    if (stored.fence, stored.claimed_by) != (held.fence, held.owner):
        holder = stored.claimed_by or stored.owner
        raise steps.lost(stored.id, held.fence, stored.status, holder, stored.fence)
