"""What a run shows while it happens: one line for each thing that people wait for."""

from __future__ import annotations

from collections.abc import Callable

from obra.cli.output import OutputLost, Styled, counted, first_line, number, one_line, say, styled
from obra.domain import Action, Attempt, CheckResult, Control, Evidence, Reply, Review, Task
from obra.events import (
    AgentActed,
    AgentEvent,
    AgentEventKind,
    AttemptRecorded,
    BreakpointOpened,
    Event,
    EvidenceGathered,
    Notified,
    PromptReady,
    ReplyReceived,
    ReviewReceived,
    Steered,
    TaskStarted,
    TurnRetried,
)

_MANY_FILES = 8
"""Changed files that are named one by one; a template or an installed package would fill the screen."""
COLOURS = {
    Action.PROCEED: "green",
    Action.RETRY: "yellow",
    Action.CLARIFY: "yellow",
    Action.ESCALATE: "red",
}


class Progress:
    """An observer that prints.

    Attributes:
        task: the task under way, once it has started.
        lost: why nothing is printed any more, such as a full disk; the run goes on without an audience.
    """

    def __init__(self, *, in_full: bool = False) -> None:
        """Print lines, and *in_full* what is said to the agent and by it, too."""
        self._in_full = in_full
        self.task: Task | None = None
        self.lost: OutputLost | None = None

    def __call__(self, event: Event) -> None:
        """Print what is worth a line."""
        if isinstance(event, TaskStarted):
            self.task = event.task
        self._while_heard(lambda: self._tell(event))

    def _tell(self, event: Event) -> None:
        _tell(event)
        match event:
            case PromptReady(prompt=text) if self._in_full:
                _tell_speech("to agent", text)
            case ReplyReceived(reply=reply) if self._in_full:
                _tell_speech("reply", reply.text)

    def announce(self, name: str, text: str) -> None:
        """Print what is about to run, before its first event."""
        self._while_heard(lambda: say(styled(name, bold=True), f"  {text}"))

    def _while_heard(self, tell: Callable[[], None]) -> None:
        if self.lost is None:
            try:
                tell()
            except OutputLost as error:
                self.lost = error


def _tell(event: Event) -> None:
    _tell_people(event)
    match event:
        case TaskStarted(task=task):
            say(styled(f"task {task.id}", bold=True), f"  {one_line(task.title)}")
        case PromptReady(number=count):
            say(styled(f"  attempt {count}", bold=True))
        case AgentActed(event=act):
            _tell_act(act)
        case ReplyReceived(reply=reply):
            _line("turn", describe_reply(reply))
        case EvidenceGathered(evidence=evidence):
            tell_evidence(evidence)
        case ReviewReceived(review=review):
            _line("review", describe_review(review))
        case AttemptRecorded(attempt=attempt):
            _line("scores", describe_scores(attempt))
            decision = attempt.decision
            _line(decision.action, decision.reason, COLOURS[decision.action])


def _tell_speech(who: str, text: str) -> None:
    """Print all that was said, its first line behind who said it."""
    for count, line in enumerate(text.strip().splitlines() or ["(no words)"]):
        say(label_of("" if count else who, "cyan"), "| ", line)


def _tell_people(event: Event) -> None:
    """Print what went wrong and goes on all the same, what people ask of the run, and what they are told of it."""
    match event:
        case TurnRetried(error=error, retries_left=left):
            _line("again", f"{error} ({left} left)", "yellow")
        case Notified(channel=channel, problem=problem):
            _line("not told" if problem else "told", f"{channel}: {problem}" if problem else channel)
        case Steered(control=control):
            _line("person", describe_control(control), "cyan")
        case BreakpointOpened(breakpoint=opened) if opened.is_permission:
            _line("asks", opened.reason, "yellow")
            _line("", f"answer it: obra breakpoint resolve {opened.id} allow (or: 'deny: WHY')")


def _tell_act(act: AgentEvent) -> None:
    says = act.kind is AgentEventKind.TEXT
    if text := first_line(act.text if says else act.act):
        _line("says" if says else "agent", text)


def tell_evidence(evidence: Evidence) -> None:
    """Print the changes of an attempt, its checks and what it tampered with."""
    for change in evidence.changes[:_MANY_FILES]:
        _line("file", f"{change.kind} {change.path} (+{change.added} -{change.removed})")
    if len(evidence.changes) > _MANY_FILES:
        _line("file", f"and {counted(len(evidence.changes) - _MANY_FILES, 'more file')}")
    if not evidence.changes:
        _line("file", "nothing changed")
    for check in evidence.checks:
        tell_check(check)
    for sentence in evidence.tampering:
        _line("tampered", sentence, "red")


def tell_check(check: CheckResult) -> None:
    """Print one check: whether it passed, its name, and what was expected and seen."""
    found = "" if check.message == check.name else f": {first_line(check.message, 160)}"
    failed = "FAIL" if check.required else "fail"
    mark = styled("ok  ", "green") if check.passed else styled(failed, "red")
    say(label_of("check"), mark, f"  {one_line(check.name)}{found}")


def describe_reply(reply: Reply) -> str:
    """Return in one line what a turn took."""
    parts = [f"{reply.seconds:.1f} s"]
    if reply.turns is not None:
        parts.append(counted(reply.turns, "model call"))
    parts.append("cost unknown" if reply.cost_usd is None else f"${reply.cost_usd:.4f}")
    if reply.limit:
        parts.append(f"ended by {reply.limit}")
    parts += [f"not permitted: {denial}" for denial in reply.denials]
    return ", ".join(parts)


def describe_review(review: Review) -> str:
    """Return the reviewer's verdict, score and issues in one line."""
    score = "no score" if review.score is None else f"{review.score:g}"
    issues = f": {'; '.join(review.issues)}" if review.issues else ""
    return f"{review.verdict}, {score}{issues}"


def describe_control(control: Control) -> str:
    """Return in one line who asks what of a running task, and what became of it."""
    words = " ".join(filter(None, (control.act, control.action, control.text)))
    return f"{control.by}: {first_line(words)}" + (f": {control.effect}" if control.effect else "")


def describe_scores(attempt: Attempt) -> str:
    """Return both scores of an attempt."""
    return f"quality {number(attempt.quality.overall_score)}, confidence {number(attempt.confidence)}"


def _line(label: str, text: str, colour: str = "") -> None:
    say(label_of(label, colour), one_line(text))


def label_of(label: str, colour: str = "") -> Styled:
    """Return what stands in front of a line, in a column of its own."""
    return styled(f"    {label:<11}", colour)
