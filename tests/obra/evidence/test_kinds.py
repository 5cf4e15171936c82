"""Kinds of check by others: an installed package's entry point becomes a key of checks."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CHECK = '''
from typing import ClassVar
from obra.evidence.checks import Check, Finding, failed, passed
from obra.evidence.scene import Scene

class LinesCheck(Check):
    """A file has at most so many lines."""
    kind: ClassVar[str] = "at_most_lines"
    at_most_lines: dict[str, int]
    """Path and number of lines."""

    def describe(self) -> str:
        return "; ".join(f"{path} has at most {most} lines" for path, most in self.at_most_lines.items())

    def look(self, scene: Scene) -> Finding:
        for path, most in self.at_most_lines.items():
            lines = len((scene.root / path).read_text(encoding="utf-8").splitlines())
            if lines > most:
                return failed(f"expected at most {most} lines in {path}; it has {lines}")
        return passed("short enough")

class WordsCheck(LinesCheck):
    """A file has at most so many words."""
    kind: ClassVar[str] = "at_most_words"
    at_most_words: int

class LeavesCheck(Check):
    """It ends the program, as a script does."""
    kind: ClassVar[str] = "leaves"
    leaves: int

    def describe(self) -> str:
        return "it leaves"

    def look(self, scene: Scene) -> Finding:
        raise SystemExit(self.leaves)

class NoCheck:
    pass
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder as pip leaves it: a module and its dist-info with entry points, some of them wrong."""
    folder = tmp_path / "site"
    info = folder / "obra_lines-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "obra_lines.py").write_text(CHECK, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: obra-lines\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[obra.checks]\nat_most_lines = obra_lines:LinesCheck\nno_check = obra_lines:NoCheck\n"
        "at_most_words = obra_lines:WordsCheck\nleaves = obra_lines:LeavesCheck\n"
        "gone = obra_lines:Gone\nother_name = obra_lines:LinesCheck\n",
        encoding="utf-8",
    )
    return folder


def asked(package: Path, code: str) -> str:
    """Run code in a process that finds the package, and return what it printed."""
    # Entry points are looked up once in a process, so each question needs its own.
    program = f"import sys; sys.path.insert(0, {str(package)!r})\n{textwrap.dedent(code)}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_check_that_leaves_broke_and_ends_nothing(package: Path):
    """A check that calls sys.exit(0) would end 'obra run' with a success that nobody saw."""
    seen = asked(
        package,
        """
        from pathlib import Path
        from obra.errors import CheckError
        from obra.evidence.collector import EvidenceCollector
        from obra.evidence.scene import Scene
        try:
            EvidenceCollector(timeout=5, max_output=100, implied=False).collect(
                [{"leaves": 0, "name": "it leaves"}], Scene(root=Path(".")))
        except CheckError as error:
            print(error)
        """,
    )
    assert "the check 'it leaves' could not be carried out in " in seen
    assert "SystemExit: 0" in seen


def test_a_check_of_an_installed_package_judges_a_scenario(package: Path, tmp_path: Path):
    """It is read from the scenario, told to the agent, run on the work, and its failure stops the task."""
    seen = asked(
        package,
        f"""
        from pathlib import Path
        from obra import Config, Orchestrator
        from obra.scenarios.scenario import Scenario
        from obra.scenarios.scenario_run import run_scenario
        config = Config.load(environ={{}}, rung="mock")
        config.set("database.url", "sqlite://")
        config.set("workspace.store", {str(tmp_path / "store.git")!r})
        scenario = Scenario.from_data({{
            "task": {{"title": "Make a.txt"}}, "checks": [{{"at_most_lines": {{"a.txt": 1}}}}],
            "script": [{{"write": {{"a.txt": "1\\n2\\n"}}}}, {{"write": {{"a.txt": "1\\n"}}}}],
            "reviewer": [{{"score": 90}}] * 2,
        }})
        with Orchestrator(config) as loop:
            report = run_scenario(scenario, loop, root=Path({str(tmp_path / "work")!r}))
        first, second = report.outcome.attempts
        print(first.evidence.checks[0].message, second.decision.action, report.passed)
        print("a.txt has at most 1 lines" in first.prompt)
        """,
    )
    assert seen.splitlines() == ["expected at most 1 lines in a.txt; it has 2 proceed True", "True"]


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ({"at_most_lines": {"a": "x"}}, "check 'at_most_lines': 'at_most_lines.a'"),
        ({"at_most_line": {"a": 1}}, "did you mean 'at_most_lines'?"),
        (
            {"at_most_lines": {"a": 1}, "at_most_words": 9},
            "one check has the kinds at_most_lines and at_most_words; write one check for each",
        ),
        ({"no_check": 1}, "is no subclass of obra.evidence.checks.Check"),
        (
            {"gone": 1},
            "cannot be loaded: module 'obra_lines' has no attribute 'Gone'; install its package anew",
        ),
        ({"other_name": 1}, "needs kind = 'other_name'"),
    ],
)
def test_what_is_wrong_with_one_is_told_like_ours(package: Path, check: dict[str, object], words: str):
    """Wrong values, near misses and packages that cannot be used: one line with the scenario's place."""
    seen = asked(
        package,
        f"""
        from obra.errors import ScenarioError
        from obra.scenarios.scenario import Scenario
        try:
            Scenario.from_data({{"task": {{"title": "t"}}, "checks": [{check!r}]}})
        except ScenarioError as error:
            print(error)
        """,
    )
    assert seen.startswith("scenario:")
    assert words in seen


def test_editors_are_told_of_it(package: Path):
    """The schema that is printed has the kind, with its docstrings; the one that we ship has not."""
    (package / "obra_lines-1.0.dist-info" / "entry_points.txt").write_text(
        "[obra.checks]\nat_most_lines = obra_lines:LinesCheck\n", encoding="utf-8"
    )
    seen = asked(package, "from obra.cli import main\nmain(['scenario', 'schema'])\n")
    definition = json.loads(seen)["$defs"]["check_at_most_lines"]
    assert definition["properties"]["at_most_lines"]["description"] == "Path and number of lines."
    assert definition["required"] == ["at_most_lines"]
