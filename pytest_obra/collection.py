"""A scenario file stands as a test module that holds one ordinary test function."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from obra.errors import ScenarioError
from obra.scenarios.scenario import Scenario
from pytest_obra.item_pattern import ItemPattern, id_of
from pytest_obra.repeats import FIXTURE, Repeat, repeats
from pytest_obra.running import make_test

_KNOWN_MARKERS = pytest.StashKey[set[str]]()
_PATTERN = pytest.StashKey[ItemPattern | None]()
"""Of a folder: the tests of its first scenario file, if others can be made after them."""
_TIMES_LONGER, _LONGER = 2, 600
"""What a test may take before pytest-timeout ends it: twice its ``limits.seconds``, and ten minutes."""


class ScenarioFile(pytest.Module):
    """One ``*.obra.yaml`` file. pytest allows subclasses to say what object a module stands for."""

    __slots__ = ("_scenarios", "_test")  # in its ``__dict__`` they would take several times as much, in each file
    _scenarios: tuple[Scenario, ...]
    _test: Callable[..., None] | None

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self._scenarios, self._test = (), None

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path) -> ScenarioFile:
        """Return the collector of one file."""
        if str(path) == f"{parent.path}{os.sep}{path.name}":  # which pytest would find out in a longer way
            return cls.from_parent(parent, path=path, name=path.name)
        return cls.from_parent(parent, path=path)

    def _getobj(self) -> types.ModuleType:
        """Return a module with one test function and the scenario that it is to be run with."""
        scenarios = self._load()
        module = types.ModuleType(self.path.name.partition(".")[0], scenarios[0].form.description or None)
        module.__file__ = str(self.path)
        module.obra_scenarios = scenarios  # type: ignore[attr-defined]  # read by parametrize_scenarios
        if self.config.getoption("--obra-sabotage"):
            self._sabotage(module, scenarios)
        else:
            self._test = self._test or make_test()
            module.test_scenario = self._test  # type: ignore[attr-defined]  # what pytest collects
        return module

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return the tests of the one function that the module holds.

        A module in Python may bring fixtures, ``setup_module`` and more, for which pytest goes through its names
        several times. Ours has none of that, and looking for it would cost more than reading the file. Where the
        tests are made after those of another file, the module itself is made when somebody asks for it.
        """
        try:
            return self._tests(self._load())
        finally:
            for scenario in self._scenarios:
                scenario.release()

    def _tests(self, scenarios: Sequence[Scenario]) -> list[Any]:
        first = scenarios[0]
        register_markers(self.config, first.markers)
        if self.config.getoption("--obra-sabotage") or self.parent is None:
            (name,) = [name for name in vars(self.obj) if name.startswith("test_")]
            return list(self._genfunctions(name, getattr(self.obj, name)))
        pattern = self.parent.stash.get(_PATTERN, None)
        marks = _marks_of(first, limit=limits_tests(self.config))
        if pattern and pattern.fits(scenarios, tuple(repeats(self.config, first))):
            self._test = pattern.test
            return list(pattern.copies(self, first, marks))
        items = list(self._genfunctions("test_scenario", self.obj.test_scenario))
        if len(scenarios) == 1:
            self.parent.stash[_PATTERN] = ItemPattern.of(self, items, first, marks)
        return items

    def _sabotage(self, module: types.ModuleType, scenarios: Sequence[Scenario]) -> None:
        """Let the module hold one test for each variant of each case, instead of the cases themselves."""
        from pytest_obra.sabotage import make_sabotage_test, variants_of

        try:
            found = [(scenario, variant) for scenario in scenarios for variant in variants_of(scenario)]
            module.obra_variants = found  # type: ignore[attr-defined]  # for parametrizing
        except ScenarioError as error:
            raise self.CollectError(str(error)) from error
        module.test_sabotage = make_sabotage_test()  # type: ignore[attr-defined]  # what pytest collects

    def _load(self) -> tuple[Scenario, ...]:
        """Return what the file holds; it is read once."""
        if not self._scenarios:
            try:
                self._scenarios = Scenario.load_cases(shortest(self.path, self.config))
            except ScenarioError as error:
                raise self.CollectError(str(error)) from error
        return self._scenarios


def shortest(path: Path, config: pytest.Config) -> Path:
    """Return *path* as people would type it: relative to where pytest was started, if it is below."""
    start = f"{config.invocation_params.dir}{os.sep}"
    return Path(str(path).removeprefix(start))


def register_markers(config: pytest.Config, markers: Sequence[str]) -> None:
    """Let scenarios bring their own markers, also under ``--strict-markers``."""
    if not markers:
        return
    if _KNOWN_MARKERS not in config.stash:
        lines = config.getini("markers")
        config.stash[_KNOWN_MARKERS] = {line.split(":")[0].split("(")[0].strip() for line in lines}
    for marker in markers:
        if marker not in config.stash[_KNOWN_MARKERS]:
            config.stash[_KNOWN_MARKERS].add(marker)
            config.addinivalue_line("markers", f"{marker}: given by a scenario file")


def parametrize_scenarios(metafunc: pytest.Metafunc, mark: pytest.Mark | None) -> None:
    """Give *metafunc* its scenarios: those of its own file, or those that its marker's patterns match."""
    if mark is None:
        scenarios: list[Scenario] = list(metafunc.module.obra_scenarios)
    else:
        scenarios = list(_matching(metafunc, mark))
    limit = limits_tests(metafunc.config)
    if FIXTURE not in metafunc.fixturenames:  # the test looks at scenarios and runs none
        metafunc.parametrize("scenario", [_parameter(one, limit=limit) for one in scenarios])
        return
    metafunc.parametrize(
        ("scenario", FIXTURE),
        [_parameter(one, repeat, limit=limit) for one in scenarios for repeat in repeats(metafunc.config, one)],
        indirect=[FIXTURE],
    )


def _parameter(scenario: Scenario, *repeats: Repeat, limit: bool) -> Any:
    return pytest.param(scenario, *repeats, id=id_of(scenario, *repeats), marks=_marks_of(scenario, limit=limit))


def limits_tests(config: pytest.Config) -> bool:
    """Tell whether scenarios limit their tests: pytest-timeout is there, and nobody else set a limit."""
    if not config.pluginmanager.hasplugin("timeout") or config.getoption("--obra-engine"):
        return False  # a case that waits for a worker takes no time of its own
    return not (config.getoption("timeout", None) or config.getini("timeout") or os.environ.get("PYTEST_TIMEOUT"))


def _marks_of(scenario: Scenario, *, limit: bool) -> list[pytest.MarkDecorator]:
    marks: list[pytest.MarkDecorator] = [getattr(pytest.mark, name) for name in scenario.markers]
    if limit and scenario.seconds is not None:
        # The loop keeps the limit itself; this ends a test whose machinery hangs, checks and reviews included.
        marks.append(pytest.mark.timeout(_TIMES_LONGER * scenario.seconds + _LONGER))
    return marks


def _matching(metafunc: pytest.Metafunc, mark: pytest.Mark) -> Iterator[Scenario]:
    """Yield the cases that a marker asks for.

    Raises:
        pytest.Collector.CollectError: there are none, or a file has a mistake; told without a traceback.
    """
    tags = mark.kwargs.get("tags", ())
    wanted = {tags} if isinstance(tags, str) else set(tags)
    folders = (metafunc.config.rootpath, metafunc.definition.path.parent)
    kept = 0
    for pattern in mark.args:
        found = next((paths for folder in folders if (paths := sorted(folder.glob(pattern)))), [])
        if not found:
            raise pytest.Collector.CollectError(
                f"{metafunc.definition.nodeid}: obra_scenarios({pattern!r}) matches no file, "
                f"neither below {folders[0]} nor below {folders[1]}"
            )
        for path in found:
            try:
                cases = Scenario.load_cases(shortest(path, metafunc.config))
            except ScenarioError as error:
                raise pytest.Collector.CollectError(str(error)) from error
            if not wanted or wanted & set(cases[0].markers):
                register_markers(metafunc.config, cases[0].markers)
                kept += len(cases)
                yield from cases
    if not kept:
        # An empty parameter list would be a skip, and a skip is green.
        raise pytest.Collector.CollectError(
            f"{metafunc.definition.nodeid}: no scenario that obra_scenarios{mark.args!r} matches has a marker of "
            f"tags={sorted(wanted)}"
        )
