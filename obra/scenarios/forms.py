"""The form of a scenario file, key by key. It stays data: no expressions, no includes, no loops.

The docstrings of the keys are what editors show; :mod:`obra.scenarios.schema` makes the JSON Schema from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from obra.domain import Trigger
from obra.errors import CheckError, PluginError
from obra.evidence.checks import ShortForm
from obra.evidence.collector import parse_check
from obra.scenarios.played_forms import (
    AnswerForm,
    FaultForm,
    FileForm,
    Form,
    InsidePath,
    OneOrMany,
    Percent,
    PermissionForm,
    ReviewForm,
    StepForm,
    Texts,
)
from obra.settings import Settings


def _a_check(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        parse_check(raw)
    except (CheckError, PluginError) as error:
        raise ValueError(str(error)) from error
    return raw


def _a_marker(word: str) -> str:
    if not word.isidentifier() or word.startswith("_"):
        raise ValueError("should be one word of letters, digits and underscores, beginning with a letter")
    if word in _PYTEST_OWN or word.startswith("obra_"):
        raise ValueError("means something to pytest, which could switch the verdict off; take another word")
    return word


def _a_value(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        # Pydantic turns a ValueError, and no TypeError, into a problem with its place.
        raise ValueError("should be text or a whole number; put quotes around it")  # noqa: TRY004  # see above
    return value


_PYTEST_OWN = frozenset(
    {"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings", "timeout", "flaky", "xdist_group"}
)
"""Markers that change whether or how a test runs or counts."""
Marker = Annotated[str, AfterValidator(_a_marker)]
CheckForm = Annotated[dict[str, Any], AfterValidator(_a_check)]
Value = Annotated[str | int, BeforeValidator(_a_value)]
ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Matrix = dict[ParameterName, Annotated[tuple[Value, ...], Field(min_length=1)]]
Cases = tuple[Annotated[dict[ParameterName, Value], Field(min_length=1)], ...]
ParametersForm = Annotated[
    Annotated[Matrix, Field(min_length=1), Tag("tagged-matrix")]
    | Annotated[Cases, Field(min_length=1), Tag("tagged-cases")],
    Discriminator(lambda given: "tagged-cases" if isinstance(given, list | tuple) else "tagged-matrix"),
]
"""Lists of values by name, or the cases themselves."""
_Review = Annotated[
    Annotated[ReviewForm, Tag("tagged-review")] | Annotated[str, Tag("tagged-text")],
    Discriminator(lambda given: "tagged-text" if isinstance(given, str) else "tagged-review"),
]


class TaskForm(Form):
    """What is asked of the agent."""

    title: Annotated[str, Field(min_length=1)]
    """One line."""
    description: str = ""
    """The whole task, as a person would write it."""
    acceptance: Texts = ()
    """Sentences that tell when it is done; shown to the agent and to the reviewer."""


class GitForm(Form):
    """A repository to start from."""

    url: Annotated[str, Field(min_length=1)]
    """Address, or path of a repository or bundle, as `git clone` takes it; a path counts from this file."""
    ref: str = ""
    """Branch, tag or commit; empty means the default branch."""


class WorkspaceForm(Form):
    """What the agent finds. Empty when nothing is given."""

    files: dict[InsidePath, Annotated[FileForm, ShortForm("text")]] = Field(default={})
    """Path and text of each file; a mapping for a file that is binary or executable."""
    template: str | None = None
    """A folder to copy, relative to this file; it keeps modes and symlinks."""
    archive: str | None = None
    """A .tar, .tar.gz, .tar.bz2 or .tar.xz to unpack, relative to this file; it may hold a git repository."""
    git: GitForm | None = None
    """A repository to clone."""


class LimitsForm(Form):
    """What the task may use up; what is not given is taken from the configuration."""

    iterations: Annotated[int, Field(ge=1)] | None = None
    """Attempts."""
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Wall clock for the whole task."""
    idle: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds without a sign of life from the agent."""
    turns: Annotated[int, Field(ge=1)] | None = None
    """Model calls within one attempt."""
    cost_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Dollars for the whole task."""


class IterationRange(Form):
    """Bounds, each of them optional and included."""

    min: Annotated[int, Field(ge=0)] = 0
    """At least so many; holds where the script is played, since a real agent may be quicker."""
    max: Annotated[int, Field(ge=0)] | None = None
    """At most so many."""

    @model_validator(mode="after")
    def _some_fit(self) -> Self:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"should leave something between min and max; min is {self.min}, max is {self.max}")
        return self


class ScoreRange(Form):
    """Bounds, each of them optional and included."""

    min: Percent = 0
    """At least this."""
    max: Percent = 100
    """At most this."""

    @model_validator(mode="after")
    def _some_fit(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"should leave something between min and max; min is {self.min}, max is {self.max}")
        return self


class EndForm(Form):
    """How a task must end."""

    status: Literal["completed", "escalated", "failed"] = "completed"
    """How the task must end."""
    iterations: IterationRange | None = None
    """How many attempts it may take."""
    quality: ScoreRange | None = None
    """Quality score of the last attempt."""
    confidence: ScoreRange | None = None
    """Confidence of the last attempt."""
    quality_rises: bool | None = None
    """Whether the last attempt must score higher than the first; holds where the script is played."""
    breakpoint: Trigger | None = None
    """The trigger that must have opened a breakpoint."""


class ExpectForm(EndForm):
    """The right ending."""

    truth: tuple[CheckForm, ...] = ()
    """Checks that Obra never sees: does the workspace really do it?"""


class TaskEndForm(EndForm):
    """How one of several tasks must end."""

    status: Literal["completed", "escalated", "failed", "pending"] = "completed"  # type: ignore[assignment]  # one more
    """How the task must end; pending: it is never begun, since what it waits for is not completed."""


class WorkForm(Form):
    """One task, what it is judged by, and what is played to it."""

    limits: LimitsForm = LimitsForm()
    checks: tuple[CheckForm, ...] = ()
    """What Obra itself may see and judges by."""
    script: tuple[StepForm, ...] | None = None
    """What the agent does: MockAgent acts it out, the replay server makes the real CLI do it."""
    reviewer: tuple[_Review, ...] | None = None
    """What the scripted LLM answers, turn by turn; a text is given back as it stands."""
    human: Annotated[tuple[Annotated[AnswerForm, ShortForm("answer")], ...], OneOrMany()] = ()
    """What a person answers to the task's breakpoints, in order; the task then goes on within its limits."""


class PartForm(WorkForm):
    """One of several tasks."""

    name: Annotated[str, Field(pattern=r"^[\w.\-]+$")]
    """Name for reports and for `after`."""
    after: Texts = ()
    """Names of the tasks that must be completed before this one begins; their checks must hold after it, too."""
    replaces: Texts = ()
    """Names of such tasks whose checks need not hold any more, since this one asks for something else."""
    task: TaskForm
    expect: TaskEndForm = TaskEndForm()


class ScenarioForm(WorkForm):
    """One scenario file."""

    name: Annotated[str, Field(pattern=r"^[\w.\- ]+$")] | None = None
    """Name for reports; the file's name when not given."""
    description: str = ""
    """What the scenario is there to show."""
    markers: Annotated[tuple[Marker, ...], OneOrMany()] = ()
    """Words to choose it by: `pytest -m smoke`."""
    repeat: Annotated[int, Field(ge=1, strict=True)] = 1
    """How often it runs, each time in a workspace of its own; --obra-repeat goes before it."""
    parameters: ParametersForm | None = None
    """Values by name, put where `$name` stands: lists of values (every combination runs), or a list of cases."""
    settings: Settings | None = None
    """Settings for this scenario, as in a file of settings; what the command line or the environment sets wins."""
    task: TaskForm | None = None
    tasks: tuple[PartForm, ...] = ()
    """Several tasks in one workspace, instead of `task` and what belongs to it."""
    workspace: WorkspaceForm = WorkspaceForm()
    faults: tuple[FaultForm, ...] = ()
    """What goes wrong on purpose."""
    permissions: tuple[PermissionForm, ...] = ()
    """What an agent that asks is answered; the mock agent never asks."""
    expect: ExpectForm = ExpectForm()
