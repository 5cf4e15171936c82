"""What a run shows for each event."""

from __future__ import annotations

from obra.cli.progress import Progress, describe_reply, describe_review
from obra.domain import ChangeKind, CheckResult, Evidence, FileChange, Reply, Review, Task, Verdict
from obra.events import (
    AgentActed,
    AgentEvent,
    AgentEventKind,
    EvidenceGathered,
    FileTouched,
    TaskStarted,
    TurnRetried,
)


def shown(capsys, *events):
    """The lines that the events print, with single blanks."""
    progress = Progress()
    for event in events:
        progress(event)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_acts_of_the_agent_are_shown_in_one_line_each(capsys):
    """Text is what it says, everything else what it does; what tells people nothing is left out."""
    acts = (
        (AgentEventKind.START, "session 1"),
        (AgentEventKind.TEXT, "\n I look around.\nAnd further."),
        (AgentEventKind.TOOL_CALL, "python a.py"),
        (AgentEventKind.PERMISSION, "may I?"),
        (AgentEventKind.USAGE, "12 tokens"),
        (AgentEventKind.TEXT, ""),
        (AgentEventKind.ERROR, "x" * 200),
        (AgentEventKind.END, "the end"),
    )
    events = [AgentActed(task_id=1, number=1, event=AgentEvent(kind=kind, text=text)) for kind, text in acts]
    assert shown(capsys, *events) == [
        "says I look around.",
        "agent python a.py",
        "agent may I?",
        "agent " + "x" * 99 + "…",
    ]


def test_a_turn_that_is_sent_again_says_why(capsys):
    """With how often it may still be."""
    event = TurnRetried(task_id=1, number=1, error="it crashed", retries_left=2)
    assert shown(capsys, event) == ["again it crashed (2 left)"]


def test_many_files_are_counted_and_tampering_is_told(capsys):
    """Eight files by name, the others by number; optional checks fail in small letters."""
    changes = tuple(FileChange(path=f"{number}.py", kind=ChangeKind.CREATED, added=1) for number in range(10))
    checks = (
        CheckResult(name="a", passed=False, message="expected 1, got 2"),
        CheckResult(name="b", passed=False, message="b", required=False),
    )
    evidence = Evidence(changes=changes, checks=checks, tampering=("CLAUDE.md was changed",))
    lines = shown(capsys, EvidenceGathered(task_id=1, number=1, evidence=evidence))
    assert lines[7:] == [
        "file created 7.py (+1 -0)",
        "file and 2 more files",
        "check FAIL a: expected 1, got 2",
        "check fail b",
        "tampered CLAUDE.md was changed",
    ]


def test_nothing_changed_is_told_and_touched_files_are_not(capsys):
    """A touched file is a sign of life for others; the evidence comes later."""
    touched = FileTouched(task_id=1, number=1, path="a", kind="modified")
    gathered = EvidenceGathered(task_id=1, number=1, evidence=Evidence())
    assert shown(capsys, touched, gathered) == ["file nothing changed"]


def test_the_task_under_way_is_known():
    """So that Ctrl-C can name it."""
    progress = Progress()
    assert progress.task is None
    progress(TaskStarted(task=Task(id=3, title="t")))
    assert progress.task is not None
    assert progress.task.id == 3


def test_a_turn_and_a_review_fit_in_a_line():
    """Unknown stays unknown; limits and denials are told."""
    reply = Reply(text="x", seconds=1.25, limit="error_max_turns", denials=("Bash rm -rf /",))
    assert describe_reply(reply) == "1.2 s, cost unknown, ended by error_max_turns, not permitted: Bash rm -rf /"
    known = Reply(text="x", turns=1, cost_usd=0.012)
    assert describe_reply(known) == "0.0 s, 1 model call, $0.0120"
    assert describe_review(Review(verdict=Verdict.NO, issues=("a", "b"))) == "no, no score: a; b"
