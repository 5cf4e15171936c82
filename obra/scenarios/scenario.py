"""Scenario: one case of one YAML file, typed, and how the file is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from obra.config import Config
from obra.documents import Document, DocumentError, ValueProblem
from obra.domain import Fault, Limits, PermissionRule, ScriptStep
from obra.errors import ScenarioError
from obra.scenarios.forms import CheckForm, EndForm, ParametersForm, PartForm, ScenarioForm, TaskForm, WorkForm
from obra.scenarios.parameters import Case, Substitution, Value, cases_of, problems_of_parameters
from obra.scenarios.soundness import built_on, problems_of_scenario

if TYPE_CHECKING:
    from obra.replay.model_doors import Tape

SUFFIX = ".obra.yaml"


class Part:
    """One task of a scenario; most scenarios have just one, without a name of its own."""

    def __init__(
        self,
        work: WorkForm,
        task: TaskForm,
        expect: EndForm,
        *,
        name: str = "",
        after: tuple[str, ...] = (),
        kept: tuple[CheckForm, ...] = (),
    ) -> None:
        self.work = work
        self.task = task
        self.expect = expect
        self.name = name
        self.after = after
        self.checks = work.checks + tuple(check for check in kept if check not in work.checks)
        self.human = work.human

    @property
    def script(self) -> tuple[ScriptStep, ...] | None:
        """The agent's script, or ``None`` when the file has none."""
        return None if self.work.script is None else tuple(form.step() for form in self.work.script)

    @property
    def reviewer(self) -> tuple[Mapping[str, Any] | str, ...] | None:
        """The reviewer's script, or ``None`` when the file has none."""
        if self.work.reviewer is None:
            return None
        return tuple(turn if isinstance(turn, str) else turn.model_dump() for turn in self.work.reviewer)

    @property
    def limits(self) -> Limits:
        """What the task may use up."""
        return Limits(**self.work.limits.model_dump())

    def task_data(self) -> dict[str, Any]:
        """Return what :meth:`obra.StateManager.create_task` takes, without what is played."""
        return {
            "title": self.task.title,
            "description": self.task.description,
            "acceptance": self.task.acceptance,
            "checks": self.checks,
            "limits": self.limits,
        }

    def played_task_data(self) -> dict[str, Any]:
        """Return the same with the scripts of agent and reviewer, so that whoever resumes the task has them."""
        return {**self.task_data(), "script": self.script, "reviewer": self.reviewer}


class Scenario:
    """One case of a scenario: its name, the file it stands in, and everything the file says (``form``).

    Read it from a file with :meth:`load` or :meth:`load_cases`, or from a mapping with :meth:`from_data`.

    Attributes:
        name: what the scenario is called.
        case: the name with the id of the case, such as ``calculator[add-1]``; just the name without parameters.
        parameters: the values of this case by name, which already stand in ``form``.
        repeat: how often it is to run.
    """

    def __init__(self, form: ScenarioForm, path: Path, case: Case | None = None) -> None:
        self.form = form
        self.path = path
        self.name = form.name or path.name.removesuffix(SUFFIX)
        self.case = f"{self.name}[{case.id}]" if case else self.name
        self.parameters: Mapping[str, Value] = case.values if case else {}
        self.markers = form.markers
        self.repeat = form.repeat
        self.checks = form.checks
        self.expect = form.expect
        self._case = case

    def __repr__(self) -> str:
        return f"Scenario({self.case!r})"

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
            return tuple(cls._cases(Document.read(Path(path)), Path(path)))
        except DocumentError as error:
            raise ScenarioError(str(error)) from error

    @classmethod
    def parse(cls, text: str, path: Path) -> tuple[Scenario, ...]:
        """Do as :meth:`load_cases` with the text of a file that need not be there yet.

        Raises:
            ScenarioError: as :meth:`load_cases`.
        """
        try:
            return tuple(cls._cases(Document.parse(str(path), text), path))
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
    def _cases(cls, document: Document, path: Path) -> Iterator[Scenario]:
        data = document.data
        if not isinstance(data, Mapping):
            raise DocumentError(
                f"{document.name}:1: a scenario is a mapping with the keys "
                f"{', '.join(sorted(ScenarioForm.model_fields))}; this is {type(data).__name__}"
            )
        if data.get("parameters") is None:
            yield cls(_form_of(document, path), path)
            return
        parameters = document.validate(_OnlyParameters).parameters
        document.refuse(problems_of_parameters(parameters))
        unused = set(next(cases_of(parameters)).values)
        for case in cases_of(parameters):
            filled = Substitution(case.values)
            here = replace(document, data=filled.of(data))
            document.refuse(filled.problems)
            unused -= filled.used
            yield cls(_form_of(here, path), path, case)
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

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The tasks, in the order of the file."""
        form = self.form
        if form.task is not None:
            return (Part(form, form.task, form.expect),)
        by_name = {one.name: one for one in form.tasks}
        return tuple(
            Part(one, one.task, one.expect, name=one.name, after=one.after, kept=_kept(one, by_name))
            for one in form.tasks
        )

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


def _form_of(document: Document, path: Path) -> ScenarioForm:
    form = document.validate(ScenarioForm)
    document.refuse(problems_of_scenario(form, path.parent))
    return form


def _kept(form: PartForm, by_name: Mapping[str, PartForm]) -> tuple[CheckForm, ...]:
    """Return the checks of the tasks that this one builds on: it was given their work, and must not undo it."""
    before = built_on(form.name, {name: one.after for name, one in by_name.items()})
    replaced = {name for one in (form.name, *before) for name in by_name[one].replaces}
    found: list[CheckForm] = []
    for name in by_name:
        if name in before and name not in replaced:
            found += [check for check in by_name[name].checks if check not in found]
    return tuple(found)
