"""What is told about tasks and runs: breakpoints and their answers, events, and how runs of scenarios fared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from obra.domain import Breakpoint, BreakpointStatus, Control
from obra.errors import StateError
from obra.state import breakpoints, controls, journal, run_history
from obra.state.database import Database
from obra.state.run_history import RunCase

Word = TypeVar("Word", bound=StrEnum)


class Story:
    """The part of StateManager that tells; every method is one transaction."""

    _database: Database

    def breakpoints(
        self,
        *,
        task_id: int | None = None,
        status: BreakpointStatus | str | None = None,
        limit: int | None = 50,
    ) -> tuple[Breakpoint, ...]:
        """Return breakpoints, the newest first; ``None`` means all."""
        wanted = None if status is None else word(BreakpointStatus, status)
        return self._database.read(breakpoints.newest, task_id, wanted, limit)

    def open_breakpoint(self, wanted: Breakpoint) -> Breakpoint:
        """Store an open breakpoint of a task, and return it with its id and time.

        Raises:
            NotFound: there is no such task.
        """
        return self._database.write(breakpoints.open_alone, wanted)

    def record_permission(self, asked: Breakpoint, answer: str, *, request: str = "") -> Breakpoint:
        """Store what the agent asked for in the middle of a turn together with its answer, and return it.

        Args:
            asked: the question.
            answer: what was answered.
            request: the agent's own name of the question; it stands in the event that tells of the answer.

        Raises:
            NotFound: there is no such task.
        """
        return self._database.write(breakpoints.open_resolved, asked, answer, request)

    def resolve_breakpoint(
        self, breakpoint_id: int, answer: str, *, run: Mapping[str, Any] | None = None
    ) -> Breakpoint:
        """Store a person's answer and return the breakpoint.

        Args:
            breakpoint_id: which one.
            answer: what the person says.
            run: for whoever begins the next run at once: what that may use, as in ``start_task``. The escalated
                task is interrupted then, so that a death before that run begins is one that is gone on behind.
                Without it the task itself is not changed.

        Raises:
            NotFound: there is none with that id.
            IllegalStatus: it was answered before, or there is a *run* and its task is not escalated.
        """
        return self._database.write(breakpoints.resolve, breakpoint_id, answer, run)

    def record_event(self, task_id: int, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event to the story of a task.

        Raises:
            NotFound: there is no such task.
            StateError: *data* is not JSON.
        """
        self._database.write(journal.tell, task_id, kind, data)

    def events(self, task_id: int) -> tuple[Mapping[str, Any], ...]:
        """Return the story of a task, oldest first: mappings of ``id, task_id, kind, data, at``.

        Kinds written here are ``started, owner_lost, attempt, ended, breakpoint_resolved, control,
        control_obeyed``.

        Raises:
            NotFound: there is no such task.
        """
        return self._database.read(journal.events, task_id)

    def events_of_kind(self, kind: str) -> tuple[tuple[int, Mapping[str, Any]], ...]:
        """Return task and data of all events of one kind, the newest first; it reads the stories of all tasks."""
        return self._database.read(journal.of_kind, kind)

    def ask(self, control: Control) -> Control:
        """Store what a person asks of a running task; its process obeys, wherever it runs, within two seconds.

        A ``pause`` holds the run between two steps (the turn under way is finished), ``resume`` lets it go on,
        ``stop`` breaks off whatever is under way, the agent's turn too, and leaves the task interrupted, to be
        resumed. ``say`` adds a message to the next prompt. ``override`` decides the attempt ``attempt_number``
        (the one under way when 0) instead of Obra.

        Returns:
            The request with its id, time and attempt; :meth:`controls` says later what became of it.

        Raises:
            NotFound: there is no such task.
            IllegalStatus: it is not running; a message may also wait for the next run, unless it is completed.
            StateError: a message or reason is empty, or an override names no action.
        """
        return self._database.write(controls.ask, control)

    def obey(self, control: Control, effect: str) -> Control:
        """Store what became of a request, in words, and return it with that; only the task's process says so."""
        return self._database.write(controls.obeyed, control, effect)

    def controls(self, task_id: int, *, after: int = 0) -> tuple[Control, ...]:
        """Return what people asked of a task since the request with the id *after*, the oldest first.

        ``effect`` is empty where it waits. A task is paused when the last obeyed one of ``pause`` and ``resume``
        is a ``pause`` and the task is running.
        """
        return self._database.read(controls.of_task, task_id, after)

    def record_run(
        self, name: str, started_at: datetime, *, exit_status: int, seconds: float, cases: Iterable[RunCase]
    ) -> None:
        """Add a run of scenarios to the history.

        Args:
            name: its id, which is also the name of its report folder.
            started_at: when it began.
            exit_status: how it ended.
            seconds: its wall clock time.
            cases: how each case fared.

        Raises:
            StateError: a run of that name is stored already.
        """
        self._database.write(
            run_history.record, name, started_at, exit_status=exit_status, seconds=seconds, cases=cases
        )

    def run_cases(self, case: str | None = None, *, limit: int = 20) -> tuple[RunCase, ...]:
        """Return how cases, or one of them, fared in the newest *limit* runs, the oldest of these first."""
        return self._database.read(run_history.newest, case, limit)


def word(words: type[Word], given: str) -> Word:
    """Return the status that *given* names."""
    try:
        return words(given)
    except ValueError as error:
        raise StateError(f"there is no status {given!r}; it may be {', '.join(words)}") from error
