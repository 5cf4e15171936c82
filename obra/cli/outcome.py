"""The last words of a run: how it ended, why, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obra.cli.output import counted, number, one_line, say, styled
from obra.domain import Breakpoint, BreakpointStatus, Outcome, TaskStatus

if TYPE_CHECKING:
    from obra.cli.options import Chosen
    from obra.scenarios.scenario_run import ScenarioReport
    from obra.state.state_manager import StateManager

STATUS_COLOURS = {
    TaskStatus.COMPLETED: "green",
    TaskStatus.ESCALATED: "yellow",
    TaskStatus.FAILED: "red",
    TaskStatus.INTERRUPTED: "yellow",
}


def tell_outcome(outcome: Outcome, state: StateManager, chosen: Chosen) -> None:
    """Print how a task ended and the commands that lead on."""
    status = styled(outcome.status, STATUS_COLOURS.get(outcome.status, ""), bold=True)
    say(styled(f"task {outcome.task_id} ", bold=True), status, f": {one_line(outcome.reason)}")
    cost = "unknown" if outcome.cost_usd is None else f"${outcome.cost_usd:.4f}"
    say(
        f"  {counted(outcome.iterations, 'attempt')}, quality {number(outcome.quality_score)}, "
        f"confidence {number(outcome.confidence)}, {outcome.seconds:.1f} s, cost {cost}"
    )
    if opened := _stored_breakpoint(outcome, state):
        answer = chosen.again(f"obra breakpoint resolve {opened.id} 'YOUR ANSWER'")
        say(f"  breakpoint {opened.id} ({opened.trigger}): {one_line(opened.reason)}")
        say(f"  answer it:  {answer}")
    say(f"  see all:    {chosen.again(f'obra task show {outcome.task_id}')}")
    if outcome.status is not TaskStatus.COMPLETED:
        say(f"  go on:      {chosen.again(f'obra run --task {outcome.task_id}', agent=True)}")


def tell_report(report: ScenarioReport) -> None:
    """Print whether a scenario ended as it should, and what was missed if not."""
    mark = styled("passed", "green", bold=True) if report.passed else styled("FAILED", "red", bold=True)
    how = "" if report.passed else f" ({report.result})"
    count = len(report.expectations) + len(report.truth)
    met = f"{how}: {count - len(report.shortfalls)} of {counted(count, 'expectation')} met"
    say(styled(f"scenario {report.case or report.scenario} ", bold=True), mark, met)
    for one in report.shortfalls:
        for count, line in enumerate(f"{one_line(one.name)}: {one.message}".splitlines()):
            say("          " if count else "  missed  ", line)


def _stored_breakpoint(outcome: Outcome, state: StateManager) -> Breakpoint | None:
    """Return the breakpoint that ended the task; one that no attempt opened gets its id from the database."""
    opened = outcome.breakpoint
    if opened is None or opened.id:
        return opened
    stored = state.breakpoints(task_id=outcome.task_id, status=BreakpointStatus.OPEN, limit=1)
    return stored[0] if stored else None
