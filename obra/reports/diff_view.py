"""A unified diff as data: files, and lines with their numbers. Total: what is no diff comes out as remarks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_STARTS = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_KINDS = {"+": "added", "-": "removed", " ": "same", "": "same"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """One line; ``kind`` is ``added, removed, same, hunk`` or ``remark``. A line without a number has ``None``."""

    kind: str
    text: str
    old: int | None = None
    new: int | None = None


@dataclass(slots=True, kw_only=True)
class FileDiff:
    """What a diff says of one file."""

    path: str
    lines: list[DiffLine] = field(default_factory=list)

    @property
    def added(self) -> int:
        """Number of lines that were added."""
        return sum(line.kind == "added" for line in self.lines)

    @property
    def removed(self) -> int:
        """Number of lines that were removed."""
        return sum(line.kind == "removed" for line in self.lines)


def files_of(patch: str) -> list[FileDiff]:
    """Return the files of a unified diff as git writes it; an empty list for an empty text."""
    files: list[FileDiff] = []
    lines = iter(patch.replace("\r\n", "\n").rstrip("\n").split("\n") if patch else ())
    for line in lines:
        if line.startswith("diff --git ") or not files:
            files.append(FileDiff(path=_path_of_header(line)))
        one = files[-1]
        if _HUNK.match(line):
            one.lines.extend(_hunk(line, lines))
        elif line.startswith("+++ ") and line != "+++ /dev/null":
            one.path = _without_prefix(line[4:])
        elif line.startswith("--- ") and line != "--- /dev/null":
            one.path = one.path or _without_prefix(line[4:])
        elif not line.startswith(("diff --git ", "index ", "+++ ", "--- ")):
            one.lines.append(DiffLine(kind="remark", text=line))
    return files


def _hunk(head: str, lines: Iterator[str]) -> Iterator[DiffLine]:
    """Yield the lines that a hunk's head promises, and no more: a removed line may look like a head itself."""
    sizes, starts = _HUNK.match(head), _STARTS.match(head)
    assert sizes is not None and starts is not None  # noqa: S101, PT018  # the caller asked; tells mypy so
    old_left, new_left = (1 if size is None else int(size) for size in sizes.groups())
    old, new = int(starts[1]), int(starts[2])
    yield DiffLine(kind="hunk", text=head)
    while old_left > 0 or new_left > 0:
        line = next(lines, None)
        if line is None:
            return
        kind = _KINDS.get(line[:1], "remark")
        has_old, has_new = kind in {"same", "removed"}, kind in {"same", "added"}
        yield DiffLine(
            kind=kind,
            text=line if kind == "remark" else line[1:],
            old=old if has_old else None,
            new=new if has_new else None,
        )
        old, old_left = old + has_old, old_left - has_old
        new, new_left = new + has_new, new_left - has_new


def _path_of_header(line: str) -> str:
    """Return the path of ``diff --git a/x b/x``, which names it twice; empty when it cannot be told."""
    names = line.removeprefix("diff --git ")
    half = len(names) // 2
    first, second = names[:half], names[half + 1 :]
    return _without_prefix(second) if _without_prefix(first) == _without_prefix(second) else ""


def _without_prefix(name: str) -> str:
    name = name.partition("\t")[0]
    if name.startswith('"') and name.endswith('"'):
        name = name[1:-1]
    return name[2:] if name.startswith(("a/", "b/")) else name
