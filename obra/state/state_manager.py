"""StateManager: the one door to what is remembered. Every method is one transaction."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from obra.domain import (
    Attempt,
    Breakpoint,
    Control,
    Decision,
    Project,
    Step,
    Task,
    TaskStatus,
)
from obra.errors import StateError
from obra.state import attempts, controls, holding, journal, steps, taking_over, tasks
from obra.state.database import Database
from obra.state.failures import masked
from obra.state.glimpses import Glimpses
from obra.state.owners import this_process
from obra.state.story import word
from obra.state.task_data import task_of
from obra.state.task_queue import TaskQueue


class StateManager(TaskQueue, Glimpses):
    """Remembers projects, tasks, attempts, decisions, breakpoints and events in one database.

    Each method is one transaction: all of it is stored, or, when it raises, none of it, and the manager goes on
    working. What a method has returned from survives the death of this process; see :mod:`obra.state.database`
    for power cuts. A server that goes away is waited for as long as for another writer, where nothing can be done
    twice by that. Any method may raise StateError when the database fails. Threads may share a manager.
    """

    def __init__(
        self,
        url: str = "sqlite:///.obra/obra.db",
        *,
        echo: bool = False,
        busy_timeout: float = 5.0,
        read_only: bool = False,
    ) -> None:
        """Open the database, create its tables if there are none, and migrate those of an older Obra.

        An SQLite file is copied before it is migrated, to a file beside it.

        Args:
            url: an SQLAlchemy URL; a relative SQLite path counts from the current folder, which is made when
                missing (and kept out of git when it is called ``.obra``); ``sqlite://`` is in memory.
            echo: log every SQL statement, with its values.
            busy_timeout: seconds to wait for another writer before StateError.
            read_only: change nothing: what is not there is not made, and what is older is not migrated.

        Raises:
            StateError: it cannot be opened, is not Obra's, or was written by a newer Obra; where it is only read,
                also when it is not there or was written by an older one.
        """
        self._database = Database(url, echo=echo, busy_timeout=busy_timeout, read_only=read_only)

    def __repr__(self) -> str:
        return f"StateManager({masked(self._database.url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def file(self) -> Path | None:
        """The database's own file; ``None`` for one in memory or on a server."""
        return self._database.file

    @property
    def is_private(self) -> bool:
        """True for a database in memory, which no other process can read."""
        return self._database.is_memory

    def close(self) -> None:
        """Close the database; safe to call twice. Nothing else works afterwards."""
        self._database.close()

    def create_project(
        self, name: str, description: str = "", working_dir: str | os.PathLike[str] = ""
    ) -> Project:
        """Store a project and return it. Names need not be unique, but must not be empty."""
        return self._database.write(journal.create_project, name, description, os.fspath(working_dir))

    def create_work(
        self,
        name: str,
        task_data: Mapping[str, Any],
        *,
        description: str = "",
        working_dir: str | os.PathLike[str] = "",
        told: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Task:
        """Store a project and its one pending task together, and return the task; see :meth:`create_plan`."""
        (made,) = self.create_plan(name, [task_data], description=description, working_dir=working_dir, told=told)
        return made

    def create_plan(
        self,
        name: str,
        plan: Sequence[Mapping[str, Any]],
        *,
        description: str = "",
        working_dir: str | os.PathLike[str] = "",
        told: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> tuple[Task, ...]:
        """Store a project and its pending tasks together, and return the tasks.

        Args:
            name: the project's.
            plan: the tasks, as for :meth:`create_task`, but ``after`` names places in *plan*, from 1, before the
                task's own.
            description: the project's.
            working_dir: the project's.
            told: what the story of each task begins with, JSON data by the kind of event.

        Raises:
            StateError: as :meth:`create_project` and :meth:`create_task`; nothing is stored then.
        """
        planned = [task_of(0, data) for data in plan]
        for place, one in enumerate(planned, start=1):
            if not all(1 <= earlier < place for earlier in one.after):
                raise StateError(f"task {place} of the plan waits for {one.after}; name places before its own")
        project = Project(name=name, description=description, working_dir=os.fspath(working_dir))
        return self._database.write(tasks.create_with_project, project, planned, told or {})

    def projects(self) -> tuple[Project, ...]:
        """Return all projects, oldest first."""
        return self._database.read(journal.projects)

    def get_project(self, project_id: int) -> Project:
        """Return one project.

        Raises:
            NotFound: there is none with that id.
        """
        return self._database.read(journal.project, project_id)

    def create_task(self, project_id: int, task_data: Mapping[str, Any]) -> Task:
        """Store a pending task and return it.

        Args:
            project_id: the project it belongs to.
            task_data: ``title`` (required), ``description``, ``acceptance`` (sentences), ``checks`` (mappings),
                ``limits`` (Limits or a mapping of its fields), ``priority``, ``after`` (ids of tasks of the same
                project that must be completed first), ``working_dir``, ``script`` (steps, or mappings of their
                fields) and ``reviewer`` (mappings and texts), which are played to the task. For tasks that a
                worker takes up: ``queued`` (true), ``retries`` (runs again after failed ones), ``not_before`` and
                ``deadline`` (aware datetimes or ISO texts with a zone).

        Raises:
            NotFound: the project, or a task in ``after``, does not exist.
            StateError: a key is unknown, or a value is missing or wrong.
        """
        task = task_of(project_id, task_data)
        return self._database.write(tasks.create, task)

    def get_task(self, task_id: int) -> Task:
        """Return a task as it truly stands: stored as running by a process that is gone, it is interrupted.

        Nothing is written. Owners on other hosts are believed.

        Raises:
            NotFound: there is none with that id.
        """
        return self._database.read(tasks.find, task_id)

    def get_task_and_project(self, task_id: int) -> tuple[Task, Project]:
        """Return a task as :meth:`get_task` does, and the project it belongs to.

        Raises:
            NotFound: there is no such task.
        """
        return self._database.read(tasks.find_with_project, task_id)

    def list_tasks(
        self, project_id: int | None = None, status: TaskStatus | str | None = None, limit: int | None = 50
    ) -> tuple[Task, ...]:
        """Return tasks as they truly stand (see :meth:`get_task`), the last changed first; ``None`` is all."""
        wanted = None if status is None else word(TaskStatus, status)
        return self._database.read(tasks.newest, project_id, wanted, limit)

    def start_task(
        self,
        task_id: int,
        *,
        owner: str = "",
        base_snapshot: str = "",
        run: Mapping[str, Any] | None = None,
    ) -> Task:
        """Set a task running, for *owner* (this process when empty), and return it, with its new ``fence``.

        A task whose owner on this host is gone is taken over, and an event ``owner_lost`` says so. An empty
        *base_snapshot* keeps the one that is stored. *run* is plain data about a new run, kept as its first step;
        without it, the steps of an interrupted attempt stay, see :meth:`steps`.

        Raises:
            NotFound: there is none with that id.
            TaskBusy: another process is working on it, or one on another host may be.
            IllegalStatus: its status does not allow it; the message lists what is allowed.
        """
        return self._database.write(tasks.start, task_id, owner or this_process(), base_snapshot, run)

    def take_over(self, task_id: int, *, working_dir: str | os.PathLike[str], reason: str) -> Task:
        """Free a task of which the caller knows that its owner lost it, living or not, and return it.

        Its project moves to *working_dir*. What the old owner still writes is refused.

        Raises:
            NotFound: there is none with that id.
        """
        return self._database.write(taking_over.take_over, task_id, os.fspath(working_dir), reason)

    def require_free(self, task_id: int) -> None:
        """Do nothing when nobody works on a task.

        Raises:
            NotFound: there is none with that id.
            TaskBusy: a process is working on it, or one on another host may be.
        """
        found = self._database.read(tasks.find_as_stored, task_id)
        if found.status is TaskStatus.RUNNING:
            holding.refuse_if_busy(found, also_when_unknown=True)

    def record_step(self, task: Task, step: Step, *, seen: int | None = None) -> tuple[Control, ...]:
        """Keep one step of the attempt under way, so that another process can go on behind it.

        Args:
            task: as :meth:`start_task` returned it.
            step: the number of the attempt, the position in it (each once), and JSON data or records.
            seen: the newest request that the run has heard of.

        Returns:
            What people asked of the task since *seen*, as :meth:`controls` says; nothing where it is ``None``.

        Raises:
            TaskBusy: the task was released or given to another process since then; nothing was written.
            StateError: the position is taken, or the data is not JSON.
        """
        return self._database.write(controls.keep_step, task, step, seen)

    def steps(self, task_id: int) -> tuple[Step, ...]:
        """Return what is kept of the attempt under way, in order; nothing once the run has ended."""
        return self._database.read(steps.of_task, task_id)

    def record_attempt(
        self,
        attempt: Attempt,
        *,
        status: TaskStatus | None = None,
        reason: str = "",
        fence: int | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Attempt:
        """Store an attempt, its checks, decision, breakpoint and event, and what it means for its task.

        The steps that were kept of it go.

        Args:
            attempt: with ``task_id`` and ``number`` set; ids and the breakpoint's time are given here.
            status: how the task ends with this attempt; ``None`` leaves it running.
            reason: one sentence on the task's status.
            fence: the number of the start that this attempt belongs to; ``None`` is not checked.
            run: what the run has used up before the next attempt, as in :meth:`start_task`.

        Returns:
            The attempt as stored, with ``id`` and the ids of ``decision.breakpoint``. Text that cannot be stored
            is replaced as :mod:`obra.state.encoding` says.

        Raises:
            NotFound: there is no such task.
            IllegalStatus: the task is not running, or may not become *status*.
            TaskBusy: another process owns the task, or it was started anew since *fence*.
            StateError: the number is taken, a score is not from 0 to 100, or something is not JSON.
        """
        ends = None if status is None else word(TaskStatus, status)
        return self._database.write(attempts.record, attempt, ends, reason, fence=fence, run=run)

    def finish_task(
        self,
        task_id: int,
        status: TaskStatus,
        reason: str,
        *,
        breakpoint: Breakpoint | None = None,  # noqa: A002  # the noun of the whole house
        fence: int | None = None,
    ) -> Task:
        """End a running task for a cause that is no attempt's decision, and return it.

        A task whose owner is gone, or on another host, may be ended by anyone: that is how a person frees it.
        The steps of its attempt under way are kept when it is interrupted.

        Raises:
            NotFound: there is none with that id.
            IllegalStatus: it may not become *status*; the message lists what is allowed.
            TaskBusy: another living process of this host is working on it, or it was started anew since *fence*.
        """
        ends = word(TaskStatus, status)
        return self._database.write(tasks.finish, task_id, ends, reason, opened=breakpoint, fence=fence)

    def attempts(self, task_id: int) -> tuple[Attempt, ...]:
        """Return all attempts at a task, in order, equal to what was recorded.

        The breakpoint of a decision shows how it stands today.

        Raises:
            NotFound: there is no such task.
        """
        return self._database.read(attempts.of_task, task_id)

    def get_decision(self, attempt_id: int) -> Decision:
        """Return the decision of one attempt, with all that it was made from.

        Raises:
            NotFound: there is no such attempt.
        """
        return self._database.read(attempts.decision, attempt_id)
