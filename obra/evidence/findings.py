"""What the findings that nobody writes down have in common: the work that they look at, and how they are told."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from obra.domain import CheckResult, FileChange, Record
from obra.evidence.checks import Check
from obra.evidence.pytest_check import PytestCheck
from obra.evidence.python_source import PythonSource
from obra.evidence.task_words import asks_for_tests

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Record):
    """What changed since the task began, and what was asked."""

    task_text: str = ""
    sources: tuple[PythonSource, ...] = ()
    """The Python files that were added or changed; of a deleted one ``after`` is ``None``."""
    changes: tuple[FileChange, ...] = ()
    checks: tuple[Check, ...] = ()
    """The checks that somebody wrote down."""
    standing_tests: tuple[ast.Module, ...] = ()
    """Test files that written checks run and the change does not touch."""

    @property
    def tests(self) -> tuple[PythonSource, ...]:
        """The changed test files that are still there."""
        return tuple(source for source in self.sources if source.is_test and source.after)

    @property
    def products(self) -> tuple[PythonSource, ...]:
        """The changed files that are no tests and are still there."""
        return tuple(source for source in self.sources if source.is_product and source.after)

    @property
    def suites(self) -> tuple[PytestCheck, ...]:
        """The written checks that run tests."""
        return tuple(check for check in self.checks if isinstance(check, PytestCheck))

    @property
    def wants_tests(self) -> bool:
        """Whether tests are a part of the task."""
        return asks_for_tests(self.task_text, self.checks)


def objection(name: str, expected: str, seen: Iterable[str], *, kind: str = "python") -> CheckResult:
    """Return a finding that forbids to accept the work."""
    return _result(name, expected, seen, kind=kind, required=True)


def remark(name: str, expected: str, seen: Iterable[str], *, kind: str = "python") -> CheckResult:
    """Return a finding that stands in the report and forbids nothing where something else measures."""
    return _result(name, expected, seen, kind=kind, required=False)


def _result(name: str, expected: str, seen: Iterable[str], *, kind: str, required: bool) -> CheckResult:
    clauses = list(dict.fromkeys(seen))
    more = f"; and {len(clauses) - _NAMED} more" if len(clauses) > _NAMED else ""
    return CheckResult(
        name=name,
        passed=False,
        message=f"expected {expected}; {'; '.join(clauses[:_NAMED])}{more}",
        kind=kind,
        required=required,
        implied=True,
    )
