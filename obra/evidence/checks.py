"""Check: what every kind of check has in common. The YAML form of a check *is* its model.

A kind is a subclass with one field called as the kind is, so that ``{file: a.py, required: false}`` in a scenario
is validated as it stands, and the model's JSON schema is the schema of the YAML.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from obra.documented import Documented
from obra.domain import CheckResult
from obra.evidence.scene import Scene

_LAST_LINE = 200
"""Characters of a last line of output that stand in a message."""


class Finding(NamedTuple):
    """What a check found out: whether it passed, what was expected and seen, and a program's output."""

    passed: bool
    message: str
    output: str = ""


def passed(message: str, output: str = "") -> Finding:
    """Return the finding that all is as expected."""
    return Finding(True, message, output)  # noqa: FBT003  # this function is its name


def failed(message: str, output: str = "") -> Finding:
    """Return the finding that it is not; *message* says what was expected and what was seen."""
    return Finding(False, message, output)  # noqa: FBT003  # this function is its name


class Model(Documented):
    """A frozen piece of a check; unknown keys are refused."""


class Check(Model, ABC):
    """One thing that must hold in the workspace."""

    kind: ClassVar[str]
    """The key that the check is written with."""

    name: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """What reports call the check; none means the sentence that describes it."""
    timeout: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = None
    """Seconds; none means the setting evidence.timeout."""
    required: Annotated[bool, Field(strict=True)] = True
    """Whether the work cannot be done while this check fails."""

    @abstractmethod
    def describe(self) -> str:
        """Return what must hold as one sentence without a full stop; the agent reads it as acceptance."""

    @abstractmethod
    def look(self, scene: Scene) -> Finding:
        """Look and compare.

        Raises:
            Exception: the check itself broke; that says nothing about the work.
        """

    def run(self, scene: Scene) -> CheckResult:
        """Look at *scene* and return the result; its seconds include making a private copy.

        Raises:
            Exception: see :meth:`look`.
        """
        started = time.perf_counter()
        found = self.look(scene)
        return CheckResult(
            name=self.name or self.describe(),
            passed=found.passed,
            message=found.message,
            kind=self.kind,
            required=self.required,
            output=cut(found.output, scene.max_output),
            seconds=time.perf_counter() - started,
        )

    def limit(self, scene: Scene) -> float:
        """Return the seconds that this check may take."""
        return self.timeout or scene.timeout


@dataclass(frozen=True, slots=True)
class ShortForm:
    """Annotation: a text alone stands for a mapping with that text under *key* (``many``: a list does, too)."""

    key: str
    many: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Unfold the short form before the model is validated."""
        return core_schema.no_info_before_validator_function(self._unfold, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Offer the short form beside the mapping."""
        short: list[dict[str, Any]] = [{"type": "string"}]
        if self.many:
            short.append({"type": "array", "items": {"type": "string"}, "minItems": 1})
        return {"anyOf": [*short, handler(schema)]}

    def _unfold(self, value: Any) -> Any:
        is_short = isinstance(value, str) or (self.many and isinstance(value, list | tuple))
        return {self.key: value} if is_short else value


def cut(text: str, limit: int) -> str:
    """Return *text* with at most *limit* characters: its head and its tail, and how much was left out."""
    if len(text) <= limit:
        return text
    note = f"\n... {len(text) - limit} characters or more left out ...\n"
    room = max(limit - len(note), 0)
    return (text[: room // 2] + note + text[len(text) - (room - room // 2) :])[:limit]


def last_line(output: str) -> str:
    """Return ``last line: '...'`` of what a program printed, or ``no output``."""
    line = output.rstrip().rpartition("\n")[2].strip()
    if not line:
        return "no output"
    return f"last line: {line if len(line) <= _LAST_LINE else line[: _LAST_LINE - 1] + '…'}"
