"""What Allure shows around a scenario: name, labels and parameters of each test, and the files of the run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import pytest

from pytest_obra import SUFFIX

if TYPE_CHECKING:
    from pytest_obra.reporters.allure_files import AllureDisk

_SEVERITIES = ("blocker", "critical", "normal", "minor", "trivial")
_LABELS = ("epic", "feature", "story", "owner")
_REPEAT = "obra_repeat"
_WORKER_OUTPUT = "obra_allure_problems"

CATEGORIES: Sequence[Mapping[str, Any]] = (
    {
        "name": "The verdict is wrong",
        "description": "What Obra decided is not what the hidden checks show.",
        "matchedStatuses": ["failed"],
        "messageRegex": r"Failed: [^()\n]* \([^()\n]*\): the verdict is wrong: [\s\S]*",
    },
    {
        "name": "The agent failed",
        "description": "The task did not end as it should.",
        "matchedStatuses": ["failed"],
        "messageRegex": r"Failed: [^()\n]* \([^()\n]*\): the agent failed: [\s\S]*",
    },
    {
        "name": "The machinery broke",
        "description": "There is no verdict; this says nothing about the agent.",
        "matchedStatuses": ["broken"],
    },
)
"""By the first words of a failure, which are Obra's own; what an agent wrote comes after them."""


class AllureSurface:
    """Registered where Allure writes results: in the process itself, or in xdist workers and their controller."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._folder = Path(config.getoption("--alluredir"))
        self._ran = False
        self._disk: AllureDisk | None = None
        self.problems: dict[str, None] = {}
        """What of Allure's results could not be written, here or in a worker."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Label the test before anything of it can break; Allure adds pytest's own parameters later."""
        parameters = _parameters(item)
        if not parameters:
            return
        import allure

        self._watch_disk()
        scenario = parameters["scenario"]
        if _REPEAT in parameters:
            repeat = parameters[_REPEAT]
            # Left out of what tells tests apart, so that repeats are one test with its retries.
            allure.dynamic.parameter(_REPEAT, str(getattr(repeat, "number", repeat)), excluded=True)
        for name, value in labels_of(scenario.name, scenario.path, scenario.markers):
            allure.dynamic.label(name, value)  # type: ignore[no-untyped-call]  # the library's own gap

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Name the test of a scenario's file; Allure's own name for it is set while it is set up."""
        parameters = _parameters(item)
        if parameters and item.path.name.endswith(SUFFIX):
            import allure

            scenario, agent = parameters["scenario"], parameters["obra_agent_name"]
            title = f"{getattr(scenario, 'case', scenario.name)} ({agent})"
            allure.dynamic.title(title)  # type: ignore[no-untyped-call]  # the same
            words = scenario.form.description or scenario.title
            allure.dynamic.description(words)  # type: ignore[no-untyped-call]  # the same

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember that a scenario ran."""
        self._ran = self._ran or hasattr(report, "obra_row")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Learn from a worker of xdist what it could not write."""
        self.problems |= dict.fromkeys(getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT, ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """In a worker, hand over what could not be written."""
        told = getattr(self._config, "workeroutput", None)
        if told is not None and self._disk is not None:
            told[_WORKER_OUTPUT] = list(self._disk.problems)

    def finish(self) -> Sequence[str]:
        """Write the files of the run if a scenario ran, and return what of Allure's results is missing, and why.

        Called once, where the whole run is seen.
        """
        from obra.errors import ReportError

        if self._disk is not None:
            self.problems |= self._disk.problems
        if self._ran:
            try:
                write_files(self._folder)
            except ReportError as error:
                self.problems[str(error)] = None
        if self.problems:
            from pytest_obra.reporters.allure_files import sweep

            sweep(self._folder)
        return list(self.problems)

    def _watch_disk(self) -> None:
        if self._disk is None:
            import allure_commons

            from pytest_obra.reporters.allure_files import AllureDisk

            self._disk = AllureDisk(self._folder)
            allure_commons.plugin_manager.register(self._disk)
            self._config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(self._disk))


def _parameters(item: pytest.Item) -> Mapping[str, Any]:
    """Return the parameters of a test that runs a scenario; nothing for other tests."""
    callspec = getattr(item, "callspec", None)
    parameters: Mapping[str, Any] = callspec.params if callspec else {}
    return parameters if {"scenario", "obra_agent_name"} <= parameters.keys() else {}


def labels_of(name: str, path: PurePath, markers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield Allure's labels of a scenario.

    Its markers give them: ``epic_NAME``, ``feature_NAME``, ``story_NAME``, ``owner_NAME``, and a severity by its
    own word. Without them the feature is the folder that the file lies in, and the story the scenario.
    """
    given = {
        label: marker.removeprefix(f"{label}_")
        for label in _LABELS
        for marker in markers
        if marker.startswith(f"{label}_")
    }
    yield from {"epic": "Obra", "feature": path.parent.name or "scenarios", "story": name, **given}.items()
    for marker in markers:
        if marker in _SEVERITIES:
            yield "severity", marker


def write_files(directory: Path) -> None:
    """Write ``environment.properties``, ``categories.json`` and ``executor.json``; what is there is left alone.

    Raises:
        ReportError: one cannot be written.
    """
    from obra.reports.atomic_file import write_whole
    from obra.reports.environment import environment

    texts = {
        "environment.properties": "".join(f"{name}={_escaped(value)}\n" for name, value in environment().items()),
        "categories.json": json.dumps(CATEGORIES, indent=2) + "\n",
        "executor.json": json.dumps(executor(os.environ), indent=2) + "\n",
    }
    for name, text in texts.items():
        if not (directory / name).exists():
            write_whole(directory / name, (text,))


def executor(variables: Mapping[str, str]) -> dict[str, str]:
    """Return who ran the tests, as GitHub, GitLab and Jenkins tell it by their variables; else just pytest."""
    if variables.get("GITHUB_ACTIONS") == "true":
        home = f"{variables.get('GITHUB_SERVER_URL', '')}/{variables.get('GITHUB_REPOSITORY', '')}"
        run = variables.get("GITHUB_RUN_ID", "")
        return _build(
            "GitHub Actions", "github", variables.get("GITHUB_RUN_NUMBER", ""), f"{home}/actions/runs/{run}"
        )
    if variables.get("GITLAB_CI") == "true":
        return _build("GitLab CI", "gitlab", variables.get("CI_PIPELINE_IID", ""), variables.get("CI_JOB_URL", ""))
    if "JENKINS_URL" in variables:
        return _build("Jenkins", "jenkins", variables.get("BUILD_NUMBER", ""), variables.get("BUILD_URL", ""))
    return {"name": "pytest", "type": "local"}


def _build(name: str, kind: str, number: str, url: str) -> dict[str, str]:
    order = {"buildOrder": number} if number.isdigit() else {}
    return {"name": name, "type": kind, "buildName": f"{name} #{number}", "buildUrl": url, **order}


def _escaped(value: str) -> str:
    """Return a value as a properties file holds it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
