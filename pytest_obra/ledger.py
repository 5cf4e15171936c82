"""What the workers of one run tell each other: which runs ended, how, and what they used up."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from obra.statistics.budget import Budget, used_up
from obra.statistics.gates import GateState, certain
from obra.statistics.runs import measure
from obra.statistics.trials import MACHINERY_BROKE, PASSED
from pytest_obra.repeats import Repeat

if TYPE_CHECKING:
    from filelock import FileLock

Key = tuple[str, str, bool]

WORKER_INPUT = "obra_ledger"
"""Under this key a worker of xdist is given the ledger's address."""


class Ledger:
    """An append-only file that all workers read before a run and write after it, one at a time.

    Args:
        path: the file; it is made with the first line.
        started: when the whole run began, in seconds since the epoch.
        budget: what the whole run may use up.
        minimum: the pass rate of the gate that repeats may be stopped for; ``None`` keeps them all.
    """

    def __init__(self, path: Path, *, started: float, budget: Budget, minimum: float | None) -> None:
        self._path = path
        self._started = started
        self._budget = budget
        self._minimum = minimum
        self._lock: FileLock | None = None
        self._read_to = 0
        self._costs: list[float | None] = []
        self._tokens: list[float | None] = []
        self._results: dict[Key, dict[int, str]] = {}

    def left_out(self) -> str:
        """Return why no further run may begin, or nothing."""
        self._catch_up()
        return used_up(
            self._budget,
            cost_usd=measure(self._costs),
            tokens=measure(self._tokens),
            seconds=time.time() - self._started,
        )

    def certain(self, key: Key, repeat: Repeat) -> str:
        """Return why a repeat of a case cannot change the gate's verdict any more, or nothing."""
        if self._minimum is None or repeat.bare:
            return ""
        self._catch_up()
        ends = self._results.get(key, {})
        judged = [result for result in ends.values() if result != MACHINERY_BROKE]
        passed = judged.count(PASSED)
        state = certain(passed=passed, judged=len(judged), left=repeat.of - len(judged), minimum=self._minimum)
        if state is GateState.UNDECIDED:
            return ""
        return (
            f"not needed: {passed} of {len(judged)} passed, so whatever the rest of {repeat.of} repeats show, the "
            f"gate --obra-min-pass-rate={self._minimum:g} is {state}"
        )

    def record(self, key: Key, repeat: int, row: dict[str, Any]) -> None:
        """Tell all workers how a run ended.

        Args:
            key: file and case, agent, and whether it ran without Obra.
            repeat: which run of the case it was.
            row: with ``result``, ``cost_usd`` and ``tokens``.
        """
        line = [*key, repeat, row["result"], row["cost_usd"], row["tokens"]]
        with self._locked(), self._path.open("a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps(line)}\n")

    def _catch_up(self) -> None:
        with self._locked():
            if not self._path.exists():
                return
            with self._path.open("rb") as stream:
                stream.seek(self._read_to)
                lines = stream.readlines()
                self._read_to = stream.tell()
        for line in lines:
            case, agent, bare, repeat, result, cost, tokens = json.loads(line)
            self._costs.append(cost)
            self._tokens.append(tokens)
            ends = self._results.setdefault((case, agent, bare), {})
            if ends.get(repeat, MACHINERY_BROKE) == MACHINERY_BROKE:  # the first verdict counts, reruns do not
                ends[repeat] = result

    def _locked(self) -> FileLock:
        if self._lock is None:
            from filelock import FileLock

            self._lock = FileLock(f"{self._path}.lock")
        return self._lock


def open_ledger(config: pytest.Config, path: str, started: float) -> Ledger:
    """Return the ledger at *path* for the options of *config*."""
    option = config.getoption
    return Ledger(
        Path(path),
        started=started,
        budget=Budget(
            usd=option("--obra-budget-usd"),
            tokens=option("--obra-budget-tokens"),
            seconds=option("--obra-budget-seconds"),
        ),
        minimum=option("--obra-min-pass-rate") if option("--obra-early-stop") else None,
    )
