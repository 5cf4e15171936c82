"""One run of one case, as statistics see it: read from a row of :mod:`obra.reports.rows` or from a line of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar

from obra.domain import Record
from obra.statistics.same_names import told_apart

Row = Mapping[str, Any]
RowType = TypeVar("RowType", bound=Mapping[str, Any])

PASSED = "passed"
VERDICT_WRONG = "verdict_wrong"
MACHINERY_BROKE = "machinery_broke"
_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Record):
    """One run of one case with one agent."""

    scenario: str
    case: str
    agent: str
    bare: bool
    """True when the agent worked without Obra."""
    repeat: int
    result: str
    status: str
    node: str
    reviewer: str
    seconds: float | None
    tokens: float | None
    cost_usd: float | None
    trace: tuple[str, ...]
    """What was seen, step by step; see :func:`trace_of`."""

    @property
    def is_judged(self) -> bool:
        """True when it came to a verdict."""
        return self.result != MACHINERY_BROKE

    @property
    def passed(self) -> bool:
        """True when the ending was right in every way."""
        return self.result == PASSED

    @property
    def is_false_accept(self) -> bool:
        """True when it was completed and the hidden checks, or the scenario, say otherwise."""
        return self.result == VERDICT_WRONG and self.status == "completed"

    @property
    def is_false_reject(self) -> bool:
        """True when good work was not accepted."""
        return self.result == VERDICT_WRONG and self.status != "completed"

    @property
    def key(self) -> tuple[str, str, bool]:
        """What the repeats of a case have in common."""
        return self.case, self.agent, self.bare


def key_of(row: Row) -> tuple[str, str, bool]:
    """Return :attr:`Trial.key` of a row or a line."""
    return row.get("case") or row["scenario"], row["agent"], bool(row.get("bare", False))


def trial_of(row: Row) -> Trial:
    """Read a row, or a line of ``summary.json``; rows of older runs lack the newer keys."""
    return Trial(
        scenario=row["scenario"],
        case=row.get("case") or row["scenario"],
        agent=row["agent"],
        bare=bool(row.get("bare", False)),
        repeat=row.get("repeat", 1),
        result=row["result"],
        status=row["status"] or "",
        node=row.get("node", ""),
        reviewer=row.get("llm_identity", ""),
        seconds=row["seconds"],
        tokens=row["tokens"],
        cost_usd=row["cost_usd"],
        trace=tuple(row.get("trace", ())),
    )


def trials_of(rows: Iterable[Row]) -> list[Trial]:
    """Return the runs that count, as :func:`counting` tells; cases that are called alike are told apart."""
    return [trial_of(row) for row in counting(told_apart(rows))]


def counting(rows: Iterable[RowType]) -> list[RowType]:
    """Return the rows that count: of each repeat the first run that came to a verdict, else its last one.

    Rows of one test are its executions; one that is called the first (``execution`` 1) begins another test.
    A rerun plugin repeats failures only, so what it adds is no fair sample: the verdict stands. When the machinery
    broke there was none, and the rerun takes its place.
    """
    kept: list[RowType] = []
    places: dict[tuple[str, str, bool, int, str, str], int] = {}
    for row in rows:
        key = (*key_of(row), row.get("repeat", 1), row.get("path", ""), row.get("node", ""))
        if key not in places or row.get("execution") == 1:
            places[key] = len(kept)
            kept.append(row)
        elif kept[places[key]]["result"] == MACHINERY_BROKE:
            kept[places[key]] = row
    return kept


def trace_of(attempts: Iterable[Row], truth: Iterable[Row]) -> list[str]:
    """Return one word for each step of a run: what it is of, and a digest of what was seen.

    Steps are ``work`` (the diff, and what is wrong with the reply as an answer), ``checks`` and ``review`` of each
    attempt, and ``truth``, the hidden checks. Times, outputs and the agent's prose are left out: they differ in
    every run and decide nothing.
    """
    trace: list[str] = []
    for attempt in attempts:
        changes = [(one["kind"], one["path"], one["old_path"]) for one in attempt["changes"]]
        unclean = (attempt["tampering"], attempt["problems"], bool(attempt["question"]), attempt["limit"])
        review = attempt["review"]
        answers = [(one["id"], one["verdict"]) for one in review["answers"]]
        trace += [
            _step("work", (attempt["patch"], changes, unclean)),
            _step("checks", _passed(attempt["checks"])),
            _step("review", (review["verdict"], review["score"], review["issues"], answers)),
        ]
    return [*trace, _step("truth", _passed(truth))]


def _passed(checks: Iterable[Row]) -> list[tuple[str, bool]]:
    return [(check["name"], check["passed"]) for check in checks]


def _step(name: str, seen: object) -> str:
    return f"{name} {blake2b(repr(seen).encode('utf-8', 'replace'), digest_size=_DIGEST_BYTES).hexdigest()}"
