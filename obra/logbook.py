"""The log: where it goes, and what the loop writes into it. An observer like any other; it decides nothing."""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from obra.config import Config
from obra.errors import ConfigError
from obra.events import (
    AgentActed,
    BreakpointOpened,
    Decided,
    Event,
    Notified,
    PromptReady,
    Steered,
    TaskEnded,
    TaskStarted,
    TurnRetried,
)
from obra.settings import LoggingSettings

logger = logging.getLogger("obra.loop")

_OURS = "obra"
"""Name of the logger above all of ours, and of the handler that is ours to replace."""
_place: ContextVar[Mapping[str, int]] = ContextVar("place", default=MappingProxyType({}))
"""Task, its start number and attempt that this thread is at, or was at last."""


def configure_logging(config: Config) -> None:
    """Send the log of Obra's own modules where the settings say; other libraries' logs are left alone.

    Without a file it goes to standard error, unless whoever runs us has set up logging: then it is theirs.

    Raises:
        ConfigError: the file cannot be opened.
    """
    settings = config.settings.logging
    ours = logging.getLogger(_OURS)
    if ours.level != getattr(logging, settings.level):
        ours.setLevel(settings.level)
    if any(isinstance(one, _StandardError) and one.settings == settings for one in ours.handlers):
        return  # as it was for the run before
    handler = _file_handler(Path(settings.file)) if settings.file else _StandardError(settings)
    if settings.format == "json":
        handler.setFormatter(_JSONLines())
    handler.name = _OURS
    for old in [one for one in ours.handlers if one.name == _OURS]:
        ours.removeHandler(old)
        old.close()
    ours.addHandler(handler)


def run_id() -> str:
    """Return the id of this run: the variable ``OBRA_RUN_ID``, else one made here and left to its children."""
    return os.environ.setdefault("OBRA_RUN_ID", f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")


def log_event(event: Event) -> None:
    """Write down what happened: WARNING a turn sent again, INFO the milestones, DEBUG what the agent did."""
    _follow(event)
    if not (isinstance(event, TurnRetried | Notified) or logger.isEnabledFor(logging.INFO)):
        return
    match event:
        case TaskStarted(task=task):
            logger.info("task %d starts: %s", task.id, _line(task.title))
        case PromptReady(task_id=task_id, number=number, prompt=prompt):
            logger.debug("task %d, attempt %d: a prompt of %d characters", task_id, number, len(prompt))
        case AgentActed(task_id=task_id, number=number, event=acted):
            logger.debug("task %d, attempt %d: %s %s", task_id, number, acted.kind, _line(acted.text))
        case TurnRetried(task_id=task_id, number=number, error=error, retries_left=left):
            text = "task %d, attempt %d: the turn failed and is sent again (retries left: %d): %s"
            logger.warning(text, task_id, number, left, _line(error))
        case Decided(task_id=task_id, number=number, decision=decision):
            logger.info("task %d, attempt %d: %s: %s", task_id, number, decision.action, _line(decision.reason))
        case BreakpointOpened(breakpoint=opened):
            text = "task %d: breakpoint %d (%s): %s"
            logger.info(text, opened.task_id, opened.id, opened.trigger, _line(opened.reason))
        case TaskEnded(outcome=outcome):
            text = "task %d ends %s after %d attempt(s): %s"
            logger.info(text, outcome.task_id, outcome.status, outcome.iterations, _line(outcome.reason))
        case Steered() | Notified():
            _log_people(event)


def _log_people(event: Steered | Notified) -> None:
    """Write down what people asked of the run, and what they were told of it."""
    match event:
        case Steered(task_id=task_id, number=number, control=control):
            text = "task %d, attempt %d: %s asks to %s %s (%s)"
            told = control.effect or "heard"
            logger.info(text, task_id, number, control.by, control.act, _line(control.text), told)
        case Notified(task_id=task_id, about=about, channel=channel, tries=tries, problem=problem) if problem:
            text = "task %d: %s was not told of %s (tries: %d): %s"
            logger.warning(text, task_id, channel, about, tries, _line(problem))
        case Notified(task_id=task_id, about=about, channel=channel):
            logger.info("task %d: %s was told of %s", task_id, channel, about)


def _follow(event: Event) -> None:
    """Remember which task and attempt this thread is at, for the lines that are written below the loop."""
    match event:
        case TaskStarted(task=task):
            _place.set({"task": task.id, "start": task.fence})
        case PromptReady(number=number):
            _place.set({**_place.get(), "attempt": number})


def _line(text: str) -> str:
    """Return *text* on one line and writable as UTF-8, so that no agent can forge or break a line of the log."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")


def _file_handler(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(
            f"logging.file: {path} cannot be opened: {error.strerror}; name a file that can be written"
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


class _JSONLines(logging.Formatter):
    """One JSON object for each line; ``run``, ``task``, ``start`` and ``attempt`` say where it belongs."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "run": run_id(),
            **_place.get(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _StandardError(logging.Handler):
    """Standard error as it is at that moment; silent where somebody else handles the log."""

    def __init__(self, settings: LoggingSettings) -> None:
        super().__init__()
        self.settings = settings
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if logging.getLogger().handlers or sys.stderr is None or sys.stderr.closed:
            return
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except OSError:  # nobody reads it any more; the work goes on
            self.handleError(record)
