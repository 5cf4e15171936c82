"""Git's loose objects: a file for each, packed with zlib, named by the hash of what is in it.

What most attempts need of a store is to put a few small objects there and to read them again. To load libgit2 for
that, with a cryptography library of its own, takes ten megabytes of memory in every process, so here is the plain
half. Packs, alternates and damaged objects are left to libgit2.

Format: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from pathlib import Path

_FASTEST = 1
"""zlib's level, which is also git's for loose objects."""


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
    try:
        descriptor, made = tempfile.mkstemp(prefix="tmp_obj_", dir=folder)
    except FileNotFoundError:
        Path(folder).mkdir(exist_ok=True)
        descriptor, made = tempfile.mkstemp(prefix="tmp_obj_", dir=folder)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            rest = memoryview(zlib.compress(content, _FASTEST))
            while rest:
                rest = rest[stream.write(rest) :]
            os.fchmod(descriptor, 0o444)
        os.rename(made, place)  # noqa: PTH104  # as above
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def read(objects: Path, name: str) -> tuple[bytes, bytes] | None:
    """Return the kind and the data of an object; ``None`` where no sound loose object of that name stands."""
    try:
        content = zlib.decompress(Path(objects, name[:2], name[2:]).read_bytes())
    except (OSError, zlib.error):
        return None
    if name_of(content) != name:
        return None
    head, _, data = content.partition(b"\0")
    return head.partition(b" ")[0], data
