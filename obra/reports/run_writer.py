"""RunWriter: the files of a run, ``results.jsonl``, ``sabotage.jsonl``, ``summary.json`` and ``report.md``."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obra.errors import ReportError
from obra.reports.atomic_file import unwritable, write_whole
from obra.reports.markdown import report_parts
from obra.reports.rows import json_line
from obra.reports.summary import Line, numbers_of, plain

if TYPE_CHECKING:
    from obra.statistics.runs import RunStatistics


def new_run_id(now: datetime) -> str:
    """Return a name for a run's folder, such as ``20261122-141500-ab12cd``; names sort by time.

    Args:
        now: the moment; one that knows its time zone is written in UTC.
    """
    moment = now.astimezone(UTC) if now.tzinfo else now
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class RunWriter:
    """Writes what a run shows, row by row, and its summary at the end.

    Nothing is written before the first row. Rows are not kept in memory: ``finish`` reads them back.

    Args:
        directory: the run's own folder; its name is the run id.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._results = directory / "results.jsonl"
        self._sabotage = directory / "sabotage.jsonl"
        self._lines: list[Line] = []
        self._variants: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any], text: str = "") -> Line:
        """Append one row to ``results.jsonl``; when this returns, other processes can read it.

        Args:
            row: of :mod:`obra.reports.rows`.
            text: what :func:`obra.reports.rows.json_line` made of it, where that is known already.

        Returns:
            The line that is kept for the summary.

        Raises:
            ReportError: it cannot be written; the file still holds whole lines only.
        """
        self._add(self._results, text or json_line(row), is_first=not self._lines)
        self._lines.append(Line(row))
        return self._lines[-1]

    def add_variant(self, row: Mapping[str, Any]) -> None:
        """Append the row of one saboteur's variant (:mod:`obra.sabotage.matrix`) to ``sabotage.jsonl``.

        Raises:
            ReportError: as :meth:`add`.
        """
        self._add(self._sabotage, json_line(row), is_first=not self._variants)
        self._variants.append(dict(row))

    def _add(self, path: Path, text: str, *, is_first: bool) -> None:
        line = text.encode() + b"\n"
        try:
            if is_first:
                self.directory.mkdir(parents=True, exist_ok=True)
            _append(path, line, "xb" if is_first else "ab")
        except FileExistsError as error:
            raise ReportError(
                f"the report {error.filename or self.directory} is there already and belongs to another run; "
                f"give each run a folder of its own"
            ) from error
        except OSError as error:
            raise unwritable(path, error) from error

    def finish(
        self,
        environment: Mapping[str, str],
        *,
        not_run: Sequence[str],
        exit_status: int,
        seconds: float,
        conclusion: Mapping[str, Any] | None = None,
        statistics: RunStatistics | None = None,
    ) -> None:
        """Write ``summary.json`` and ``report.md``, each whole or not at all; nothing when no row was added.

        Args:
            environment: versions by name.
            not_run: what was asked for and never ran.
            exit_status: the exit status of the whole run.
            seconds: its wall clock time.
            conclusion: what else the summary is to hold: ``agents``, ``gates``, ``comparison``, ``uplift``,
                ``not_run_reasons``.
            statistics: of the lines that :meth:`add` returned, where somebody has counted them already.

        Raises:
            ReportError: a file cannot be written or read back.
        """
        if not self._lines and not self._variants:
            return
        told = conclusion or {}
        numbers = numbers_of(
            self._lines,
            not_run=not_run,
            exit_status=exit_status,
            seconds=seconds,
            agents=told.get("agents", ()),
            statistics=statistics,
        )
        summary = {"run": self.directory.name, "environment": dict(environment), **numbers, **told}
        if self._variants:
            from obra.sabotage.matrix import matrix  # few runs have saboteurs

            summary["sabotage"] = matrix(self._variants)
        # Never all of it is in memory: cases and lines are made data one by one.
        write_whole(self.directory / "summary.json", chain(_lines_of(summary), "\n"))
        write_whole(self.directory / "report.md", report_parts(summary, self._rows(), environment))

    def _rows(self) -> Iterator[dict[str, Any]]:
        if not self._lines:
            return
        with self._results.open("rb") as stream:
            for line in stream:
                yield json.loads(line)


_ENCODER = json.JSONEncoder(allow_nan=False, default=plain)
_OPEN = 2
"""How deep the keys of mappings have lines of their own; to break up all lines would take many times as long."""


def _lines_of(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield JSON text in pieces, with a line for each key of the outer mappings and each entry of a list."""
    pad = "  " * depth
    inner = pad + "  "
    if isinstance(value, dict) and value and depth < _OPEN:
        for number, (key, one) in enumerate(value.items()):
            yield f"{',' if number else '{'}\n{inner}{_ENCODER.encode(key)}: "
            yield from _lines_of(one, depth + 1)
        yield f"\n{pad}}}"
    elif isinstance(value, list | tuple) and value:
        for number, one in enumerate(value):
            yield f"{',' if number else '['}\n{inner}{_ENCODER.encode(one)}"
        yield f"\n{pad}]"
    else:
        yield _ENCODER.encode(value)


def _append(path: Path, line: bytes, mode: str) -> None:
    """Write a whole line or nothing: what was written of it before an error is taken back."""
    with path.open(mode, buffering=0) as stream:
        end = stream.seek(0, os.SEEK_END)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[stream.write(rest) :]
        except OSError:
            stream.truncate(end)
            if not end:
                path.unlink()
            raise
