"""One way to put a file in place: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from obra.errors import ReportError


def write_whole(path: Path, parts: Iterable[str]) -> None:
    """Put a file in place that holds all parts; readers see the old one or the new one, never half of it.

    A link stays, and what it leads to is replaced. What is no file, such as a pipe or ``/dev/stdout``, stays, too,
    and is written to as it is.

    Args:
        path: its folder must be there.
        parts: pieces of text, gone through once; written as UTF-8, with line ends as they stand.

    Raises:
        ReportError: it cannot be written; what was there before still is.
    """
    try:
        if _is_a_stream(path):
            with path.open("w", encoding="utf-8", newline="\n") as stream:
                stream.writelines(parts)
        else:
            _replace(Path(os.path.realpath(path)), parts)
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error


def _is_a_stream(path: Path) -> bool:
    there = path.exists() and not path.is_file() and not path.is_dir()
    return there or path.absolute().is_relative_to("/dev") or path.absolute().is_relative_to("/proc")


def _replace(path: Path, parts: Iterable[str]) -> None:
    unfinished = path.with_name(
        f".{path.name}.{os.getpid()}.unfinished"
    )  # another process may write the same file
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(parts)
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            unfinished.unlink(missing_ok=True)
        raise


def unwritable(path: Path, error: Exception) -> ReportError:
    """Return the error that says why a file cannot be written."""
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ReportError(f"{path} cannot be written: {why}; make room or name another place")
