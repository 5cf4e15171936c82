"""Part: one task of a scenario, and what is played to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from obra.domain import Limits, ScriptStep
from obra.scenarios.forms import CheckForm, EndForm, PartForm, ScenarioForm, TaskForm, WorkForm
from obra.scenarios.soundness import built_on


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


def parts_of(form: ScenarioForm) -> Iterator[Part]:
    """Yield the tasks of a scenario, in the order of the file."""
    if form.task is not None:
        yield Part(form, form.task, form.expect)
        return
    by_name = {one.name: one for one in form.tasks}
    for one in form.tasks:
        yield Part(one, one.task, one.expect, name=one.name, after=one.after, kept=_kept(one, by_name))


def _kept(form: PartForm, by_name: Mapping[str, PartForm]) -> tuple[CheckForm, ...]:
    """Return the checks of the tasks that this one builds on: it was given their work, and must not undo it."""
    before = built_on(form.name, {name: one.after for name, one in by_name.items()})
    replaced = {name for one in (form.name, *before) for name in by_name[one].replaces}
    found: list[CheckForm] = []
    for name in by_name:
        if name in before and name not in replaced:
            found += [check for check in by_name[name].checks if check not in found]
    return tuple(found)
