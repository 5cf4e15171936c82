"""Scenario: one case of one YAML file, typed, and how the file is read."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from obra.config import Config
from obra.documents import Document, DocumentError
from obra.domain import Fault, Limits, PermissionRule, ScriptStep
from obra.errors import ScenarioError
from obra.scenarios.forms import ExpectForm, ParametersForm, ScenarioForm, TaskForm
from obra.scenarios.parameters import Case, Substitution, Value, cases_of, problems_of_parameters
from obra.scenarios.part import Part, parts_of
from obra.scenarios.soundness import problems_of_scenario
from obra.wrong_values import ValueProblem

if TYPE_CHECKING:
    from obra.replay.model_doors import Tape

SUFFIX = ".obra.yaml"


class Scenario:
    """One case of a scenario: its name, the file it stands in, and everything the file says (``form``).

    Read it from a file with :meth:`load` or :meth:`load_cases`, or from a mapping with :meth:`from_data`.

    Attributes:
        name: what the scenario is called.
        case: the name with the id of the case, such as ``calculator[add-1]``; just the name without parameters.
        repeat: how often it is to run.
        digest: BLAKE2 of the text that it was read from, 32 hexadecimal digits; empty without one.
    """

    __slots__ = ("_case", "_form", "_packed", "_parts", "_path", "case", "digest", "markers", "name", "repeat")

    def __init__(self, form: ScenarioForm, path: Path, case: Case | None = None, data: Any = None) -> None:
        self._form: ScenarioForm | None = form
        self._packed = None if data is None else pickle.dumps(data, pickle.HIGHEST_PROTOCOL)
        self._parts: tuple[Part, ...] | None = None
        self._path = str(path)
        self._case = case
        self.name = form.name or path.name.removesuffix(SUFFIX)
        self.case = f"{self.name}[{case.id}]" if case else self.name
        self.markers = form.markers
        self.repeat = form.repeat
        self.digest = ""

    def __repr__(self) -> str:
        return f"Scenario({self.case!r})"

    @property
    def form(self) -> ScenarioForm:
        """Everything that the file says."""
        if self._form is None and self._packed is not None:
            self._form = ScenarioForm.model_validate(pickle.loads(self._packed))  # noqa: S301  # packed by ourselves
        assert self._form is not None  # noqa: S101  # only what is packed is let go; tells mypy so
        return self._form

    def release(self) -> None:
        """Let go of the form: it is made anew when needed, from something much smaller.

        Whoever holds thousands of scenarios calls this for those that do not run just now.
        """
        if self._packed is not None:
            self._form = self._parts = None

    @property
    def path(self) -> Path:
        """The file that it stands in."""
        return Path(self._path)

    @property
    def parameters(self) -> Mapping[str, Value]:
        """The values of this case by name, which already stand in :attr:`form`."""
        return self._case.values if self._case else {}

    @property
    def checks(self) -> tuple[Mapping[str, Any], ...]:
        """What Obra itself may see and judges by."""
        return self.form.checks

    @property
    def expect(self) -> ExpectForm:
        """The right ending."""
        return self.form.expect

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Read a file that holds one case.

        Raises:
            ScenarioError: as :meth:`load_cases`; or it has ``parameters:``, and so several cases.
        """
        cases = cls.load_cases(path)
        if len(cases) > 1:
            raise ScenarioError(
                f"{path}: has {len(cases)} cases, from {cases[0].case} to {cases[-1].case}; read them with "
                f"Scenario.load_cases"
            )
        return cases[0]

    @classmethod
    def load_cases(cls, path: str | Path) -> tuple[Scenario, ...]:
        """Read one file: one scenario, or one for each case that its ``parameters:`` make.

        Raises:
            ScenarioError: it is missing, not YAML, or has wrong keys or values; one line for each problem.
        """
        try:
            return cls._read(Document.read(Path(path)), Path(path))
        except DocumentError as error:
            raise ScenarioError(str(error)) from error

    @classmethod
    def parse(cls, text: str, path: Path) -> tuple[Scenario, ...]:
        """Do as :meth:`load_cases` with the text of a file that need not be there yet.

        Raises:
            ScenarioError: as :meth:`load_cases`.
        """
        try:
            return cls._read(Document.parse(str(path), text), path)
        except DocumentError as error:
            raise ScenarioError(str(error)) from error

    @classmethod
    def from_data(cls, data: Mapping[str, Any], *, name: str = "scenario") -> Scenario:
        """Read a mapping of the same form, without parameters.

        Raises:
            ScenarioError: as :meth:`load`.
        """
        import yaml

        try:
            text = yaml.safe_dump(dict(data), sort_keys=False)
            (scenario,) = cls._cases(Document.parse(name, text), Path(name))
        except (DocumentError, yaml.YAMLError) as error:
            raise ScenarioError(str(error)) from error
        return scenario

    def changed(self, **keys: Any) -> Scenario:
        """Return this case with other values for keys of its form; they are not validated."""
        return type(self)(self.form.model_copy(update=keys), self.path, self._case)

    @classmethod
    def _read(cls, document: Document, path: Path) -> tuple[Scenario, ...]:
        found = tuple(cls._cases(document, path))
        digest = blake2b(document.text.encode(), digest_size=16).hexdigest()
        for one in found:
            one.digest = digest
        return found

    @classmethod
    def _cases(cls, document: Document, path: Path) -> Iterator[Scenario]:
        data = document.data
        if not isinstance(data, Mapping):
            raise DocumentError(
                f"{document.name}:1: a scenario is a mapping with the keys "
                f"{', '.join(sorted(ScenarioForm.model_fields))}; this is {_what_is(data)}"
            )
        if data.get("parameters") is None:
            yield cls(_form_of(document, path), path, data=data)
            return
        parameters = document.validate(_OnlyParameters).parameters
        document.refuse(problems_of_parameters(parameters))
        unused = set(next(cases_of(parameters)).values)
        for case in cases_of(parameters):
            filled = Substitution(case.values)
            here = replace(document, data=filled.of(data))
            document.refuse(filled.problems)
            unused -= filled.used
            yield cls(_form_of(here, path), path, case, data=here.data)
        document.refuse(
            ValueProblem(
                ("parameters",), f"'parameters': nothing in the scenario says '${name}'; use it or drop it"
            )
            for name in sorted(unused)
        )

    @property
    def slug(self) -> str:
        """The case as it can stand in the name of a file."""
        return re.sub(r"[^\w.+-]+", "-", self.case).strip("-")

    @property
    def is_several(self) -> bool:
        """True when the file has ``tasks:`` instead of one ``task:``."""
        return bool(self.form.tasks)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The tasks, in the order of the file."""
        if self._parts is None:
            self._parts = tuple(parts_of(self.form))
        return self._parts

    @property
    def task(self) -> TaskForm:
        """What is asked.

        Raises:
            ScenarioError: several things are; see :attr:`parts`.
        """
        if self.form.task is None:
            raise ScenarioError(f"{self.path}: this scenario has several tasks, and this needs one with a 'task:'")
        return self.form.task

    @property
    def seconds(self) -> float | None:
        """What all tasks together may take, or ``None`` when one of them has no limit."""
        given = [work.limits.seconds for work in self.form.tasks or (self.form,)]
        return None if None in given else sum(one for one in given if one is not None)

    @property
    def title(self) -> str:
        """What is asked, in one line; the titles of several tasks stand behind each other."""
        return "; ".join(part.task.title for part in self.parts)

    @property
    def script(self) -> tuple[ScriptStep, ...] | None:
        """The agent's script, or ``None`` when the file has none, or one for each of its tasks."""
        return None if self.is_several else self.parts[0].script

    @property
    def reviewer(self) -> tuple[Mapping[str, Any] | str, ...] | None:
        """The reviewer's script, or ``None`` when the file has none, or one for each of its tasks."""
        return None if self.is_several else self.parts[0].reviewer

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong on purpose."""
        return tuple(form.fault() for form in self.form.faults)

    @property
    def permissions(self) -> tuple[PermissionRule, ...]:
        """Answers for the agent when it asks whether it may use a tool."""
        return tuple(form.rule() for form in self.form.permissions)

    def tape(self, config: Config) -> Tape:
        """Return the recording of what the configured agent and its model say to each other in this scenario."""
        from obra.replay.model_doors import Tape

        folder = Path(config.settings.replay.cassettes or self.path.parent / "cassettes")
        agent = re.sub(r"[^\w.-]", "_", config.settings.agent.type)
        file = folder / f"{self.name if self.case == self.name else self.slug}.{agent}.jsonl"
        return Tape(file=file, title=self.case, scenario=self.path)

    @property
    def limits(self) -> Limits:
        """What the task may use up."""
        return Limits(**self.form.limits.model_dump())

    def task_data(self) -> Mapping[str, Any]:
        """Return what :meth:`obra.StateManager.create_task` takes.

        Raises:
            ScenarioError: it has several tasks; see :attr:`parts`.
        """
        return self.parts[0].task_data() if self.task else {}


class _OnlyParameters(BaseModel):
    """What is read of a file before its values are put in place."""

    parameters: ParametersForm


def _what_is(data: object) -> str:
    """Return in YAML's own words what stands where a mapping should."""
    if data is None:
        return "an empty file"
    return "a list" if isinstance(data, list) else f"{str(data)[:40]!r}"


def _form_of(document: Document, path: Path) -> ScenarioForm:
    form = document.validate(ScenarioForm)
    document.refuse(problems_of_scenario(form, path.parent))
    return form
