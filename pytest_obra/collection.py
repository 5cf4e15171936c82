"""A scenario file stands as a test module that holds one ordinary test function."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from obra.errors import ScenarioError
from obra.scenarios.scenario import Scenario
from pytest_obra.repeats import FIXTURE, Repeat, repeats
from pytest_obra.running import make_test


class ScenarioFile(pytest.Module):
    """One ``*.obra.yaml`` file. pytest allows subclasses to say what object a module stands for."""

    def _getobj(self) -> types.ModuleType:
        """Return a module with one test function and the scenario that it is to be run with."""
        scenarios = self._load()
        register_markers(self.config, scenarios[0].markers)
        module = types.ModuleType(self.path.name.partition(".")[0], scenarios[0].form.description or None)
        module.__file__ = str(self.path)
        module.obra_scenarios = scenarios  # type: ignore[attr-defined]  # read by parametrize_scenarios
        if self.config.getoption("--obra-sabotage"):
            self._sabotage(module, scenarios)
        else:
            module.test_scenario = make_test()  # type: ignore[attr-defined]  # what pytest collects
        return module

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
        try:
            return Scenario.load_cases(shortest(self.path, self.config))
        except ScenarioError as error:
            raise self.CollectError(str(error)) from error


def shortest(path: Path, config: pytest.Config) -> Path:
    """Return *path* as people would type it: relative to where pytest was started, if it is below."""
    start = config.invocation_params.dir
    return path.relative_to(start) if path.is_relative_to(start) else path


def register_markers(config: pytest.Config, markers: Sequence[str]) -> None:
    """Let scenarios bring their own markers, also under ``--strict-markers``."""
    known = {line.split(":")[0].split("(")[0].strip() for line in config.getini("markers")}
    for marker in markers:
        if marker not in known:
            config.addinivalue_line("markers", f"{marker}: given by a scenario file")


def parametrize_scenarios(metafunc: pytest.Metafunc, mark: pytest.Mark | None) -> None:
    """Give *metafunc* its scenarios: those of its own file, or those that its marker's patterns match."""
    if mark is None:
        scenarios: list[Scenario] = list(metafunc.module.obra_scenarios)
    else:
        scenarios = list(_matching(metafunc, mark))
    if FIXTURE not in metafunc.fixturenames:  # the test looks at scenarios and runs none
        metafunc.parametrize("scenario", [_parameter(one) for one in scenarios])
        return
    metafunc.parametrize(
        ("scenario", FIXTURE),
        [_parameter(one, repeat) for one in scenarios for repeat in repeats(metafunc.config, one)],
        indirect=[FIXTURE],
    )


def _parameter(scenario: Scenario, *repeats: Repeat) -> Any:
    name = "-".join(filter(None, (scenario.case, *(repeat.id for repeat in repeats))))
    marks = [getattr(pytest.mark, name) for name in scenario.markers]
    return pytest.param(scenario, *repeats, id=name, marks=marks)


def _matching(metafunc: pytest.Metafunc, mark: pytest.Mark) -> Iterator[Scenario]:
    tags = mark.kwargs.get("tags", ())
    wanted = {tags} if isinstance(tags, str) else set(tags)
    folders = (metafunc.config.rootpath, metafunc.definition.path.parent)
    kept = 0
    for pattern in mark.args:
        found = next((paths for folder in folders if (paths := sorted(folder.glob(pattern)))), [])
        if not found:
            raise pytest.UsageError(
                f"{metafunc.definition.nodeid}: obra_scenarios({pattern!r}) matches no file, "
                f"neither below {folders[0]} nor below {folders[1]}"
            )
        for path in found:
            try:
                cases = Scenario.load_cases(shortest(path, metafunc.config))
            except ScenarioError as error:
                raise pytest.UsageError(str(error)) from error
            if not wanted or wanted & set(cases[0].markers):
                register_markers(metafunc.config, cases[0].markers)
                kept += len(cases)
                yield from cases
    if not kept:
        # An empty parameter list would be a skip, and a skip is green.
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: no scenario that obra_scenarios{mark.args!r} matches has a marker of "
            f"tags={sorted(wanted)}"
        )
