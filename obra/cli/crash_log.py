"""The log of an error that nobody foresaw: all that is known of it, and no secret."""

from __future__ import annotations

import os
import platform
import re
import tempfile
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from obra import __version__

_SECRET_NAME = r"(?:key|token|secret|passw|credential)"  # noqa: S105  # a pattern, no password
_SECRET_ARGUMENT = re.compile(rf"^([^=]*{_SECRET_NAME}[^=]*=)(.+)", re.IGNORECASE | re.DOTALL)
_ADDRESS_LOGIN = re.compile(r"://[^/@\s]+@")
_SHORTEST_SECRET = 6
"""Characters; shorter values of the environment are words like "true", and would blot out half of the log."""


def without_secrets(argument: str) -> str:
    """Return ``name=value`` with ``***`` for a value whose name sounds secret, and for a login in an address."""
    return _ADDRESS_LOGIN.sub("://***@", _SECRET_ARGUMENT.sub(r"\1***", argument))


def hider(arguments: Sequence[str]) -> Callable[[str], str]:
    """Return a function that blots out every secret that the arguments or the environment hold."""
    found = [match[2] for match in map(_SECRET_ARGUMENT.match, arguments) if match]
    found += [value for name, value in os.environ.items() if re.search(_SECRET_NAME, name, re.IGNORECASE)]
    secrets = sorted((value for value in found if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return _ADDRESS_LOGIN.sub("://***@", text)

    return hide


def write_log(error: Exception, arguments: Sequence[str]) -> Path:
    """Write traceback, versions and arguments to a new file that only its owner can read, and return its path.

    It lies in ``.obra/`` of the current folder, or in the folder for temporary files when that cannot be written.

    Raises:
        OSError: neither can be written.
    """
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
        file.write(hider(arguments)(text))
    return Path(path)
