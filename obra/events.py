"""One frozen record per moment of a run, told to observers; an observer is any callable of one event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from obra.domain import Attempt, Breakpoint, Control, Decision, Evidence, Outcome, Record, Reply, Review, Task


class AgentEventKind(StrEnum):
    """The one vocabulary that every agent's output is read into."""

    START = "start"
    TEXT = "text"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    FILE_EDIT = "file_edit"
    PERMISSION = "permission"
    USAGE = "usage"
    LIMIT = "limit"
    ERROR = "error"
    OTHER = "other"
    END = "end"


ACTS = frozenset(
    {
        AgentEventKind.TOOL_CALL,
        AgentEventKind.TOOL_RESULT,
        AgentEventKind.FILE_EDIT,
        AgentEventKind.PERMISSION,
        AgentEventKind.LIMIT,
        AgentEventKind.ERROR,
    }
)
"""What is worth a line of its own to whoever looks on; what the agent says is no act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEvent(Record):
    """One thing the agent did, as its output shows it. ``text`` is one line for people."""

    kind: AgentEventKind
    text: str = ""
    tool: str = ""
    path: str = ""

    @property
    def act(self) -> str:
        """What the agent did, as people are shown it; empty where it did nothing."""
        return (self.text or self.path) if self.kind in ACTS else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(Record):
    """A task leaves the queue."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReady(Record):
    """The prompt of an attempt is written and about to be sent."""

    task_id: int
    number: int
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentActed(Record):
    """The agent did something during its turn."""

    task_id: int
    number: int
    event: AgentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTouched(Record):
    """A file in the workspace was touched: a sign of life, never evidence."""

    task_id: int
    number: int
    path: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyReceived(Record):
    """The agent's turn is over."""

    task_id: int
    number: int
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceGathered(Record):
    """The workspace was compared and the checks have run."""

    task_id: int
    number: int
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReceived(Record):
    """The reviewer answered."""

    task_id: int
    number: int
    review: Review


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Record):
    """The decision of an attempt is made."""

    task_id: int
    number: int
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecorded(Record):
    """An attempt is stored."""

    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakpointOpened(Record):
    """A person must look."""

    breakpoint: Breakpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified(Record):
    """Somebody outside was told of a breakpoint or the end of a task, or could not be: then ``problem`` says why.

    ``channel`` is where it went, such as ``webhook https://chat.example``; ``about`` is ``breakpoint_opened`` or
    ``task_ended``.
    """

    task_id: int
    about: str
    channel: str
    tries: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered(Record):
    """A person asked something of the running task; told when it is heard, and again when it takes effect.

    When it is heard, ``control.effect`` is empty, and this may come from another thread than the loop's.
    """

    task_id: int
    number: int
    control: Control


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRetried(Record):
    """A turn failed and is sent again."""

    task_id: int
    number: int
    error: str
    retries_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded(Record):
    """A task reached a terminal status."""

    outcome: Outcome


Event = (
    TaskStarted
    | PromptReady
    | AgentActed
    | FileTouched
    | ReplyReceived
    | EvidenceGathered
    | ReviewReceived
    | Decided
    | AttemptRecorded
    | BreakpointOpened
    | Notified
    | Steered
    | TurnRetried
    | TaskEnded
)
Observer = Callable[[Event], None]
AgentEventSink = Callable[[AgentEvent], None]
