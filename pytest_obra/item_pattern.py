"""Many scenario files in one folder differ in nothing but their scenario: their tests are made after one pattern.

For each function pytest works out which fixtures it needs, makes definitions for its parameters, and asks every
plugin for more parameters. For scenario files in the same folder the answers are the same, and finding them anew
costs several times what reading the file does. So the first file of a folder is collected by pytest in full, and
its tests are the pattern for the others. Where that could make a difference (another plugin has a say in the
parameters, an id that pytest would escape, several cases in one file, another pytest) nothing is copied.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from obra.scenarios.scenario import Scenario
from pytest_obra.repeats import FIXTURE, Repeat

_KNOWN_SOURCES = ("_pytest.python", "_pytest.fixtures", "pytest_obra.plugin")
"""Modules whose say in the parameters of a test is the same for every scenario file of a folder."""
_PARAMETERS = {"obra_agent_name", "scenario", FIXTURE}


class ItemPattern:
    """The tests of one scenario file, after which those of other files in its folder are made.

    Args:
        items: the tests, as pytest made them.
        marks: of the file's scenario; they stand at the end of each test's.
    """

    def __init__(self, items: Sequence[pytest.Function], marks: Sequence[pytest.MarkDecorator]) -> None:
        self._items = items
        self._marks = len(marks)
        self.test: Callable[..., None] = items[0].obj
        self.repeats = tuple(dict.fromkeys(_callspec(item).params[FIXTURE] for item in items))

    @classmethod
    def of(
        cls,
        collector: pytest.Module,
        items: Sequence[Any],
        scenario: Scenario,
        marks: Sequence[pytest.MarkDecorator],
    ) -> ItemPattern | None:
        """Return the pattern that *items* make, or ``None`` when others cannot be made after it."""
        if not items or _others_have_a_say(collector):
            return None
        for item in items:
            callspec = getattr(item, "callspec", None)
            if callspec is None or set(callspec.params) != _PARAMETERS or "_fixtureinfo" not in vars(item):
                return None
            wanted = _renamed(callspec, scenario, callspec.params[FIXTURE], list(callspec.marks))
            if wanted != callspec or wanted.id != callspec.id:
                return None
        return cls(items, marks)

    def fits(self, scenarios: Sequence[Scenario], repeats: tuple[Repeat, ...]) -> bool:
        """Tell whether the tests of a file with *scenarios* can be made after this one."""
        case = scenarios[0].case
        return len(scenarios) == 1 and repeats == self.repeats and case.isascii() and case.isprintable()

    def copies(
        self,
        collector: pytest.Module,
        scenario: Scenario,
        marks: Sequence[pytest.MarkDecorator],
    ) -> Iterator[pytest.Function]:
        """Yield the tests of *collector*, which run the pattern's function with *scenario*."""
        own = [one.mark for one in marks]
        for item in self._items:
            given = _callspec(item)
            kept = given.marks[: len(given.marks) - self._marks]
            callspec = _renamed(given, scenario, given.params[FIXTURE], [*kept, *own] or given.marks)
            yield pytest.Function.from_parent(
                collector,
                name=f"{item.originalname}[{callspec.id}]",
                callspec=callspec,
                callobj=self.test,
                fixtureinfo=vars(item)["_fixtureinfo"],
                keywords={callspec.id: True},
                originalname=item.originalname,
            )


def id_of(scenario: Scenario, *repeats: Repeat) -> str:
    """Return what stands in the id of a test for its scenario and its repeat."""
    return "-".join(filter(None, (scenario.case, *(repeat.id for repeat in repeats))))


def _callspec(item: pytest.Function) -> Any:
    return item.callspec


def _renamed(callspec: Any, scenario: Scenario, repeat: Repeat, marks: list[pytest.Mark]) -> Any:
    """Return *callspec* with another scenario, or ``None`` when it is not made as we know it."""
    if not {"params", "marks", "_idlist"} <= {field.name for field in dataclasses.fields(callspec)}:
        return None
    return dataclasses.replace(
        callspec,
        params={**callspec.params, "scenario": scenario},
        marks=marks,
        _idlist=[*callspec._idlist[:-1], id_of(scenario, repeat)],  # noqa: SLF001  # ids have no other place
    )


def _others_have_a_say(collector: pytest.Module) -> bool:
    asked = collector.ihook.pytest_generate_tests.get_hookimpls()
    return any(one.function.__module__ not in _KNOWN_SOURCES for one in asked)
