"""Searching for a regular expression that may never come to an end.

Python's ``re`` can take longer than the age of the universe for a few dozen characters (``(a+)+$``), and a search
cannot be stopped from inside the process. So the search runs in a process of its own that is ended when its time
is up. It costs the start of a bare interpreter, about 10 to 20 ms; a search for plain text costs nothing like it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Annotated

from pydantic import AfterValidator, Field

_SEARCH = """
import re, sys
length = int(sys.stdin.buffer.readline())
pattern = sys.stdin.buffer.read(length).decode("utf-8", "surrogatepass")
text = sys.stdin.buffer.read().decode("utf-8", "replace")
print("found" if re.search(pattern, text, re.MULTILINE) else "missing")
"""


def _compiled(pattern: str) -> str:
    if not pattern:
        raise ValueError("an empty pattern fits everything; write what must be found")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression of Python: {error}") from error
    return pattern


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
