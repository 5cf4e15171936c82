"""What is wrong with a scenario beyond the types of its keys: what does not go together or is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from obra.scenarios.forms import ScenarioForm
from obra.scenarios.scenario_settings import problems_of_settings
from obra.scheduler import circle
from obra.wrong_values import ValueProblem

_OF_ONE_TASK = ("checks", "script", "reviewer", "limits", "human", "faults")
"""Keys that belong to one task; with several, each task has its own, and faults are not played."""


def problems_of_scenario(form: ScenarioForm, folder: Path) -> Iterator[ValueProblem]:
    """Yield every problem of a scenario that stands in *folder*; its types are right already."""
    if form.tasks:
        yield from _several(form)
    elif form.task is None:
        yield ValueProblem(("task",), "the key 'task' is missing")
    yield from _sources(form, folder)
    if form.settings is not None:
        yield from problems_of_settings(form.settings)


def _sources(form: ScenarioForm, folder: Path) -> Iterator[ValueProblem]:
    workspace = form.workspace
    if workspace.template and not (folder / workspace.template).is_dir():
        text = f"'workspace.template': no folder {workspace.template!r} beside this file"
        yield ValueProblem(("workspace", "template"), text)
    if workspace.archive and not (folder / workspace.archive).is_file():
        text = f"'workspace.archive': no file {workspace.archive!r} beside this file"
        yield ValueProblem(("workspace", "archive"), text)
    given = [name for name in ("template", "archive", "git") if getattr(workspace, name)]
    if len(given) > 1:
        text = f"'workspace': {' and '.join(given)} do not go together; give one of them, and 'files' on top"
        yield ValueProblem(("workspace", given[1]), text)


def _several(form: ScenarioForm) -> Iterator[ValueProblem]:
    if form.task is not None:
        yield ValueProblem(("task",), "'task': there are 'tasks', too; move it among them")
    for key in sorted(form.model_fields_set.intersection(_OF_ONE_TASK)):
        yield ValueProblem(
            (key,), f"'{key}': belongs to one task; with 'tasks', write it in the task that it is for"
        )
    for key in sorted(form.expect.model_fields_set - {"truth"}):
        place = ("expect", key)
        yield ValueProblem(place, f"'expect.{key}': belongs to one task; with 'tasks', each has its own 'expect'")
    names = [part.name for part in form.tasks]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ValueProblem(("tasks", index, "name"), f"'tasks.{index}.name': {name!r} stands here twice")
    yield from _waits(form, names)


def _waits(form: ScenarioForm, names: list[str]) -> Iterator[ValueProblem]:
    unknown = False
    for index, part in enumerate(form.tasks):
        for name in part.after:
            if name not in names:
                unknown = True
                close = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}."
                yield ValueProblem(("tasks", index, "after"), f"'tasks.{index}.after': no task {name!r}; {hint}")
    if unknown or len(set(names)) < len(names):
        return
    if path := circle({part.name: part.after for part in form.tasks}):
        where = ("tasks", names.index(path[0]), "after")
        shown = " -> ".join(path)
        yield ValueProblem(where, f"'tasks.{where[1]}.after': tasks wait for each other in a circle: {shown}")
        return
    after = {part.name: part.after for part in form.tasks}
    for index, part in enumerate(form.tasks):
        before = built_on(part.name, after)
        for name in sorted(set(part.replaces) - before):
            hint = (
                f"it may replace: {', '.join(sorted(before))}" if before else "name what it builds on in 'after'"
            )
            text = f"'tasks.{index}.replaces': {part.name!r} does not build on {name!r}, nor is held to its checks"
            yield ValueProblem(("tasks", index, "replaces"), f"{text}; {hint}")


def built_on(name: str, after: Mapping[str, Sequence[str]]) -> set[str]:
    """Return all that a task comes after, at any distance; *after* has no circle."""
    found: set[str] = set()
    waiting = list(after[name])
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += after[one]
    return found
