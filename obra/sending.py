"""The send step: one prompt, sent again after a turn that broke down, while retries are left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from obra.domain import Reply
from obra.errors import AgentError, AgentUnavailable, ScriptExhausted
from obra.events import AgentActed, AgentEvent, FileTouched, Observer, TurnRetried
from obra.plugins import AgentPlugin
from obra.settings import Settings
from obra.task_run import TaskRun

Watch = Callable[[Path, Callable[[str, str], None]], AbstractContextManager[Any]]


def send(
    run: TaskRun,
    prompt: str,
    agent: AgentPlugin,
    *,
    settings: Settings,
    watch: Watch,
    tell: Observer,
    before_retry: Callable[[], None],
) -> Reply:
    """Send one prompt; a turn that crashed or timed out is sent again while retries are left.

    *before_retry* is called when it is certain that the prompt is sent again.

    Raises:
        AgentError: no turn came to an end.
    """

    def acted(event: AgentEvent) -> None:
        tell(AgentActed(task_id=run.task.id, number=run.number, event=event))

    def touched(path: str, kind: str) -> None:
        tell(FileTouched(task_id=run.task.id, number=run.number, path=path, kind=kind))

    earlier: AgentError | None = None
    while True:
        try:
            with watch(run.workspace.root, touched):
                reply = agent.send_prompt(prompt, limits=run.turn_limits(settings), on_event=acted)
        except (AgentUnavailable, ScriptExhausted) as error:
            # A script that ends because a broken turn used up its step is not the cause: that turn is.
            raise (earlier or error) from error
        except AgentError as error:
            earlier = error
            spend_retry(run, error, before_retry=before_retry, tell=tell)
        else:
            run.prompts += 1
            return reply


def spend_retry(run: TaskRun, error: AgentError, *, before_retry: Callable[[], None], tell: Observer) -> None:
    """Count a turn that *error* ended, and use up one retry for it.

    Raises:
        AgentError: it is *error*, and no retry is left.
    """
    run.prompts += 1
    if run.retries_left <= 0 or run.limit_passed():
        raise error
    run.retries_left -= 1
    before_retry()
    left = run.retries_left
    tell(TurnRetried(task_id=run.task.id, number=run.number, error=str(error), retries_left=left))
