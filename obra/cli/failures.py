"""Every way a command can end badly, and its exit code; nothing else in this room decides one.

2 means that what was asked for is wrong or cannot be had here; 1 an error that says what to do; 130 that a person
stopped it; 3 that something happened which nobody foresaw, and a log file tells all of it.
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from obra import __version__
from obra.cli.output import say, styled, use_any_text
from obra.errors import ConfigError, ObraError, PluginError, PrerequisiteError, ScenarioError

FAILED = 1
WRONG = 2
UNEXPECTED = 3
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""

_WRONG = (ConfigError, ScenarioError, PluginError, PrerequisiteError)
_SECRET_NAME = r"(?:key|token|secret|passw|credential)"  # noqa: S105  # a pattern, no password
_SECRET_ARGUMENT = re.compile(rf"^([^=]*{_SECRET_NAME}[^=]*=)(.+)", re.IGNORECASE | re.DOTALL)
_ADDRESS_LOGIN = re.compile(r"://[^/@\s]+@")
_SHORTEST_SECRET = 6
"""Characters; shorter values of the environment are words like "true", and would blot out half of the log."""


def exit_code_of(command: Callable[[], object], arguments: Sequence[str]) -> int:
    """Run *command*, explain on standard error how it ended if it ended badly, and return the exit code.

    A command returns its own exit code, or ``None`` for 0.
    """
    use_any_text()
    try:
        code = command()
    except click.ClickException as error:
        error.show()
        return WRONG
    except (click.Abort, KeyboardInterrupt) as error:
        return _interrupted(error)
    except ObraError as error:
        return _explained(error)
    except Exception as error:  # noqa: BLE001  # the last line of defence; the log holds all of it
        return _unexpected(error, arguments)
    return code if isinstance(code, int) else 0


def without_secrets(argument: str) -> str:
    """Return ``name=value`` with ``***`` for a value whose name sounds secret, and for a login in an address."""
    return _ADDRESS_LOGIN.sub("://***@", _SECRET_ARGUMENT.sub(r"\1***", argument))


def _explained(error: ObraError) -> int:
    say(styled("Error: ", "red"), str(error), error=True)
    for note in getattr(error, "__notes__", ()):
        say(note, error=True)
    return WRONG if isinstance(error, _WRONG) else FAILED


def _interrupted(error: BaseException) -> int:
    stopped = error.__cause__ or error  # click turns Ctrl-C into its own Abort
    notes = getattr(stopped, "__notes__", ())
    say("Interrupted: ", "; ".join(notes) or "nothing was under way", error=True)
    return INTERRUPTED


def _unexpected(error: Exception, arguments: Sequence[str]) -> int:
    hide = _hider(arguments)
    try:
        where = f"all of it stands in {_log(error, arguments, hide)}; please report it with that file"
    except OSError as problem:
        where = f"and no log could be written: {problem}"
    said = hide(str(error).partition("\n")[0])
    say(styled("Unexpected: ", "red"), f"{type(error).__name__}: {said}; {where}", error=True)
    return UNEXPECTED


def _hider(arguments: Sequence[str]) -> Callable[[str], str]:
    """Return a function that blots out every secret that the arguments or the environment hold."""
    found = [match[2] for match in map(_SECRET_ARGUMENT.match, arguments) if match]
    found += [value for name, value in os.environ.items() if re.search(_SECRET_NAME, name, re.IGNORECASE)]
    secrets = sorted((value for value in found if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return _ADDRESS_LOGIN.sub("://***@", text)

    return hide


def _log(error: Exception, arguments: Sequence[str], hide: Callable[[str], str]) -> Path:
    """Write traceback, versions and arguments to a new file that only its owner can read."""
    now = datetime.now(UTC)
    text = "\n".join(
        (
            f"time       {now.isoformat(timespec='seconds')}",
            f"obra       {__version__}",
            f"Python     {platform.python_version()} on {platform.platform()}",
            f"arguments  {[without_secrets(one) for one in arguments]}",
            "",
            "".join(traceback.format_exception(error)),
        )
    )
    prefix = f"error-{now:%Y%m%d-%H%M%S}-"
    try:
        folder = Path(".obra")
        folder.mkdir(exist_ok=True)
        handle, path = tempfile.mkstemp(".log", prefix, folder)
    except OSError:
        handle, path = tempfile.mkstemp(".log", f"obra-{prefix}")
    with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123  # a descriptor
        file.write(hide(text))
    return Path(path)
