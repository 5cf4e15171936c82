"""Fenced code in a reply, by the rules of CommonMark 0.31, section 4.5, as far as replies need them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from obra.domain import Record

DEEPEST_INDENT = 3
"""More spaces than this make indented code, not a fence (CommonMark 4.5)."""
SHORTEST_FENCE = 3

_CONTAINERS = re.compile(r"(?:[ \t>]*+([-*+]|[0-9]{1,9}[.)])[ ])*+[ \t>]*+")
"""Quote and list markers at the beginning of a line (CommonMark 5.1 and 5.2); possessive, so linear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence(Record):
    """One fenced block. ``language`` is the first word of its info string, in lower case."""

    language: str
    body: str
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Markdown(Record):
    """A reply taken apart: the prose, and the fenced blocks in order."""

    prose: str
    fences: tuple[Fence, ...] = ()
    ends_in_fence: bool = False
    """True when nothing but white space follows the last block."""


@dataclass(slots=True)
class _Open:
    """A fence that waits for its end."""

    marker: str
    length: int
    language: str
    deepest: int
    body: list[str]


def read_markdown(text: str) -> Markdown:
    """Take *text* apart; blocks in quotes and list items count too. Takes time linear in its length."""
    prose: list[str] = []
    fences: list[Fence] = []
    current: _Open | None = None
    item_indent = 0
    ends_in_fence = False
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if current is not None:
            if _closes(line, current):
                fences.append(_finished(current, closed=True))
                current = None
            else:
                current.body.append(line)
            continue
        if not line.strip():
            prose.append(line)
            continue
        content, indent, item_indent = _inside_containers(line, item_indent)
        current = _opens(content, indent, item_indent)
        ends_in_fence = current is not None
        if current is None:
            prose.append(line)
    if current is not None:
        fences.append(_finished(current, closed=False))
    return Markdown(prose="\n".join(prose), fences=tuple(fences), ends_in_fence=ends_in_fence)


def _inside_containers(line: str, item_indent: int) -> tuple[str, int, int]:
    """Look through quote and list markers.

    Returns:
        The rest of the line, its column, and the column at which the content of the current list item begins.
    """
    prefix = next(_CONTAINERS.finditer(line))  # there always is one: the pattern matches the empty text
    column = prefix.end()
    if prefix.group(1):
        return line[column:], column, prefix.end(1) + 1
    return line[column:], column, item_indent if column >= item_indent else 0


def _opens(content: str, column: int, item_indent: int) -> _Open | None:
    marker = content[:1]
    if marker not in {"`", "~"} or column - item_indent > DEEPEST_INDENT:
        return None
    info = content.lstrip(marker)
    length = len(content) - len(info)
    if length < SHORTEST_FENCE or (marker == "`" and "`" in info):
        return None
    words = info.split(maxsplit=1)
    return _Open(marker, length, words[0].lower() if words else "", column + DEEPEST_INDENT, [])


def _closes(line: str, fence: _Open) -> bool:
    bare = line.lstrip(" \t>")
    if len(line) - len(bare) > fence.deepest:
        return False
    rest = bare.lstrip(fence.marker)
    return len(bare) - len(rest) >= fence.length and not rest.strip(" \t")


def _finished(fence: _Open, *, closed: bool) -> Fence:
    return Fence(language=fence.language, body="\n".join(fence.body), closed=closed)
