"""Paths that a check names: refused when written wrongly, looked up without ever leaving the workspace."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

SEARCHED_BYTES = 64 * 1024 * 1024
"""Largest file that is read as a whole: far more than any source file, far less than memory."""


class Unusable(Exception):  # never leaves this room; str() ends the sentence "<path> ..."
    """A path that cannot be looked at; the text says why, as the end of a sentence about the path."""


class Missing(Unusable):
    """Nothing is at the path."""


def relative_path(text: str) -> str:
    """Return *text* as a plain path below the workspace, with ``/`` between its parts.

    Raises:
        ValueError: it is empty, absolute, names the workspace itself, or has a ``..`` or a null byte.
    """
    path = tree_path(text)
    if path == ".":
        raise ValueError("a path below the workspace is needed, not the workspace itself")
    return path


def tree_path(text: str) -> str:
    """Like :func:`relative_path`, but ``.``, the whole workspace, is welcome.

    Raises:
        ValueError: see :func:`relative_path`.
    """
    if not text.strip():
        raise ValueError("a path may not be empty")
    if "\0" in text:
        raise ValueError("a path may not have a null byte")
    if text.startswith("/"):
        raise ValueError("an absolute path leaves the workspace; write it relative to the workspace")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError("'..' can leave the workspace; write the path relative to the workspace")
    return "/".join(parts) or "."


def as_list(value: Any) -> Any:
    """Let one text stand for a list of one."""
    return [value] if isinstance(value, str) else value


RelativePath = Annotated[str, Field(strict=True), AfterValidator(relative_path)]
_ONE_OR_MANY = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
)
Paths = Annotated[tuple[RelativePath, ...], Field(min_length=1), BeforeValidator(as_list), _ONE_OR_MANY]
"""One path, or a list of them."""


def shown(path: str) -> str:
    """Return *path* for a sentence: as it is, or quoted where it could be misread or break the line."""
    plain = path.isprintable() and path == path.strip() and not set(path) & set("'\"`")
    return path if plain else repr(path)


def listed(names: Iterable[str], word: str = "and") -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    *head, last = names
    return f"{', '.join(head)} {word} {last}" if head else last


def locate(root: Path, path: str) -> Path:
    """Return where *path* really is, links followed.

    Raises:
        Unusable: nothing is there, or a link leads out of the workspace or in a circle.
    """
    try:
        real_root = os.path.realpath(root, strict=True)
    except OSError as error:
        raise NotADirectoryError(f"the workspace {root} cannot be read: {error.strerror}") from error
    try:
        real = _without_links(real_root, path) or os.path.realpath(Path(real_root, path), strict=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Missing("does not exist") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unusable("is a link that leads in a circle") from error
        raise Unusable(f"cannot be looked up: {error.strerror}") from error
    if not is_within(real, real_root):
        raise Unusable("leads out of the workspace through a link")
    return Path(real)


def _without_links(real_root: str, path: str) -> str:
    """Return where *path* is when no part of it is a link; nothing of what is above it is looked at again.

    Returns:
        Nothing where there is a link, or a part that is not plain.

    Raises:
        OSError: nothing is there.
    """
    parts, at = path.split("/"), real_root.rstrip("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        return ""
    for part in parts:
        at = f"{at}/{part}"
        if stat.S_ISLNK(os.lstat(at).st_mode):
            return ""
    return at


def locate_file(root: Path, path: str) -> Path:
    """Return where the regular file *path* really is.

    Raises:
        Unusable: it is not there, is no regular file, or is reached by a link from outside.
    """
    real = locate(root, path)
    mode = real.stat().st_mode
    if stat.S_ISDIR(mode):
        raise Unusable("is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise Unusable("is a special file (device, pipe or socket), not a regular file")
    return real


def read_file(root: Path, path: str, limit: int = SEARCHED_BYTES) -> bytes:
    """Return the bytes of the regular file *path*.

    Raises:
        Unusable: see :func:`locate_file`; or it has more than *limit* bytes, or may not be read.
    """
    real = locate_file(root, path)
    try:
        with real.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise Unusable(f"is larger than {limit // 1024 // 1024} MiB, which is more than this check reads")
    return data


def text_of(data: bytes | None) -> str:
    """Return *data* as text, what is no UTF-8 replaced; of no file, nothing."""
    return (data or b"").decode("utf-8", errors="replace")


def is_within(path: str, folder: str) -> bool:
    """Tell whether *path* is *folder* or lies below it; both as plain text, no links followed."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def matches(pattern: str, path: str) -> bool:
    """Tell whether *pattern* names *path* or a folder that *path* lies in.

    ``*``, ``?`` and ``[...]`` stay within one part of the path; a part ``**`` stands for any number of parts,
    also none. A part is also what it looks like, as ``[id].tsx`` is a name. Upper and lower case differ.
    """
    reached = {0}
    steps = pattern.split("/")
    for part in path.split("/"):
        reached = _open(reached, steps)
        if len(steps) in reached:
            return True
        stay = {at for at in reached if steps[at] == "**"}
        reached = stay | {
            at + 1 for at in reached - stay if steps[at] == part or _part_pattern(steps[at]).match(part)
        }
    return len(steps) in _open(reached, steps)


def _open(reached: set[int], steps: Sequence[str]) -> set[int]:
    """Add the places that can be reached by letting a ``**`` stand for nothing."""
    for at, step in enumerate(steps):
        if at in reached and step == "**":
            reached = reached | {at + 1}
    return reached


@cache
def _part_pattern(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part))
