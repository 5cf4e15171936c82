"""Notifier: tells a webhook and a command of breakpoints and ends, within a time limit, and says how that went."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from obra.errors import StateError
from obra.events import BreakpointOpened, Event, Notified, TaskEnded
from obra.logbook import logger
from obra.notifying.channels import CommandChannel, NotDelivered, WebhookChannel
from obra.settings import NotificationSettings

Recorder = Callable[[int, str, Mapping[str, Any]], None]

_LONGEST = 4000
"""Characters of a reason that are sent; it can quote what an agent wrote."""
_FIRST_PAUSE = 0.25
"""Seconds before the second try; each further pause is twice as long."""


class Notifier:
    """Delivers one message for each breakpoint that opens, and for each end of a task where that is asked for.

    Nothing that goes wrong outside reaches the run: a message is given up after ``timeout`` seconds or
    ``1 + retries`` tries, whatever comes first. How it went is returned as events and stored in the story of the
    task (kinds ``notified`` and ``notification_failed``). A process that is killed between storing a breakpoint
    and telling of it tells nobody.

    Args:
        settings: whom to tell, and the limits.
        hide: blots out secrets; everything that leaves goes through it.
        record: stores an event in the story of a task.

    Raises:
        ConfigError: the webhook is no address.
    """

    def __init__(self, settings: NotificationSettings, *, hide: Callable[[str], str], record: Recorder) -> None:
        self._settings, self._hide, self._record = settings, hide, record
        self._channels: list[WebhookChannel | CommandChannel] = []
        if settings.webhook is not None:
            self._channels.append(WebhookChannel(settings.webhook.get_secret_value()))
        if settings.command:
            self._channels.append(CommandChannel(settings.command))

    def __call__(self, event: Event) -> Iterator[Notified]:
        """Tell of *event* if it is one to tell of; yield for each channel how it went."""
        message = self._message(event)
        if message is None:
            return
        text = json.dumps(message)
        for channel in self._channels:
            yield self._deliver(channel, message["task"], message["event"], text)

    def _message(self, event: Event) -> dict[str, Any] | None:
        match event:
            case BreakpointOpened(breakpoint=opened):
                return {
                    "event": "breakpoint_opened",
                    "task": opened.task_id,
                    "attempt": opened.attempt_number,
                    "breakpoint": opened.id,
                    "trigger": str(opened.trigger),
                    "reason": self._hide(opened.reason)[:_LONGEST],
                    "answer_with": f"obra breakpoint resolve {opened.id} 'YOUR ANSWER'",
                }
            case TaskEnded(outcome=outcome) if self._settings.on_end:
                return {
                    "event": "task_ended",
                    "task": outcome.task_id,
                    "status": str(outcome.status),
                    "reason": self._hide(outcome.reason)[:_LONGEST],
                    "attempts": outcome.iterations,
                    "quality": outcome.quality_score,
                    "confidence": outcome.confidence,
                    "seconds": round(outcome.seconds, 1),
                    "cost_usd": outcome.cost_usd,
                }
        return None

    def _deliver(self, channel: WebhookChannel | CommandChannel, task_id: int, about: str, text: str) -> Notified:
        tries, problem = self._try(channel, text)
        told = Notified(
            task_id=task_id, about=about, channel=channel.name, tries=tries, problem=self._hide(problem)
        )
        kind = "notification_failed" if problem else "notified"
        try:
            self._record(task_id, kind, {"about": about, "channel": channel.name, "tries": tries} | _why(told))
        except StateError as error:  # the run itself will say what is wrong with its database
            logger.warning("task %d: %s could not be stored: %s", task_id, kind, error)
        return told

    def _try(self, channel: WebhookChannel | CommandChannel, text: str) -> tuple[int, str]:
        deadline = time.monotonic() + self._settings.timeout
        problem, tries = "", 0
        while tries <= self._settings.retries:
            if tries:
                pause = _FIRST_PAUSE * 2 ** (tries - 1)
                if time.monotonic() + pause >= deadline:
                    return tries, f"{problem}; given up after {self._settings.timeout:g} s"
                time.sleep(pause)
            tries += 1
            try:
                channel.deliver(text, max(deadline - time.monotonic(), 0.01))
            except NotDelivered as error:
                problem = str(error)
                if error.is_final:
                    break
            else:
                return tries, ""
        return tries, problem


def _why(told: Notified) -> dict[str, str]:
    return {"problem": told.problem} if told.problem else {}
