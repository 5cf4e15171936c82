"""Searching for a regular expression that may never come to an end.

Python's ``re`` can take longer than the age of the universe for a few dozen characters (``(a+)+$``), and a search
cannot be stopped from inside the process. So the search runs in a process of its own that is ended when its time
is up. It costs the start of a bare interpreter, about 10 to 20 ms; a search for plain text costs nothing like it.
"""

from __future__ import annotations

import re
import string
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

_SEARCH = """
import re, sys
length = int(sys.stdin.buffer.readline())
pattern = sys.stdin.buffer.read(length).decode("utf-8", "surrogatepass")
text = sys.stdin.buffer.read().decode("utf-8", "replace")
print("found" if re.search(pattern, text, re.MULTILINE) else "missing")
"""


_LINE = "".join(one for one in string.printable if one not in "\n\r\v\f")
_PROBE_SECONDS = 10.0


def _compiled(pattern: str) -> str:
    try:
        fits_nothing = re.compile(pattern, re.MULTILINE).search("") is not None
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression of Python: {error}") from error
    if fits_nothing and _fits_everything(pattern):
        raise ValueError(
            f"the pattern {pattern!r} fits every text, also an empty one, so the check could never fail; "
            f"write what must be found"
        )
    return pattern


@lru_cache(maxsize=256)
def _fits_everything(pattern: str) -> bool:
    """Tell whether a pattern that fits the empty text fits all others, too, such as ``(x)*``; ``^$`` does not."""
    try:
        return all(is_found(pattern, text.encode("utf-8", "replace"), _PROBE_SECONDS) for text in _probes(pattern))
    except TimeoutError:
        return False


def _probes(pattern: str) -> Iterator[str]:
    """Yield texts of all kinds; what a pattern forbids (``(?!...)``) stands in the pattern itself."""
    yield "a"
    yield " \n"
    yield _LINE * 50
    yield "some line\n" * 1000
    yield from (pattern, pattern.replace("\\", ""), re.sub(r"\W+", " ", pattern))


Pattern = Annotated[str, Field(strict=True), AfterValidator(_compiled)]
"""A regular expression; ``^`` and ``$`` fit at each line, the search may begin anywhere."""


def is_found(pattern: str, text: bytes, timeout: float) -> bool:
    """Tell whether *pattern* fits somewhere in *text* (UTF-8; other bytes are read as U+FFFD).

    Raises:
        TimeoutError: the search was not over after *timeout* seconds.
        RuntimeError: the searching process ended without an answer.
    """
    encoded = pattern.encode("utf-8", "surrogatepass")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _SEARCH],
            input=b"%d\n%s%s" % (len(encoded), encoded, text),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"the search for {pattern!r} did not end within {timeout:g} s") from error
    answer = done.stdout.strip()
    if done.returncode != 0 or answer not in (b"found", b"missing"):
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"the search for {pattern!r} broke: {last or f'exit code {done.returncode}'}")
    return answer == b"found"
