"""The numbers of a whole run, counted from its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from obra.reports.rows import MACHINERY_BROKE
from obra.statistics.fidelity import fidelities
from obra.statistics.runs import CaseStatistics, RunStatistics, run_statistics
from obra.statistics.trials import counting

JUDGED = ("passed", "agent_failed", "verdict_wrong")
"""Results that are a verdict. Broken machinery is none and never counts into the pass rate."""

LINE_KEYS = (
    "scenario",
    "case",
    "repeat",
    "execution",
    "bare",
    "agent",
    "llm_identity",
    "node",
    "path",
    "result",
    "status",
    "reason",
    "iterations",
    "quality",
    "confidence",
    "seconds",
    "cost_usd",
    "tokens",
    "trace",
)


_ALIKE = frozenset({"agent", "llm_identity", "result", "status", "reason"})
"""Keys whose texts are the same in most rows of a run."""


class Line(Mapping[str, Any]):
    """The few values of a row that a table shows, in a third of the memory that a ``dict`` takes.

    Attributes:
        counts: whether the row counts, as :func:`obra.statistics.trials.counting` tells.
    """

    __slots__ = (*(f"_{key}" for key in LINE_KEYS), "counts")

    def __init__(self, row: Mapping[str, Any]) -> None:
        for key in LINE_KEYS:
            value = row[key]
            if key in _ALIKE:
                value = _same(value)
            elif key == "trace":
                value = "\n".join(value)
            object.__setattr__(self, f"_{key}", value)
        self.counts = False

    def __getitem__(self, key: str) -> Any:
        """Return a value by its key: one of :data:`LINE_KEYS`, or ``counts``."""
        if key == "counts":
            return self.counts
        if key not in _KNOWN:
            raise KeyError(key)
        value = getattr(self, f"_{key}")
        if key == "trace":
            return value.split("\n") if value else []
        return value

    def __iter__(self) -> Iterator[str]:
        """Go through the keys."""
        return iter((*LINE_KEYS, "counts"))

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(LINE_KEYS) + 1

    def __repr__(self) -> str:
        """Return it as a mapping would be shown."""
        return f"Line({dict(self)!r})"


_KNOWN = frozenset(LINE_KEYS)


@lru_cache(maxsize=256)
def _same(text: str | None) -> str | None:
    return text


def summarize(
    rows: Iterable[Mapping[str, Any]],
    *,
    not_run: Sequence[str],
    exit_status: int | None,
    seconds: float | None,
    agents: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the numbers of a run as plain JSON data.

    Args:
        rows: rows of :mod:`obra.reports.rows`, or a :class:`Line` of each.
        not_run: what was asked for and never ran.
        exit_status: the exit status of the whole run; ``None`` when nobody knows it.
        seconds: its wall clock time; the same.
        agents: in the order in which they were asked for; the others are held to the first.

    Returns:
        ``counts`` of the runs with Obra that count (:func:`obra.statistics.trials.counting`); ``reruns``, the
        number of rows that do not, because the same test was run again; ``pass_rate`` from 0 to 1, or ``None``
        when nothing was judged; ``totals`` over all rows, each ``None`` as soon as one part is unknown, beside the
        sum of the known parts and the number of unknown ones; ``statistics``, as data
        (:class:`obra.statistics.runs.RunStatistics`); ``fidelity``, how alike several agents are
        (:class:`obra.statistics.fidelity.Fidelity`, each as data); ``scenarios``, one line for each row, with
        ``counts``;
        ``not_run``; ``exit_status``; ``seconds``.
    """
    numbers = numbers_of(
        [Line(row) for row in rows], not_run=not_run, exit_status=exit_status, seconds=seconds, agents=agents
    )
    cases = [plain(case) for case in numbers["statistics"]["cases"]]
    lines = [plain(line) for line in numbers["scenarios"]]
    return {**numbers, "statistics": {**numbers["statistics"], "cases": cases}, "scenarios": lines}


def numbers_of(
    lines: Sequence[Line],
    *,
    not_run: Sequence[str],
    exit_status: int | None,
    seconds: float | None,
    agents: Sequence[str] = (),
    statistics: RunStatistics | None = None,
) -> dict[str, Any]:
    """Return what :func:`summarize` does, with *lines* as they are, and the cases of ``statistics`` as records.

    Both are read by key, as their data would be. :func:`plain` makes that data, one by one: the data of all of
    thousands of cases takes many times as much memory as the cases. Whoever has counted *lines* already gives
    the *statistics*.
    """
    counted = counting(lines)
    for line in counted:
        line.counts = True
    seen = Counter(line["result"] for line in counted if not line["bare"])
    counts = {result: seen[result] for result in (*JUDGED, MACHINERY_BROKE)}
    judged = sum(counts[result] for result in JUDGED)
    statistics = statistics or run_statistics(lines)
    return {
        "counts": {**counts, "not_run": len(not_run)},
        "reruns": len(lines) - len(counted),
        "pass_rate": counts["passed"] / judged if judged else None,
        "totals": {
            **_total("seconds", lines),
            **_total("cost_usd", lines),
            **_total("tokens", lines),
        },
        "statistics": {"cases": statistics.cases, **statistics.whole_as_data()},
        "fidelity": [one.as_data() for one in fidelities(lines, agents)],
        "seconds": seconds,
        "exit_status": exit_status,
        "scenarios": lines,
        "not_run": list(not_run),
    }


def plain(one: object) -> dict[str, Any]:
    """Return a :class:`Line` or the statistics of a case as plain JSON data.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(one, Line):
        return {**one}
    if isinstance(one, CaseStatistics):
        return one.as_data()
    raise TypeError(f"{type(one).__name__} is neither a line of a summary nor the statistics of a case")


def _total(key: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [line[key] for line in lines if line[key] is not None]
    unknown = len(lines) - len(known)
    return {key: None if unknown else sum(known), f"{key}_known": sum(known), f"{key}_unknown": unknown}
