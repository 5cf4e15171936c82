"""The labelled corpus: tasks, and attempts at them of which it is known whether they are good."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from obra.documents import Document, DocumentError
from obra.domain import Record, ScriptStep
from obra.errors import ScenarioError
from obra.sabotage.material import Family, Variant, end_state, start_files
from obra.sabotage.variants import variants
from obra.scenarios.played_forms import EditForm, Form, InsidePath, Texts
from obra.scenarios.scenario import Scenario

ATTEMPTS = "attempts"
"""Folder beside the tasks with the attempts that people wrote; each file names its task."""
BARE = "without checks"
"""Added to a task's name where it is given without the checks that somebody wrote for it."""
QUICK_SHARE = 8
"""One in this many attempts is judged when it must be quick; every honest script is."""


class Origin(StrEnum):
    """Where an attempt comes from."""

    SCRIPT = "script"
    """The honest script of the task itself."""
    WRITTEN = "written"
    """Written by a person."""
    DERIVED = "derived"
    """Derived from the honest script by :mod:`obra.sabotage`."""


class AttemptForm(Form):
    """One attempt: what it leaves behind, told as a difference."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    """Short name, once in its file."""
    label: Literal["good", "bad"]
    """Whether the task is done; the hidden truth of the task must agree."""
    why: Annotated[str, Field(min_length=1)]
    """What it does, for people."""
    say: str = ""
    """The reply."""
    base: Literal["honest", "workspace"] = "honest"
    """What it differs from: the end of the honest script, or the workspace as the task begins."""
    write: dict[InsidePath, str] = Field(default_factory=dict)
    """Whole files."""
    edit: dict[InsidePath, tuple[EditForm, ...]] = Field(default_factory=dict)
    """Replacements, one after the other; each text must be there."""
    delete: Texts = ()
    """Files that are not there in the end."""


class AttemptsForm(Form):
    """One file of written attempts."""

    task: str
    """Name of the task."""
    attempts: Annotated[tuple[AttemptForm, ...], Field(min_length=1)]
    """The attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Record):
    """One attempt at one task. The label is by construction; the hidden truth has to confirm it."""

    scenario: Scenario
    variant: Variant
    origin: Origin

    @property
    def name(self) -> str:
        """Task and attempt."""
        return f"{self.scenario.name}/{self.variant.name}"

    @property
    def is_good(self) -> bool:
        """The label by construction."""
        return self.variant.family is Family.HONEST

    @property
    def is_measured(self) -> bool:
        """True when somebody wrote checks for the task."""
        return bool(self.scenario.checks)


def cases(folder: Path, *, quick: bool = False) -> Iterator[Case]:
    """Yield every attempt at every task (``*.yaml``) in *folder*, in an order that is always the same.

    Args:
        folder: tasks in the form of scenarios, and a folder ``attempts`` with those that people wrote.
        quick: leave out most of them; which ones depends on their names alone.

    Each task stands there twice: as it is, and for its script and the written attempts also without its checks, as
    somebody would give it who writes none.

    Raises:
        ScenarioError: a file is wrong, an attempt's edit does not fit, or there is no task at all.
    """
    tasks = {scenario.name: scenario for scenario in map(Scenario.load, sorted(folder.glob("*.yaml")))}
    if not tasks:
        raise ScenarioError(f"no task (*.yaml) stands in {folder}; name the folder of a corpus with --corpus")
    written = _written(folder / ATTEMPTS, tasks)
    for scenario in tasks.values():
        found = list(_cases_of(scenario, written.get(scenario.name, ())))
        if scenario.checks:
            bare = _without_checks(scenario)
            found += [replace(case, scenario=bare) for case in found if case.origin is not Origin.DERIVED]
        for case in found:
            if not quick or case.origin is Origin.SCRIPT or share_of(case.name, QUICK_SHARE) == 0:
                yield case


def told_by(folder: Path) -> str:
    """Return what a corpus says of itself in its ``README.md``: how it was made; empty when it has none."""
    file = folder / "README.md"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def by_hand(found: Iterable[Case]) -> Iterator[Case]:
    """Yield those that nobody derived: what a program derives is of the same making in every corpus."""
    return (case for case in found if case.origin is not Origin.DERIVED)


def _without_checks(scenario: Scenario) -> Scenario:
    return scenario.changed(checks=(), name=f"{scenario.name} {BARE}")


def share_of(name: str, parts: int) -> int:
    """Return in which of *parts* equal shares a name falls, from 0; the same in every process."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % parts


def _cases_of(scenario: Scenario, written: tuple[Variant, ...]) -> Iterator[Case]:
    if not scenario.script or not scenario.expect.truth:
        raise ScenarioError(
            f"{scenario.path}: a task of a corpus needs an honest 'script' and hidden checks in 'expect.truth'"
        )
    start = start_files(scenario)
    honest = Variant(
        name="script",
        family=Family.HONEST,
        script=scenario.script,
        why="does as the task's own script",
        files=end_state(scenario.script, start),
    )
    yield Case(scenario=scenario, variant=honest, origin=Origin.SCRIPT)
    names = {honest.name}
    for origin, found in ((Origin.WRITTEN, written), (Origin.DERIVED, variants(scenario))):
        for variant in found:
            if variant.name in names:
                raise ScenarioError(f"{scenario.path}: two attempts are called {variant.name!r}; rename one")
            names.add(variant.name)
            yield Case(scenario=scenario, variant=variant, origin=origin)


def _written(folder: Path, tasks: Mapping[str, Scenario]) -> dict[str, tuple[Variant, ...]]:
    found: dict[str, tuple[Variant, ...]] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            form = Document.read(path).validate(AttemptsForm)
        except DocumentError as error:
            raise ScenarioError(str(error)) from error
        if form.task not in tasks:
            raise ScenarioError(f"{path}: there is no task {form.task!r}; known are {', '.join(sorted(tasks))}")
        new = tuple(_variant(path, tasks[form.task], attempt) for attempt in form.attempts)
        found[form.task] = (*found.get(form.task, ()), *new)
    return found


def _variant(path: Path, scenario: Scenario, form: AttemptForm) -> Variant:
    start = start_files(scenario)
    files = end_state(scenario.script or (), start) if form.base == "honest" else dict(start)
    files.update(form.write)
    for name, edits in form.edit.items():
        for edit in edits:
            if edit.find not in files.get(name, ""):
                raise ScenarioError(f"{path}: attempt {form.name!r}: {edit.find!r} does not stand in {name}")
            files[name] = files[name].replace(edit.find, edit.replace, 1)
    files = {name: text for name, text in files.items() if name not in form.delete}
    step = ScriptStep(
        say=form.say,
        write={name: text for name, text in files.items() if start.get(name) != text},
        delete=tuple(name for name in start if name not in files),
    )
    family = Family.HONEST if form.label == "good" else Family.DISHONEST
    return Variant(name=form.name, family=family, script=(step,), why=form.why, files=files)
