"""The check that runs tests. It believes the report that pytest writes outside of the copy, not the output.

Code under test can do much (end the process, print "1 passed", call a file ``pytest.py``); none of this makes the
check pass. What it cannot see through is a ``conftest.py`` made to change results inside pytest itself: that is
for ``machinery_of_tests.py`` and ``strength_of_tests.py``, and for a check ``unchanged``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from obra.evidence.checks import Check, Finding, Model, ShortForm, failed, last_line, passed
from obra.evidence.paths import Unusable, as_list, is_within, listed, locate, shown, tree_path
from obra.evidence.repeated_runs import WATCH
from obra.evidence.running import exit_words, run_in
from obra.evidence.scene import Scene, Scratch

_START = f"""
import os
import sys
import pytest

leave = os._exit
{WATCH}
sys.path.insert(0, "")
watch = Watch()
code = pytest.main(sys.argv[1:], plugins=[watch])
sys.stdout.flush()
sys.stderr.flush()
leave(int(code) or watch.stopped)
"""
"""What ``python -m pytest`` does, but pytest is imported before the workspace is on the path, and what code under
test registered for the end of the program is not run: it could rewrite the report."""
_REPORT_BYTES = 64 * 1024 * 1024
_NAMED_TESTS = 5
_NO_TESTS_COLLECTED = 5


def _test_path(text: str) -> str:
    path, *rest = text.split("::")
    return "::".join([tree_path(path), *rest])


TestPath = Annotated[str, Field(strict=True), AfterValidator(_test_path)]


class PytestSpec(Model):
    """Tests, and how many of them must pass."""

    paths: Annotated[tuple[TestPath, ...], Field(min_length=1), BeforeValidator(as_list)]
    """Test files, folders or ids (file::name), relative to the workspace; '.' is all of it."""
    at_least: Annotated[int, Field(strict=True, ge=1)] = 1
    """How many tests must really pass; skipped and expected failures do not count."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the report says: how many tests passed and were skipped, and which did not pass."""

    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = field(default=())
    errors: tuple[str, ...] = field(default=())
    ran: tuple[str, ...] = field(default=(), compare=False)
    """Names of the tests that passed or failed."""

    def __str__(self) -> str:
        counts = [f"{self.passed} passed"]
        counts += [f"{len(self.failed)} failed{_named(self.failed)}"] if self.failed else []
        errors = "error" if len(self.errors) == 1 else "errors"
        counts += [f"{len(self.errors)} {errors}{_named(self.errors)}"] if self.errors else []
        counts += [f"{self.skipped} skipped"] if self.skipped else []
        return ", ".join(counts)


class PytestCheck(Check):
    """Tests really run and pass."""

    kind: ClassVar[str] = "pytest"

    pytest: Annotated[PytestSpec, ShortForm("paths", many=True)]
    """Path or list of paths, or mapping with paths, at_least."""

    def describe(self) -> str:
        """Say which tests must pass."""
        where = "the workspace" if "." in self.pytest.paths else listed(map(shown, self.pytest.paths))
        least = self.pytest.at_least
        more = "" if least == 1 else f", and there are at least {least}"
        return f"all tests in {where} pass under pytest{more}"

    def covers(self, path: str) -> bool:
        """Tell whether these tests include the file *path*, or were picked from it."""
        places = (place.partition("::")[0] for place in self.pytest.paths)
        return any(place == "." or is_within(path, place) for place in places)

    def look(self, scene: Scene) -> Finding:
        """Run the tests in a private copy and read the report."""
        expected = self._expected()
        problems = []
        for place in self.pytest.paths:
            path = place.partition("::")[0]
            try:
                locate(scene.root, path)
            except Unusable as reason:
                problems.append(f"{shown(path)} {reason}")
        if problems:
            return failed(f"expected {expected}; {'; '.join(problems)}")
        limit = self.limit(scene)
        with scene.scratch() as scratch:
            report = scratch.reports / "junit.xml"
            result = run_in(scratch, self._command(scratch, report), scene, limit)
            tally = read_report(report)
        end = last_line(result.output)
        if result.timed_out:
            message = f"expected {expected} within {limit:g} s, pytest was still running; {end}"
        elif tally is None:
            code = exit_words(result.exit_code)
            why = _complaint(result.output) or end
            message = f"expected {expected}; pytest ended with exit code {code} and left no report; {why}"
        elif result.exit_code == _NO_TESTS_COLLECTED or tally == Tally():
            message = f"expected {expected}; no test was found; {end}"
        elif result.exit_code != 0 or tally.failed or tally.errors or tally.passed < self.pytest.at_least:
            why = "" if tally.failed or tally.errors or result.exit_code == 0 else f"; {end}"
            message = f"expected {expected}, got {tally}; exit code {exit_words(result.exit_code)}{why}"
        else:
            return passed(f"{tally}", result.output)
        return failed(message, result.output)

    def names_run(
        self, scene: Scene, prepare: Callable[[Scratch], None] = lambda _scratch: None
    ) -> frozenset[str]:
        """Return the names (module::test) of all tests that really run in a private copy, passed or not.

        Args:
            scene: where the tests are.
            prepare: changes the copy first.
        """
        with scene.scratch() as scratch:
            prepare(scratch)
            report = scratch.reports / "junit.xml"
            run_in(scratch, self._command(scratch, report), scene, self.limit(scene))
            tally = read_report(report)
        return frozenset(tally.ran) if tally else frozenset()

    def _expected(self) -> str:
        least = self.pytest.at_least
        return f"at least {least} passed {'test' if least == 1 else 'tests'} and none failed"

    def _command(self, scratch: Scratch, report: Path) -> Sequence[str]:
        # An empty pytest.ini above the copy: pytest must not take settings of a folder that is no part of it.
        (scratch.workspace.parent / "pytest.ini").touch()
        return (
            sys.executable,
            *("-P", "-c", _START),
            *("-p", "no:obra"),  # the cache stays on: a project's own --ff needs it, and it ends with the copy
            *(f"--rootdir={scratch.workspace}", f"--junitxml={report}"),
            *("-o", "junit_family=xunit2", "--color=no", "--tb=short"),
            *(f"./{path}" for path in self.pytest.paths),
        )


def _named(tests: Sequence[str]) -> str:
    more = ", ..." if len(tests) > _NAMED_TESTS else ""
    return f" ({', '.join(shown(test) for test in tests[:_NAMED_TESTS])}{more})"


def _complaint(output: str) -> str:
    """Return pytest's own complaint about its options or paths, which is not its last line; or nothing."""
    return next((line for line in output.splitlines() if line.startswith("ERROR: ")), "")


def read_report(report: Path) -> Tally | None:
    """Return what a JUnit report says; ``None`` when it is missing, far too large or not one."""
    from xml.etree import ElementTree as ET  # entities are refused below

    try:
        if report.is_symlink() or report.stat().st_size > _REPORT_BYTES:
            return None
        data = report.read_bytes()
        root = None if b"<!DOCTYPE" in data else ET.fromstring(data)  # noqa: S314  # no document type
    except (OSError, ET.ParseError):
        return None
    return None if root is None else _tally(root)


def _tally(root: Any) -> Tally:
    passed_count = skipped = 0
    failures, errors, ran = [], [], []
    for case in root.iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}".removeprefix("::")
        outcomes = {child.tag for child in case}
        if "failure" in outcomes:
            failures.append(name)
            ran.append(name)
        elif "error" in outcomes:
            errors.append(name)
        elif "skipped" in outcomes:
            skipped += 1
        else:
            passed_count += 1
            ran.append(name)
    return Tally(passed_count, skipped, tuple(failures), tuple(errors), tuple(ran))
