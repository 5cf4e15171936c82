"""The log of an error that nobody foresaw: all that is known of it, and no secret."""

from __future__ import annotations

import platform
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from obra import __version__
from obra.redaction import hider, secrets_in, without_secrets


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
        file.write(hider(secrets_in(arguments))(text))
    return Path(path)
