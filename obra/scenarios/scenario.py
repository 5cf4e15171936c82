"""Scenario: the YAML form, typed. It stays data: no expressions, no includes, no loops, no templating."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from obra.config import Config
from obra.documents import Document, DocumentError
from obra.domain import (
    CLIFault,
    Fault,
    Limits,
    ModelFault,
    PermissionAnswer,
    PermissionRule,
    ScriptStep,
    Trigger,
)
from obra.errors import CheckError, ScenarioError
from obra.evidence.collector import parse_check

SUFFIX = ".obra.yaml"


class Form(BaseModel):
    """A frozen part of the file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise ValueError("should be a path inside the workspace, relative and without '..'")
    return path


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _a_check(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        parse_check(raw)
    except CheckError as error:
        raise ValueError(str(error)) from error
    return raw


def _a_marker(word: str) -> str:
    if not word.isidentifier() or word.startswith("_"):
        raise ValueError("should be one word of letters, digits and underscores, beginning with a letter")
    if word in _PYTEST_OWN or word.startswith("obra_"):
        raise ValueError("means something to pytest, which could switch the verdict off; take another word")
    return word


_PYTEST_OWN = frozenset(
    {"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings", "timeout", "flaky", "xdist_group"}
)
"""Markers that change whether or how a test runs or counts."""
Marker = Annotated[str, AfterValidator(_a_marker)]
InsidePath = Annotated[str, AfterValidator(_inside)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
CheckForm = Annotated[dict[str, Any], AfterValidator(_a_check)]
Percent = Annotated[float, Field(ge=0, le=100)]


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

    url: str
    """Address or local path, as `git clone` takes it."""
    ref: str = ""
    """Branch, tag or commit; empty means the default branch."""


class WorkspaceForm(Form):
    """What the agent finds. Empty when nothing is given."""

    files: dict[InsidePath, str] = {}
    """Path and text of each file."""
    template: str | None = None
    """A folder to copy, relative to this file."""
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


class EditForm(Form):
    """One replacement in a file."""

    find: Annotated[str, Field(min_length=1)]
    """Text that stands in the file."""
    replace: str
    """Text that is to stand there instead."""


class StepForm(Form):
    """One turn of the scripted agent."""

    say: str = ""
    """What the agent answers at the end of the turn."""
    write: dict[InsidePath, str] = {}
    """Files it writes, with their text."""
    edit: dict[InsidePath, EditForm] = {}
    """Files it changes in place."""
    delete: Annotated[tuple[InsidePath, ...], BeforeValidator(_listed)] = ()
    """Files or folders it removes."""
    run: Texts = ()
    """Shell commands it runs in the workspace, in order."""

    def step(self) -> ScriptStep:
        """Return the step as the agents take it."""
        return ScriptStep(
            say=self.say,
            write=self.write,
            edit={path: (edit.find, edit.replace) for path, edit in self.edit.items()},
            delete=self.delete,
            run=self.run,
        )


class FaultForm(Form):
    """Something that goes wrong on purpose, at one prompt.

    Each rung plays it in its own way. In the replay rung the model's server does it to the real agent, or a
    program that misbehaves stands in for that; the mock agent ends its turn as the real one would.
    """

    prompt: Annotated[int, Field(ge=1)] = 1
    """Number of the prompt in the session; a turn that is sent again is the next prompt."""
    model: ModelFault | None = None
    """What the model API does."""
    cli: CLIFault | None = None
    """What the agent's command line does; then none of the scenario's turns runs the real one."""
    times: Annotated[int, Field(ge=1)] | Literal["always"] = 1
    """How many requests of that prompt suffer, for faults of the model."""

    @model_validator(mode="after")
    def _one_of_them(self) -> FaultForm:
        if (self.model is None) == (self.cli is None):
            raise ValueError("should have either 'model' or 'cli'")
        return self

    def fault(self) -> Fault:
        """Return the fault as the rungs take it."""
        kind = self.model or self.cli
        assert kind is not None  # noqa: S101  # validated; tells mypy so
        return Fault(kind=kind, prompt=self.prompt, times=None if self.times == "always" else self.times)


class PermissionForm(Form):
    """An answer for when the agent asks whether it may use a tool. The first one that matches counts.

    A tool that is named here is asked about before each use; calls that none of these match are answered as the
    configuration says (`agent.allowed_tools`).
    """

    tool: Annotated[str, Field(min_length=1)]
    """Name of the tool, such as Bash."""
    contains: str = ""
    """A text that stands in the command or another input of the call; empty means every call."""
    answer: Literal["allow", "deny"]
    """What the agent is told."""
    reason: str = ""
    """Why; the agent is shown it with a refusal."""

    def rule(self) -> PermissionRule:
        """Return the answer as the loop takes it."""
        reason = self.reason or ("" if self.answer == "allow" else "The scenario does not allow this.")
        answer = PermissionAnswer(allowed=self.answer == "allow", reason=reason)
        return PermissionRule(tool=self.tool, contains=self.contains, answer=answer)


class ReviewForm(Form):
    """One answer of the scripted reviewer."""

    score: Percent
    """How good it finds the work."""
    verdict: Literal["yes", "no", "unsure"] | None = None
    """Its verdict; when not given, yes from a score of 70 up."""
    issues: Texts = ()
    """What it finds wanting."""
    question: str = ""
    """What it would ask the agent."""
    reason: str = "scripted"
    """Why."""

    @field_validator("verdict", mode="before")
    @classmethod
    def _yaml_says_true(cls, value: Any) -> Any:
        """Read a plain yes or no, which YAML takes for a truth value."""
        return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


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


class ExpectForm(Form):
    """The right ending."""

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
    truth: tuple[CheckForm, ...] = ()
    """Checks that Obra never sees: does the workspace really do it?"""


class ScenarioForm(Form):
    """One scenario file."""

    name: Annotated[str, Field(pattern=r"^[\w.\- ]+$")] | None = None
    """Name for reports; the file's name when not given."""
    description: str = ""
    """What the scenario is there to show."""
    markers: Annotated[tuple[Marker, ...], BeforeValidator(_listed)] = ()
    """Words to choose it by: `pytest -m smoke`."""
    repeat: Annotated[int, Field(ge=1, strict=True)] = 1
    """How often it runs, each time in a workspace of its own; --obra-repeat goes before it."""
    task: TaskForm
    workspace: WorkspaceForm = WorkspaceForm()
    limits: LimitsForm = LimitsForm()
    checks: tuple[CheckForm, ...] = ()
    """What Obra itself may see and judges by."""
    script: tuple[StepForm, ...] | None = None
    """What the agent does: MockAgent acts it out, the replay server makes the real CLI do it."""
    faults: tuple[FaultForm, ...] = ()
    """What goes wrong on purpose."""
    permissions: tuple[PermissionForm, ...] = ()
    """What an agent that asks is answered; the mock agent never asks."""
    reviewer: tuple[ReviewForm | str, ...] | None = None
    """What the scripted LLM answers, turn by turn; a text is given back as it stands."""
    expect: ExpectForm = ExpectForm()


class Scenario:
    """One scenario: its name, the file it stands in, and everything the file says (``form``).

    Read it from a file with :meth:`load`, or from a mapping with :meth:`from_data`.
    """

    def __init__(self, form: ScenarioForm, path: Path) -> None:
        self.form = form
        self.path = path
        self.name = form.name or path.name.removesuffix(SUFFIX)
        self.markers = form.markers
        self.repeat = form.repeat
        self.task = form.task
        self.checks = form.checks
        self.expect = form.expect

    def __repr__(self) -> str:
        return f"Scenario({self.name!r})"

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Read one file.

        Raises:
            ScenarioError: it is missing, not YAML, or has wrong keys or values; one line for each problem.
        """
        try:
            return cls._of(Document.read(Path(path)), Path(path))
        except DocumentError as error:
            raise ScenarioError(str(error)) from error

    @classmethod
    def from_data(cls, data: Mapping[str, Any], *, name: str = "scenario") -> Scenario:
        """Read a mapping of the same form.

        Raises:
            ScenarioError: as :meth:`load`.
        """
        import yaml

        try:
            text = yaml.safe_dump(dict(data), sort_keys=False)
            return cls._of(Document.parse(name, text), Path(name))
        except (DocumentError, yaml.YAMLError) as error:
            raise ScenarioError(str(error)) from error

    @classmethod
    def _of(cls, document: Document, path: Path) -> Scenario:
        if not isinstance(document.data, Mapping):
            raise DocumentError(
                f"{document.name}:1: a scenario is a mapping with the keys "
                f"{', '.join(ScenarioForm.model_fields)}; this is {type(document.data).__name__}"
            )
        scenario = cls(document.validate(ScenarioForm), path)
        template = scenario.form.workspace.template
        if template and not (path.parent / template).is_dir():
            line = document.line_of(("workspace", "template"))
            raise DocumentError(
                f"{document.name}:{line}: 'workspace.template': no folder {template!r} beside this file"
            )
        return scenario

    @property
    def script(self) -> tuple[ScriptStep, ...] | None:
        """The agent's script, or ``None`` when the file has none."""
        return None if self.form.script is None else tuple(form.step() for form in self.form.script)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong on purpose."""
        return tuple(form.fault() for form in self.form.faults)

    @property
    def permissions(self) -> tuple[PermissionRule, ...]:
        """Answers for the agent when it asks whether it may use a tool."""
        return tuple(form.rule() for form in self.form.permissions)

    @property
    def reviewer(self) -> tuple[Mapping[str, Any] | str, ...] | None:
        """The reviewer's script, or ``None`` when the file has none."""
        if self.form.reviewer is None:
            return None
        return tuple(turn if isinstance(turn, str) else turn.model_dump() for turn in self.form.reviewer)

    def cassette(self, config: Config) -> Path:
        """Return the file of the conversation between the configured agent and its model in this scenario."""
        folder = Path(config.settings.replay.cassettes or self.path.parent / "cassettes")
        agent = re.sub(r"[^\w.-]", "_", config.settings.agent.type)
        return folder / f"{self.name}.{agent}.jsonl"

    @property
    def limits(self) -> Limits:
        """What the task may use up."""
        return Limits(**self.form.limits.model_dump())

    def task_data(self) -> Mapping[str, Any]:
        """Return what :meth:`obra.StateManager.create_task` takes."""
        return {
            "title": self.task.title,
            "description": self.task.description,
            "acceptance": self.task.acceptance,
            "checks": self.checks,
            "limits": self.limits,
        }
