"""What a scenario says that others do: the agent's script, faults, permissions, the reviewer, the person asked."""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from obra.documented import Documented
from obra.domain import (
    CLIFault,
    Fault,
    ModelFault,
    PermissionAnswer,
    PermissionRule,
    ScriptStep,
    Trigger,
)


class Form(Documented):
    """A frozen part of the file; unknown keys are refused."""


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise ValueError("should be a path inside the workspace, relative and without '..'")
    return path


class OneOrMany:
    """Annotation of a list: a text alone stands for a list of that one text, and editors are told so."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make the list before it is validated."""
        return core_schema.no_info_before_validator_function(self._listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Offer the text beside the list."""
        return {"anyOf": [{"type": "string"}, handler(schema)]}

    @staticmethod
    def _listed(value: Any) -> Any:
        return [value] if isinstance(value, str) else value


InsidePath = Annotated[str, AfterValidator(_inside)]
Texts = Annotated[tuple[str, ...], OneOrMany()]
Percent = Annotated[float, Field(ge=0, le=100)]


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
    write: dict[InsidePath, str] = {}  # noqa: RUF012  # Pydantic copies it
    """Files it writes, with their text."""
    edit: dict[InsidePath, EditForm] = {}  # noqa: RUF012  # Pydantic copies it
    """Files it changes in place."""
    delete: Annotated[tuple[InsidePath, ...], OneOrMany()] = ()
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
    control: Literal["yes", "no", "unsure"] | None = None
    """What it says of a broken copy of the work, which it is shown where nobody wrote a check and it says yes.
    Only one that does not say yes to the copy has a vote; when not given, it says the same as of the work."""
    issues: Texts = ()
    """What it finds wanting."""
    question: str = ""
    """What it would ask the agent."""
    reason: str = "scripted"
    """Why."""

    @field_validator("verdict", "control", mode="before")
    @classmethod
    def _yaml_says_true(cls, value: Any) -> Any:
        """Read a plain yes or no, which YAML takes for a truth value."""
        return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


class AnswerForm(Form):
    """What a person answers when the task stops at a breakpoint."""

    answer: Annotated[str, Field(min_length=1)]
    """The words; the next prompt shows them to the agent."""
    trigger: Trigger | None = None
    """Only to a breakpoint that this trigger opened; any, when not given."""


class FileForm(Form):
    """A file that is more than text."""

    text: str | None = None
    """Its text, written as UTF-8."""
    base64: str | None = None
    """Its bytes, in Base64; line breaks are allowed."""
    executable: bool = False
    """Whether it may be run."""

    @model_validator(mode="after")
    def _one_of_them(self) -> FileForm:
        if (self.text is None) == (self.base64 is None):
            raise ValueError("should have either 'text' or 'base64'")
        return self

    @field_validator("base64")
    @classmethod
    def _is_base64(cls, value: str | None) -> str | None:
        try:
            base64.b64decode("".join((value or "").split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"should be Base64 ({error}); make it with: base64 FILE") from error
        return value

    @property
    def content(self) -> str | bytes:
        """The text of the file, or its bytes."""
        if self.text is not None:
            return self.text
        return base64.b64decode("".join((self.base64 or "").split()))
