"""Git's loose objects: a file for each, packed with zlib, named by the hash of what is in it.

What most attempts need of a store is to put a few small objects there and to read them again. To load libgit2 for
that, with a cryptography library of its own, takes ten megabytes of memory in every process, so here is the plain
half. Packs, alternates and damaged objects are left to libgit2.

Format: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
"""

from __future__ import annotations

import hashlib
import os
import secrets
import zlib
from itertools import count
from pathlib import Path

_FASTEST = 1
"""zlib's level, which is also git's for loose objects."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NUMBERS = count()
_MARK = secrets.token_hex(4)
"""Stands, with the process and a number, in the name of what is being written: nobody else writes there."""


def name_of(content: bytes) -> str:
    """Return the id of an object.

    Args:
        content: the whole object: its kind, a blank, the length of its data, a zero byte, and the data.
    """
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def write(objects: Path, name: str, content: bytes) -> None:
    """Put an object into its place in the folder *objects*: whole, or not at all.

    Raises:
        OSError: it cannot be written.
    """
    folder = f"{objects}/{name[:2]}"
    place = f"{folder}/{name[2:]}"
    if os.path.exists(place):  # noqa: PTH110  # a Path for each object costs more than the look
        return
    made = f"{folder}/tmp_obj_{_MARK}{os.getpid():x}_{next(_NUMBERS):x}"  # noqa: S108  # git's name, in our folder
    try:
        descriptor = os.open(made, _NEW, 0o600)
    except FileNotFoundError:
        Path(folder).mkdir(exist_ok=True)
        descriptor = os.open(made, _NEW, 0o600)
    try:
        try:
            rest = memoryview(zlib.compress(content, _FASTEST))
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fchmod(descriptor, 0o444)
        finally:
            os.close(descriptor)
        os.rename(made, place)  # noqa: PTH104  # as above
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def read(objects: Path, name: str) -> tuple[bytes, bytes] | None:
    """Return the kind and the data of an object; ``None`` where no sound loose object of that name stands."""
    try:
        with open(f"{objects}/{name[:2]}/{name[2:]}", "rb", buffering=0) as stream:  # noqa: PTH123  # as above
            content = zlib.decompress(stream.readall())
    except (OSError, zlib.error):
        return None
    if name_of(content) != name:
        return None
    head, _, data = content.partition(b"\0")
    return head.partition(b" ")[0], data
