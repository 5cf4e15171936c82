"""StoredRun: a run as its folder holds it, read back for pages and exports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from obra.errors import ReportError
from obra.reports.rows import error_row
from obra.reports.summary import summarize
from obra.sabotage.matrix import matrix

CONCLUSION = ("agents", "gates", "comparison", "uplift", "not_run_reasons")
"""What a run was judged by as a whole, why tests did not run, and the agents as asked for."""
_SINCE_THEN: Mapping[str, Any] = {
    "parameters": {},
    "repeat": 1,
    "bare": False,
    "llm_identity": "",
    "title": "",
    "description": "",
    "markers": [],
    "execution": 1,
    "sandbox": "",
    "trace": [],
    "human": [],
    "tasks": [],
}
"""Keys that rows of older versions lack, and what their absence means."""
_KEYS = error_row(scenario="", agent="", path="", node="", message="").keys()
"""Those of every row."""
_SINCE_THEN_IN_ATTEMPTS: Mapping[str, Any] = {
    "started_at": None,
    "agent_seconds": None,
    "session": "",
    "tokens_in": None,
    "tokens_out": None,
    "decision_inputs": {},
    "stages": [],
    "events": [],
    "events_left_out": 0,
}
_INTERRUPTED = 2
"""Exit status of a run of pytest that somebody stopped."""
_TO_THE_SECOND = len("20260131-235959")


def when(directory: Path) -> tuple[str, int]:
    """Return what sorts the folders of runs by age: the second in their names, and within one the last change."""
    return directory.name[:_TO_THE_SECOND], directory.stat().st_mtime_ns


class StoredRun:
    """The folder of one run, as :class:`obra.reports.run_writer.RunWriter` left it.

    Rows are read anew each time they are asked for, one at a time, so that a long run fits into memory.

    Args:
        directory: the run's own folder.

    Raises:
        ReportError: there are no results in it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._results = directory / "results.jsonl"
        self._sabotage = directory / "sabotage.jsonl"
        if not self._results.is_file() and not self._sabotage.is_file():
            raise ReportError(
                f"{directory} is no run: it has neither results.jsonl nor sabotage.jsonl; name the folder of a "
                f"run, such as reports/20261122-141500-ab12cd"
            )

    @classmethod
    def find(cls, name: str, reports: Path) -> StoredRun:
        """Return the run that *name* means: its folder, a file in it, its id in *reports*, or ``last``.

        Raises:
            ReportError: there is none.
        """
        path = Path(name)
        if path.is_file():
            return cls(path.parent)
        if path.is_dir():
            return cls(path)
        if name == "last":
            runs = [one.parent for one in reports.glob("*/*.jsonl") if one.stem in {"results", "sabotage"}]
            if not runs:
                raise ReportError(f"there is no run in {reports}; run 'pytest scenarios/' first, or name a folder")
            return cls(max(runs, key=when))
        if (reports / name).is_dir():
            return cls(reports / name)
        raise ReportError(f"there is no run {name!r}, neither as a folder nor in {reports}; 'last' is the newest")

    @classmethod
    def last_whole(cls, reports: Path) -> StoredRun:
        """Return the newest run of scenarios in *reports* that came to its end: what others may be measured by.

        A run that was killed or interrupted is none: part of it is missing, and whoever resumes it takes its rows.

        Raises:
            ReportError: there is none, or a summary is damaged.
        """
        runs = [one.parent for one in reports.glob("*/results.jsonl")]
        for folder in sorted(runs, key=when, reverse=True):
            run = cls(folder)
            if run._told().get("exit_status") not in {None, _INTERRUPTED}:
                return run
        raise ReportError(f"there is no run in {reports} that came to its end; run 'pytest scenarios/' first")

    @property
    def name(self) -> str:
        """The run's id."""
        return self.directory.resolve().name

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of :mod:`obra.reports.rows`, in the order that they ended in.

        Raises:
            ReportError: the file cannot be read, or holds something else.
        """
        for number, row in enumerate(_lines(self._results), start=1):
            for key, value in _SINCE_THEN.items():
                row.setdefault(key, value)
            row.setdefault("case", row.get("scenario", ""))
            if missing := sorted(_KEYS - row.keys()):
                raise ReportError(
                    f"{self._results}:{number} is no row of a report: it has no {', '.join(missing)}"
                )
            for attempt in row.get("attempts", ()):
                for key, value in _SINCE_THEN_IN_ATTEMPTS.items():
                    attempt.setdefault(key, value)
            yield row

    def summary(self) -> dict[str, Any]:
        """Return the numbers of the run, counted from its rows.

        What only the run itself knew (``environment``, ``not_run``, ``exit_status``, ``seconds``, and
        :data:`CONCLUSION`) comes from
        ``summary.json``; a run that was killed has none, and then ``exit_status`` and ``seconds`` are ``None``.

        Raises:
            ReportError: as :meth:`rows`.
        """
        told = self._told()
        counted = summarize(
            self.rows(),
            not_run=told.get("not_run", ()),
            exit_status=told.get("exit_status"),
            seconds=told.get("seconds"),
            agents=told.get("agents", ()),
        )
        variants = list(_lines(self._sabotage))
        return {
            "run": self.name,
            "environment": told.get("environment", {}),
            "is_whole": bool(told),
            **counted,
            **{key: told[key] for key in CONCLUSION if key in told},
            **({"sabotage": matrix(variants)} if variants else {}),
        }

    def _told(self) -> dict[str, Any]:
        path = self.directory / "summary.json"
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ReportError(f"{path} cannot be read: {error}; take it away to go on without it") from error
        if not isinstance(found, dict):
            raise ReportError(f"{path} holds no summary; take it away to go on without it")
        return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines; nothing when there is no such file."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    found = json.loads(line)
                except ValueError as error:
                    raise ReportError(f"{path}:{number} is no JSON ({error}); was the file cut off?") from error
                if not isinstance(found, dict):
                    raise ReportError(f"{path}:{number} is no row of a report, but {type(found).__name__}")
                yield found
    except FileNotFoundError:
        return
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from error
