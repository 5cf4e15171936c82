"""The numbers of a whole run, counted from its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from obra.reports.rows import MACHINERY_BROKE
from obra.statistics.fidelity import fidelities
from obra.statistics.runs import run_statistics
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
        rows: rows of :mod:`obra.reports.rows`, or the lines that :func:`line_of` makes of them.
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
    lines = [{**line_of(row), "counts": False} for row in rows]
    counted = counting(lines)
    for line in counted:
        line["counts"] = True
    seen = Counter(line["result"] for line in counted if not line["bare"])
    counts = {result: seen[result] for result in (*JUDGED, MACHINERY_BROKE)}
    judged = sum(counts[result] for result in JUDGED)
    return {
        "counts": {**counts, "not_run": len(not_run)},
        "reruns": len(lines) - len(counted),
        "pass_rate": counts["passed"] / judged if judged else None,
        "totals": {
            **_total("seconds", lines),
            **_total("cost_usd", lines),
            **_total("tokens", lines),
        },
        "statistics": run_statistics(lines).as_data(),
        "fidelity": [one.as_data() for one in fidelities(lines, agents)],
        "seconds": seconds,
        "exit_status": exit_status,
        "scenarios": lines,
        "not_run": list(not_run),
    }


def line_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few values of a row that a table shows."""
    return {key: row[key] for key in LINE_KEYS}


def _total(key: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [line[key] for line in lines if line[key] is not None]
    unknown = len(lines) - len(known)
    return {key: None if unknown else sum(known), f"{key}_known": sum(known), f"{key}_unknown": unknown}
