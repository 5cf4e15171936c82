r"""File names are bytes; records, JSON and databases want text. This is the way there and back.

A name that is UTF-8 without a backslash, which is nearly every name, stays as it is. Otherwise a backslash is
written ``\\`` and each byte that is not UTF-8 ``\xNN``, so that no two names become the same text.
"""

from __future__ import annotations

import re

_ESCAPED = re.compile(rb"\\(\\|x[0-9a-f]{2})")


def to_text(name: bytes) -> str:
    """Return *name* (one name or a path with ``/``) as text that can be encoded and turned back."""
    return name.replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")


def to_bytes(text: str) -> bytes:
    """Return the name that :func:`to_text` made *text* from."""
    return _ESCAPED.sub(_unescape, text.encode("utf-8"))


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return code if code == b"\\" else bytes.fromhex(code[1:].decode("ascii"))
