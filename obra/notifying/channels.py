"""The two ways out: a POST to a webhook, and a command of the person's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from obra.errors import ConfigError, WorkspaceError

_MOST_OUTPUT = 2000
"""Characters of a command's output that are kept to say why it failed."""
_WORTH_ANOTHER_TRY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class NotDelivered(Exception):
    """A message did not arrive; the text says why. It stays within this room.

    Attributes:
        is_final: another try would end the same.
    """

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


class WebhookChannel:
    """Sends JSON by POST. Only scheme, host and port of the address are ever shown.

    Raises:
        ConfigError: the address is none of http or https.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            place = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        except ValueError:
            parts, place = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not place:
            raise ConfigError(
                "notifications.webhook is no address such as https://chat.example/hooks/1; its value is not "
                "shown, as it can hold a key. Write the whole address, or remove the setting"
            )
        self._url = url
        self.name = f"webhook {parts.scheme}://{place}"

    def deliver(self, text: str, seconds: float) -> None:
        """Send *text*; an answer of 2xx means that it arrived. Redirects are not followed.

        The request runs in a thread of its own, because a server that sends a byte now and then outlasts every
        time limit of a single read.

        Raises:
            NotDelivered: it did not arrive within *seconds*.
        """
        ends: list[NotDelivered | None] = []
        thread = threading.Thread(
            target=lambda: ends.append(self._answer(text, seconds)), name="webhook", daemon=True
        )
        thread.start()
        thread.join(seconds)
        if not ends:
            raise NotDelivered(f"no answer within {seconds:.1f} s", is_final=True)
        if ends[0] is not None:
            raise ends[0]

    def _answer(self, text: str, seconds: float) -> NotDelivered | None:
        import httpx

        headers = {"Content-Type": "application/json", "User-Agent": "obra"}
        try:
            with httpx.stream(
                "POST", self._url, content=text.encode(), headers=headers, timeout=seconds
            ) as response:
                code = response.status_code
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            return NotDelivered(f"{type(error).__name__}: check notifications.webhook", is_final=True)
        except httpx.HTTPError as error:
            return NotDelivered(f"{type(error).__name__}: {error}")
        if HTTPStatus(200) <= code < HTTPStatus(300):
            return None
        again = code in _WORTH_ANOTHER_TRY or code >= HTTPStatus.INTERNAL_SERVER_ERROR
        return NotDelivered(f"it answered {code}", is_final=not again)


class CommandChannel:
    """Runs a program in the current folder and environment, with the message in ``OBRA_NOTIFICATION``."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self.name = f"command {Path(self._command[0]).name}"

    def deliver(self, text: str, seconds: float) -> None:
        """Run the program; exit code 0 means that it told whom it had to. What it started ends with it.

        Raises:
            NotDelivered: it could not be started, failed, or did not end within *seconds*.
        """
        from obra.workspace.processes import run_command

        variables = {**os.environ, "OBRA_NOTIFICATION": text}
        try:
            ended = run_command(
                self._command, cwd=Path.cwd(), environment=variables, timeout=seconds, max_output=_MOST_OUTPUT
            )
        except WorkspaceError as error:
            raise NotDelivered(str(error), is_final=True) from error
        if ended.timed_out:
            raise NotDelivered(f"it did not end within {seconds:.1f} s", is_final=True)
        if ended.exit_code:
            last = " ".join(ended.output.split())[-200:]
            raise NotDelivered(f"it ended with exit code {ended.exit_code}: {last or 'it printed nothing'}")
