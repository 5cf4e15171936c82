"""What is printed: lines that no agent's text can corrupt, tables, and JSON."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, TextIO

import click

from obra.cli.patience import make_way
from obra.errors import ObraError

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All but newline and tab: they could move the cursor, recolour the screen or turn text around."""


_asides: list[bool] = []
"""Not empty while what is said goes to standard error; of all threads, since more than one tells of a run."""


class OutputLost(ObraError):
    """Standard output can no longer be written, for another reason than that its reader went away."""


class Styled(str):
    """Text of ours with colour in it; :func:`say` lets it through as it is."""

    __slots__ = ()


def styled(text: str, colour: str = "", *, bold: bool = False) -> Styled:
    """Return *text* coloured for a terminal; plain with NO_COLOR (https://no-color.org) or TERM=dumb."""
    text = printable(text)
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not (colour or bold):
        return Styled(text)
    return Styled(click.style(text, fg=colour or None, bold=bold or None))


def printable(text: str) -> str:
    r"""Return *text* with control characters written out, such as ``\x1b``."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def say(*parts: str, error: bool = False) -> None:
    """Print the parts as one line; whatever is not :class:`Styled` is made printable.

    When the reader has gone (``obra task list | head``) nothing more is printed, and the work goes on.

    Raises:
        OutputLost: the output cannot be written for another reason, such as a full disk.
    """
    line = "".join(part if isinstance(part, Styled) else printable(part) for part in parts)
    _print(f"{line}\n", sys.stderr if error or _asides else sys.stdout)


def hand_over(parts: Iterable[str]) -> None:
    """Print the pieces of one document as they stand. Where output goes to a file, it gets all of it or nothing.

    Raises:
        OutputLost: as :func:`say`.
    """
    begin = _size_of(sys.stdout)
    try:
        for part in parts:
            _print(part, sys.stdout, begin)
    except ObraError:
        _cut(sys.stdout, begin)
        raise


def _size_of(stream: TextIO) -> int | None:
    """Return how many bytes the file behind *stream* has, or ``None`` where there is no file behind it."""
    try:
        found = os.fstat(stream.fileno())
    except io.UnsupportedOperation:  # whoever called us put something else in its place
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _print(text: str, stream: TextIO, begin: int | None = None) -> None:
    make_way()
    try:
        click.echo(text, file=stream, nl=False)
    except OSError as problem:
        _cut(stream, begin)
        _let_go(stream)
        if problem.errno != errno.EPIPE:
            raise OutputLost(
                f"the output cannot be written: {problem.strerror}; make room, or send it elsewhere"
            ) from problem


def _cut(stream: TextIO, begin: int | None) -> None:
    """Cut the file behind *stream* to the size that it had; a stream that was let go is no such file any more."""
    if begin is not None and stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        os.ftruncate(stream.fileno(), begin)


@contextmanager
def aside(*, asked: bool = True) -> Iterator[None]:
    """Print what is said meanwhile on standard error, when *asked*: standard output is for JSON that follows."""
    _asides.extend([True] * asked)
    try:
        yield
    finally:
        del _asides[len(_asides) - asked :]


def open_closed_streams() -> None:
    """Lead a standard stream that was closed before we began (``obra run FILE 2>&-``) nowhere.

    Else the next file that is opened, the database perhaps, gets its number, and whatever writes to that stream
    without asking us writes into the file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is the one that is missing
            os.set_inheritable(number, True)  # noqa: FBT003  # it takes no keyword
            setattr(sys, name, os.fdopen(number, mode))


def use_any_text() -> None:
    """Let text that the terminal's encoding does not know be printed as escapes, not end the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns; each cell becomes one line."""
    cells = [[" ".join(printable(str(cell)).split()) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    say(styled(_in_columns(headings, widths), bold=True))
    for row in cells:
        say(_in_columns(row, widths))


def as_json(value: Any) -> None:
    """Print records, mappings and lists as JSON."""
    say(json.dumps(value, default=_plain, indent=2))


def number(score: float | None) -> str:
    """Return a score with one decimal, or a dash when there is none."""
    return "-" if score is None else f"{score:.1f}"


def counted(count: int, noun: str) -> str:
    """Return ``1 attempt`` or ``2 attempts``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def one_line(text: str) -> str:
    """Return *text* without its line ends: what an agent or a model wrote must not look like a line of ours."""
    return " ".join(text.splitlines())


def first_line(text: str, limit: int = 100) -> str:
    """Return the first line of *text* that is not empty, cut to *limit* characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _in_columns(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be written as JSON")


def _let_go(stream: TextIO) -> None:
    """Send what still comes on *stream* nowhere, so that neither a later line nor the exit fails on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
