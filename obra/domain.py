"""The nouns: frozen, keyword-only records and enums. They import nothing of ours and do nothing.

All scores are numbers from 0 to 100, all durations seconds, all times UTC, all costs US dollars. ``None`` for
a cost or a token count means *unknown*, never zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class Record:
    """Reading by key, for people who think in mappings: ``outcome["status"]`` is ``outcome.status``."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        """Return the attribute called *key*; raise ``KeyError`` when there is none."""
        if key.startswith("_") or not hasattr(self, key):
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        """Tell whether the record has a field called *key*."""
        return isinstance(key, str) and not key.startswith("_") and hasattr(self, key)

    def keys(self) -> tuple[str, ...]:
        """Return the names of the fields, so that ``dict(record)`` is the record as a mapping."""
        return tuple(one.name for one in fields(self))  # type: ignore[arg-type]  # every record is a dataclass

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the fields, as through a mapping."""
        return iter(self.keys())

    def get(self, key: str, default: Any = None) -> Any:
        """Return the field called *key*, or *default* when the record has none."""
        return self[key] if key in self else default  # noqa: SIM401  # this is get itself


class Action(StrEnum):
    """What the loop does next."""

    PROCEED = "proceed"
    RETRY = "retry"
    CLARIFY = "clarify"
    ESCALATE = "escalate"


class TaskStatus(StrEnum):
    """Where a task stands. ``interrupted`` can be run again; ``completed`` is for good."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    ESCALATED = "escalated"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


LEGAL_STATUS_CHANGES: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: frozenset({TaskStatus.RUNNING}),
    TaskStatus.RUNNING: frozenset(
        {TaskStatus.COMPLETED, TaskStatus.ESCALATED, TaskStatus.FAILED, TaskStatus.INTERRUPTED}
    ),
    TaskStatus.ESCALATED: frozenset({TaskStatus.RUNNING}),
    TaskStatus.FAILED: frozenset({TaskStatus.RUNNING}),
    TaskStatus.INTERRUPTED: frozenset({TaskStatus.RUNNING}),
    TaskStatus.COMPLETED: frozenset(),
}
"""The only status changes there are; the state room enforces them."""


class BreakpointStatus(StrEnum):
    """Whether a person has answered."""

    OPEN = "open"
    RESOLVED = "resolved"


class Trigger(StrEnum):
    """Why a person must look."""

    LOW_CONFIDENCE = "low_confidence"
    QUALITY_TOO_LOW = "quality_too_low"
    NO_EVIDENCE = "no_evidence"
    AGENT_ASKS = "agent_asks"
    LIMIT_REACHED = "limit_reached"
    TAMPERING = "tampering"


class ChangeKind(StrEnum):
    """What happened to a path between two snapshots."""

    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"
    MODE_CHANGED = "mode_changed"
    TYPE_CHANGED = "type_changed"


class Verdict(StrEnum):
    """What the reviewer says of an attempt."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"
    UNREADABLE = "unreadable"


class RequirementState(StrEnum):
    """What the evidence says of one requirement."""

    SHOWN = "shown"
    NOT_SHOWN = "not_shown"
    CONTRADICTED = "contradicted"


class Problem(StrEnum):
    """What is wrong with a reply as an answer, whatever the work is like."""

    EMPTY = "empty"
    REFUSAL = "refusal"
    QUESTION = "question"
    TRUNCATED = "truncated"
    UNCLOSED_FENCE = "unclosed_fence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Record):
    """What a task may use up. ``None`` means the configuration decides."""

    iterations: int | None = None
    seconds: float | None = None
    idle: float | None = None
    turns: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits(Record):
    """What one turn of the agent may use up; ``None`` means no limit from here."""

    seconds: float | None = None
    idle: float | None = None
    turns: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Record):
    """A folder of work and its tasks."""

    id: int = 0
    name: str
    description: str = ""
    working_dir: str = ""
    status: str = "active"
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Record):
    """One piece of work, and what it will be judged by.

    ``checks`` are the mappings as written in YAML (``{"file": ["a.py"]}``); ``acceptance`` are sentences.
    ``script`` and ``reviewer`` are what a scripted agent and a scripted LLM play, turn by turn over the whole life
    of the task, where nobody gives them another script; ``None`` means that there is none.
    """

    id: int = 0
    project_id: int = 0
    title: str
    description: str = ""
    status: TaskStatus = TaskStatus.PENDING
    status_reason: str = ""
    priority: int = 5
    after: tuple[int, ...] = ()
    acceptance: tuple[str, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    limits: Limits = Limits()
    working_dir: str = ""
    script: tuple[ScriptStep, ...] | None = None
    reviewer: tuple[Mapping[str, Any] | str, ...] | None = None
    base_snapshot: str = ""
    owner: str = ""
    fence: int = 0
    """Raised by every claim and every start: whoever writes with an older number has lost the task."""
    iterations: int = 0
    quality_score: float | None = None
    confidence: float | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    queued_at: datetime | None = None
    """Since when it waits for a worker; ``None`` for a task that only runs when somebody names it."""
    not_before: datetime | None = None
    """No worker takes it up earlier."""
    deadline: datetime | None = None
    """It is not begun later."""
    paused: bool = False
    """A paused task is not begun; one that runs is not stopped by it."""
    retries: int = 0
    """How often a worker takes it up again after a run that failed."""
    tries: int = 0
    """Runs that failed so far."""
    claimed_by: str = ""
    """The process that has taken it up, see :class:`Claim`; empty for none."""
    lease_until: datetime | None = None
    """Until when that claim holds unless it is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Record):
    """The right of one process to work on one task, until its lease runs out unless it is renewed."""

    task: Task
    owner: str
    """The process that holds it, as :func:`obra.state.owners.this_process` names it."""
    fence: int
    """The task's ``fence`` under this claim; with a higher one there the claim is lost."""
    lease: float
    """Seconds that it holds after each renewal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptStep(Record):
    """What a scripted agent does in one turn: writes, edits, deletes, runs, then says.

    ``edit`` maps a path to ``(find, replace)``; ``run`` are shell command lines. Paths are relative to the
    workspace.
    """

    say: str = ""
    write: Mapping[str, str] = field(default_factory=dict)
    edit: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    run: tuple[str, ...] = ()


class ModelFault(StrEnum):
    """What a model API does to people, on demand."""

    RATE_LIMITED = "rate_limited"
    """HTTP 429."""
    OVERLOADED = "overloaded"
    """HTTP 529."""
    ERROR_EVENT = "error_event"
    """HTTP 200, and then an error in the middle of the stream."""
    STALLED = "stalled"
    """The stream begins and then is silent, for ever."""
    CUT = "cut"
    """The connection ends in the middle of the stream, between two events."""
    HALF_LINE = "half_line"
    """The same, in the middle of a line."""
    HUGE_TEXT = "huge_text"
    """An answer of five million characters."""


class CLIFault(StrEnum):
    """What an agent's command line does to people, on demand."""

    HANGS = "hangs"
    """It answers, and then ends neither at the end of its input nor by SIGINT or SIGTERM."""
    NO_RESULT = "no_result"
    """It ends with exit code 0 and without the line that ends a turn."""
    HALF_LINE = "half_line"
    """The same, in the middle of that line."""
    TWO_RESULTS = "two_results"
    """A background task wakes it: a second result follows the first."""
    HUGE_LINE = "huge_line"
    """A line of five million characters."""
    WRONG_EXIT_CODE = "wrong_exit_code"
    """It answers, and ends at once with exit code 7."""
    ORPHAN = "orphan"
    """It answers, and a process of its own lives on in a session of its own."""
    TOOL_REFUSED = "tool_refused"
    """It calls itself successful, although a tool was refused."""
    GARBAGE = "garbage"
    """Lines that are no messages stand between those that are."""
    DISK_FULL = "disk_full"
    """It cannot write any more, and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Record):
    """Something that goes wrong at one prompt: the model's API or the agent's command line."""

    kind: ModelFault | CLIFault
    prompt: int = 1
    """Number of the prompt in the session, from 1; a turn that is sent again is the next prompt."""
    times: int | None = 1
    """How many requests of that prompt suffer, for faults of the model; ``None`` means all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRequest(Record):
    """A tool call that the agent may not make without being told so."""

    tool: str
    subject: str = ""
    """What it is about: the command, path or address."""
    input: Mapping[str, Any] = field(default_factory=dict)
    """All that the tool is to be given."""
    reason: str = ""
    """Why the agent asks, in its own word."""
    id: str = ""
    """The agent's own name of the question, under which an Obra that takes its turn over is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAnswer(Record):
    """Whether the tool call may be made. The agent is shown the reason of a refusal."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRule(Record):
    """An answer given in advance: for calls of ``tool`` whose input has ``contains`` in one of its texts."""

    tool: str
    contains: str = ""
    answer: PermissionAnswer


LARGEST_AMOUNT = 1e12
"""No turn costs as many dollars or reads as many tokens; who says so does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Record):
    """What the agent answered to one prompt. ``str(reply)`` is its text.

    A cost or a number of tokens that can be none (below zero, infinite, not a number) is unknown: it would switch
    off every budget that it is counted against.
    """

    text: str
    session: str = ""
    seconds: float = 0.0
    turns: int | None = None
    cost_usd: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    limit: str = ""
    """Name of the limit that ended the turn early, such as ``error_max_turns``; empty for a normal end."""
    denials: tuple[str, ...] = ()
    """Tool calls that were not permitted."""

    def __post_init__(self) -> None:
        for name in ("cost_usd", "tokens_in", "tokens_out"):
            amount = getattr(self, name)
            if amount is not None and not 0 <= amount < LARGEST_AMOUNT:
                object.__setattr__(self, name, None)

    def __str__(self) -> str:
        return self.text

    def __len__(self) -> int:
        return len(self.text)

    def __contains__(self, key: object) -> bool:
        """Tell whether the text holds *key*: a reply is read as its text."""
        return isinstance(key, str) and key in self.text

    def get(self, key: str, default: Any = None) -> Any:
        """Return the field called *key*, or *default* when a reply has none."""
        return getattr(self, key) if key in self.keys() else default


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange(Record):
    """One path that differs between two snapshots. ``path`` uses ``/`` and is relative to the workspace."""

    path: str
    kind: ChangeKind
    old_path: str = ""
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult(Record):
    """What one check saw."""

    name: str
    passed: bool
    message: str
    kind: str = ""
    required: bool = True
    implied: bool = False
    """True when Obra made the check up itself (syntax of changed files, tests that were written)."""
    output: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Record):
    """What really happened in the workspace during one attempt."""

    changes: tuple[FileChange, ...] = ()
    """Since the attempt began."""
    total_changes: tuple[FileChange, ...] = ()
    """Since the task began."""
    patch: str = ""
    """Unified diff since the task began."""
    checks: tuple[CheckResult, ...] = ()
    tampering: tuple[str, ...] = ()
    """Sentences about changes to guarded paths."""
    files: tuple[str, ...] = ()
    """Every path in the workspace after the attempt."""

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        """Required checks that did not pass."""
        return tuple(check for check in self.checks if check.required and not check.passed)

    @property
    def written_checks(self) -> tuple[CheckResult, ...]:
        """Checks that somebody wrote down, as opposed to implied ones."""
        return tuple(check for check in self.checks if not check.implied)

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to judge by: no check ran and nothing changed."""
        return not self.checks and not self.total_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation(Record):
    """Whether a reply is an answer at all."""

    problems: tuple[Problem, ...] = ()
    question: str = ""

    @property
    def valid(self) -> bool:
        """True when no problem was found."""
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAnswer(Record):
    """What the reviewer answered to one yes-or-no question, over all samples."""

    id: str
    question: str
    verdict: Verdict
    """YES only when a majority said yes and quoted a line that really stands in the evidence."""
    reason: str = ""
    quote: str = ""
    agreement: float = 1.0
    """Share of the samples that said what the majority said, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement(Record):
    """One thing that the task demands, and what became of it."""

    text: str
    state: RequirementState
    evidence: str = ""
    """What shows or contradicts it: a check's message, or the line that the reviewer quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review(Record):
    """The reviewer's answer, read. ``score`` is ``None`` when it gave none."""

    verdict: Verdict
    score: float | None = None
    issues: tuple[str, ...] = ()
    question: str = ""
    raw: str = ""
    model: str = ""
    answers: tuple[ReviewAnswer, ...] = ()
    """The answers behind the verdict; none where the whole review was scripted."""
    agreement: float | None = None
    """Mean agreement of the samples, from 0 to 1; ``None`` where there was one sample or none."""
    told_apart: bool | None = None
    """Whether the reviewer told the work from a broken copy of it; ``None`` where its yes did not decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor(Record):
    """One named part of a score: its share is ``points`` of ``weight``."""

    name: str
    points: float
    weight: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality(Record):
    """How good the work is, with the parts the number is made of."""

    overall_score: float
    factors: tuple[Factor, ...] = ()
    issues: tuple[str, ...] = ()


class Confidence(float):
    """How sure the verdict is: a number from 0 to 100 that carries its named factors."""

    factors: tuple[Factor, ...]

    def __new__(cls, score: float, factors: tuple[Factor, ...] = ()) -> Self:
        """Make the number and keep its factors."""
        self = super().__new__(cls, score)
        self.factors = factors
        return self

    def __getnewargs__(self) -> tuple[float, tuple[Factor, ...]]:  # type: ignore[override]  # float has one
        return (float(self), self.factors)


PERMISSION_ASKED = "may it use "
"""How the reason of a breakpoint begins that asked for one tool call; its answer is about nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakpoint(Record):
    """A place where a person must look."""

    id: int = 0
    task_id: int = 0
    attempt_number: int = 0
    trigger: Trigger
    reason: str
    status: BreakpointStatus = BreakpointStatus.OPEN
    answer: str = ""
    created_at: datetime | None = None
    resolved_at: datetime | None = None

    @property
    def is_permission(self) -> bool:
        """True when it asked for a tool call in the middle of a turn, and was answered there."""
        return self.reason.startswith(PERMISSION_ASKED)


class ControlAct(StrEnum):
    """What a person can ask of a task that is running."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    SAY = "say"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Record):
    """Something that a person asks of a running task, from whatever terminal."""

    id: int = 0
    """Of the event that it is stored as; rises with time."""
    task_id: int
    act: ControlAct
    by: str
    """Who asks, such as ``anna@build7``."""
    text: str = ""
    """The message of ``say``, or the reason of another act."""
    action: Action | None = None
    """What ``override`` decides."""
    attempt_number: int = 0
    """The attempt that ``override`` is about; for the other acts the one under way."""
    at: datetime | None = None
    effect: str = ""
    """What became of it, in words; empty while it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override(Record):
    """A person decided otherwise than Obra, or before Obra could."""

    by: str
    reason: str
    action: Action
    instead_of: Action
    """What Obra had decided."""
    instead_of_reason: str
    at: str
    """When it was asked for, in UTC, ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Record):
    """What to do next and why. ``inputs`` is all the decision was made from, as plain JSON data.

    Where a person decided instead, ``inputs["override"]`` says who and why, and what Obra had decided; all the
    other inputs are still those that lead to Obra's own decision.
    """

    action: Action
    reason: str
    reasons: tuple[str, ...] = ()
    feedback: str = ""
    breakpoint: Breakpoint | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> Action:
        """The action, under the plan's name for it."""
        return self.action

    @property
    def override(self) -> Override | None:
        """Who decided this instead of Obra; ``None`` when the decision is Obra's own."""
        made: Mapping[str, Any] | None = self.inputs.get("override")
        if made is None:
            return None
        actions = {name: Action(made[name]) for name in ("action", "instead_of")}
        return Override(**{**made, **actions})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Record):
    """One trip down the road: what was said, done, seen, thought and decided."""

    id: int = 0
    task_id: int = 0
    number: int
    prompt: str
    reply: Reply
    evidence: Evidence
    review: Review
    validation: Validation
    quality: Quality
    confidence: float
    confidence_factors: tuple[Factor, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    decision: Decision
    snapshot_before: str = ""
    snapshot_after: str = ""
    started_at: datetime
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Record):
    """A finished step of an attempt that is not recorded yet; ``data`` is plain JSON data when it is read."""

    number: int
    """Of the attempt."""
    position: int
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Record):
    """How a task ended."""

    task_id: int
    status: TaskStatus
    reason: str
    response: str = ""
    iterations: int = 0
    quality_score: float | None = None
    confidence: float | None = None
    attempts: tuple[Attempt, ...] = ()
    breakpoint: Breakpoint | None = None
    seconds: float = 0.0
    cost_usd: float | None = None
    tokens: int | None = None
