"""What stands in the four panes, as Rich texts: every foreign word is made harmless here, and none is markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from obra.domain import Breakpoint, BreakpointStatus
from obra.state.owners import describe
from obra.watching.harmless import harmless, lines_of, one_line
from obra.watching.scene import Detail, TaskLine, Work

STYLES: Mapping[str, str] = {
    "completed": "green",
    "escalated": "yellow",
    "failed": "red",
    "interrupted": "magenta",
    "running": "cyan",
    "proceed": "green",
    "retry": "yellow",
    "clarify": "yellow",
    "escalate": "magenta",
    "open": "bold yellow",
}
_DIFF = {"+": "green", "-": "red", "@": "cyan"}
_NARROW = 52
"""Columns below which a task's line leaves out what it cost."""
_MOST_DIFF_LINES = 4000
_MOST_LIVE_LINES = 400
_MOST_FILES = 40
_ACTS = 4


def task_line(line: TaskLine, now: datetime, width: int) -> Text:
    """Return one task as a line for a pane of *width* columns: id, state, attempt, time, cost, title."""
    task = line.task
    state = line.stage or task.status
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{task.id:>3} ")
    text.append(f"{state:<11} ", STYLES["running" if line.is_running else task.status] if _known(line) else "")
    text.append(f"{line.attempt or '-':>2} {elapsed(line.seconds(now)):>6} ")
    if width >= _NARROW:
        text.append(f"{cost_of(line):>7} ")
    text.append(harmless(task.title, 200))
    text.truncate(max(1, width), overflow="ellipsis")
    return text


def _known(line: TaskLine) -> bool:
    return line.is_running or line.task.status in STYLES


def execution(detail: Detail | None, now: datetime, width: int) -> Text:
    """Return what is shown of the chosen task below the list: where it stands, and what its agent did last.

    Each act is one line of *width* columns: the last is what counts, and a long one must not push it out of sight.
    """
    if detail is None:
        return Text("no task yet", "dim")
    line, task = detail.line, detail.line.task
    text = Text()
    text.append(f"task {task.id} ", "bold")
    text.append(line.stage or task.status, STYLES.get("running" if line.is_running else task.status, ""))
    text.append(f"  attempt {line.attempt}, {elapsed(line.seconds(now))}, {cost_of(line)}")
    if task.quality_score is not None:
        text.append(f"\nquality {task.quality_score:.1f}, confidence {number(task.confidence)}")
    if not line.is_running and task.status_reason:
        text.append(f"\n{one_line(task.status_reason, 300)}")
    for asked in [one for one in detail.controls if line.is_running and one.attempt_number >= line.attempt][-2:]:
        text.append(f"\n{one_line(asked.by, 60)} asks to {asked.act} {one_line(asked.text, 100)}", "yellow")
        text.append(f": {one_line(asked.effect, 300)}" if asked.effect else ": not seen yet")
    for act in detail.acts[-_ACTS:]:
        did = Text(f"{act.at:%H:%M:%S} {one_line(act.kind, 12)}: {one_line(act.text, 300)}")
        did.stylize("dim", 0, len("00:00:00"))
        did.truncate(max(1, width), overflow="ellipsis")
        text.append("\n").append_text(did)
    return text


def database(detail: Detail | None, breakpoints: Sequence[Breakpoint]) -> Text:
    """Return the rows that the plan's monitor asks for: task, attempts, breakpoints, the newest first."""
    text = Text()
    if detail is not None:
        _tell_task(text, detail)
    text.append(f"breakpoint  {len(breakpoints)}\n", "bold")
    for one in breakpoints:
        text.append(f"{one.id:>3} {one.status:<8} ", STYLES["open"] if is_open(one) else "dim")
        text.append(f"task {one.task_id} {one.trigger}: {one_line(one.reason, 300)}\n")
        if one.answer:
            text.append(f"     answer: {one_line(one.answer, 300)}\n", "dim")
    return _closed(text)


def _tell_task(text: Text, detail: Detail) -> None:
    task = detail.line.task
    text.append("project  ", "bold").append(f"{detail.project.id} {one_line(detail.project.name, 100)} ")
    text.append(f"({harmless(detail.project.status)})\n", "dim")
    text.append("task  ", "bold").append(f"{task.id} ").append(task.status, STYLES.get(task.status, ""))
    text.append(f"  {one_line(task.title, 200)}\n")
    if task.updated_at is not None:
        text.append(f"updated {task.updated_at:%Y-%m-%d %H:%M:%S} UTC, start {task.fence}", "dim")
    text.append(f"\nattempt  {len(detail.attempts)}\n", "bold")
    for one in reversed(detail.attempts):
        text.append(f"{one.number:>3} ").append(f"{one.action:<8} ", STYLES.get(one.action, ""))
        text.append(
            f"q {one.quality:.1f} c {one.confidence:.1f} {one.seconds:.1f} s: {one_line(one.reason, 300)}\n"
        )


def work(seen: Work | None) -> Text:
    """Return the workspace: what is looked at, the files that changed, and the diff."""
    if seen is None:
        return Text("no task yet", "dim")
    text = Text()
    text.append("now  " if seen.is_live else "as the last attempt left it  ", "cyan" if seen.is_live else "dim")
    text.append(f"{one_line(seen.where, 300)}\n", "dim")
    if seen.problem:
        text.append(f"{one_line(seen.problem, 500)}\n", "yellow")
    for change in seen.changes[:_MOST_FILES]:
        text.append(f"{change.kind:<9} ", "bold")
        text.append(f"{harmless(change.path, 300)} (+{change.added} -{change.removed})\n")
    if len(seen.changes) > _MOST_FILES:
        text.append(f"and {len(seen.changes) - _MOST_FILES} more files\n")
    if not seen.changes and not seen.problem:
        text.append("nothing has changed since the task began\n")
    text.append_text(diff(seen.patch, _MOST_LIVE_LINES))
    return text


def diff(patch: str, most: int = _MOST_DIFF_LINES) -> Text:
    """Return a unified diff in colours."""
    text = Text()
    for line in lines_of(patch.removesuffix("\n"), most) if patch else ():
        style = "bold" if line.startswith(("diff --git", "+++", "---")) else _DIFF.get(line[:1], "")
        text.append(f"{line}\n", style)
    return _closed(text)


def event_line(event: Mapping[str, Any]) -> str:
    """Return one event of a task's story in words."""
    return f"{event['at']:%H:%M:%S} task {event['task_id']} {_told(event['kind'], event['data'])}"


def _told(kind: str, told: Mapping[str, Any]) -> str:
    words = {key: one_line(str(value), 300) for key, value in told.items()}
    match kind, words:
        case "started", {"owner": owner}:
            said = f"started by {describe(owner)}"
        case "attempt", {"number": number, "action": action, "status": status}:
            said = f"attempt {number}: {action}" + ("" if status == "running" else f", {status}")
        case "ended", {"status": status, "reason": reason}:
            said = f"ended {status}: {reason}"
        case "breakpoint_resolved", {"breakpoint_id": key, "answer": answer}:
            said = f"breakpoint {key} is answered: {answer}"
        case "control", {"by": by, "act": act, "text": text}:
            said = f"{by} asks to {act} {text}"
        case "control_obeyed", {"effect": effect}:
            said = effect
        case _:
            said = f"{one_line(kind, 40)}: {', '.join(f'{one_line(key, 40)} {one}' for key, one in words.items())}"
    return said


def log_text(lines: Iterable[str]) -> Text:
    """Return lines of a log; warnings and errors stand out."""
    text = Text()
    for line in lines:
        shown = harmless(line)
        head = shown[:120]
        style = "red" if "ERROR" in head or "CRITICAL" in head else "yellow" if "WARNING" in head else ""
        text.append(f"{shown}\n", style)
    return _closed(text)


def _closed(text: Text) -> Text:
    """Return *text* without the end of its last line."""
    if text:
        text.right_crop(1)
    return text


def is_open(one: Breakpoint) -> bool:
    """Tell whether a breakpoint waits for an answer."""
    return one.status is BreakpointStatus.OPEN


def elapsed(seconds: float) -> str:
    """Return a length of time: ``4 s``, ``2:05`` or ``1:02:05``."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def cost_of(line: TaskLine) -> str:
    """Return what the task's finished attempts cost; ``+?`` says that some turn did not tell."""
    return f"${line.usage.cost_usd:.2f}{'' if line.usage.cost_known else '+?'}"


def number(score: float | None) -> str:
    """Return a score with one decimal, or a dash when there is none."""
    return "-" if score is None else f"{score:.1f}"
