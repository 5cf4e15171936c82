"""Exit codes of a run of scenarios, beside those of pytest and the shell. They stand in docs/statistics.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from obra.domain import Record


class RunExit(IntEnum):
    """How a run ended. 2 to 10 are pytest's: interrupted, internal error, wrong usage, no tests and others."""

    OK = 0
    FAILED = 1
    """A test failed: an agent, a verdict, or a test that has nothing to do with Obra."""
    GATE_FAILED = 11
    """A gate that was asked for does not hold: pass rate, false accepts, baseline."""
    MACHINERY_BROKE = 12
    """Nothing failed, but for some runs there is no verdict."""
    LEFT_OUT = 13
    """Nothing failed, but the budget was used up before everything had run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending(Record):
    """What happened in a run, as far as its exit code goes."""

    failed: bool = False
    """A test failed that no gate answers for."""
    gate_failed: bool = False
    machinery_broke: bool = False
    left_out: bool = False


def exit_of(ending: Ending) -> RunExit:
    """Return the exit code: the first that holds of gate, failure, machinery, left out."""
    for holds, code in (
        (ending.gate_failed, RunExit.GATE_FAILED),
        (ending.failed, RunExit.FAILED),
        (ending.machinery_broke, RunExit.MACHINERY_BROKE),
        (ending.left_out, RunExit.LEFT_OUT),
    ):
        if holds:
            return code
    return RunExit.OK
