"""Tests of the change that cannot fail: constants asserted, failures caught, everything skipped."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from obra.domain import CheckResult
from obra.evidence.assertions import TestShape, asserting_helpers, shapes_of_tests, unconditional
from obra.evidence.findings import Work, objection, remark
from obra.evidence.paths import shown
from obra.evidence.python_source import PythonSource, dotted, is_beside_tests, last_name

NAME = "tests can fail"
_ENDS = frozenset({"os._exit", "pytest.exit", "os.abort", "_exit"})


def look(work: Work) -> Iterator[CheckResult]:
    """Yield an objection when the new tests prove nothing by how they are written, a remark when a few do."""
    yield from _ends(work)
    fresh = list(_fresh(work))
    idle = [(path, name, test) for path, name, test in fresh if not test.claims or test.skipped]
    if not idle:
        return
    disguised = [one for one in idle if one[2].skipped or one[2].empty]
    seen = [f"{shown(path)}: {name} {_why(test)}" for path, name, test in idle]
    expected = "each new test to assert something that can be false"
    proves_nothing = len(idle) == len(fresh) and (work.wants_tests or bool(disguised))
    if proves_nothing or 2 * len(disguised) > len(fresh):
        yield objection(NAME, expected, seen, kind="tests")
    else:
        yield remark(NAME, expected, seen, kind="tests")


def _fresh(work: Work) -> Iterator[tuple[str, str, TestShape]]:
    """Yield the test functions that the change added or touched."""
    helpers = {
        name
        for source in work.sources
        if source.after and is_beside_tests(source.path)
        for name in asserting_helpers(source.after)
    }
    for source in work.tests:
        new = source.new_functions()
        for name, test in shapes_of_tests(source.after, helpers).items():
            if name in new and not _inherits_checks(source, name):
                yield source.path, name, test


def _inherits_checks(source: PythonSource, name: str) -> bool:
    """Tell whether a test calls another one, which may assert."""
    item = source.new_functions()[name]
    calls = {last_name(node) for node in ast.walk(item) if isinstance(node, ast.Call)}
    return any(call.lower().lstrip("_").startswith(("test", "run_test", "scenario")) for call in calls)


def _why(test: TestShape) -> str:
    if test.skipped:
        return "never really runs (skipped or expected to fail)"
    return f"asserts nothing: {test.empty[0]}" if test.empty else "asserts nothing"


def _ends(work: Work) -> Iterator[CheckResult]:
    """Look for what ends or skips a whole run of tests, whatever the machine is like."""
    seen = []
    for source in work.sources:
        if source.after is None or not is_beside_tests(source.path):
            continue
        seen += [
            f"{shown(source.path)}: all of it is skipped in line {statement.lineno}"
            for statement in unconditional(source.after.body)
            if _skips_module(statement)
        ]
        for item in [source.after, *source.new_functions().values()]:
            seen += [
                f"{shown(source.path)}: {call} in line {line} ends the run"
                for call, line in _ending_calls(unconditional(item.body))
            ]
    if seen:
        yield objection(NAME, "a run of tests that comes to its own end", seen, kind="tests")


def _skips_module(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise):
        return last_name(statement.exc) in {"SkipTest", "Skipped"}
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and dotted(call.func) in {"pytest.skip", "skip"}


def _ending_calls(statements: Iterable[ast.stmt]) -> Iterator[tuple[str, int]]:
    for statement in statements:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            name = dotted(statement.value.func)
            if name in _ENDS:
                yield name, statement.lineno
