"""Tests that stood when the task began and say less now: deleted, skipped, emptied, or with assertions lost."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence

from obra.domain import CheckResult
from obra.evidence.assertions import TestShape, asserting_helpers, shapes_of_tests
from obra.evidence.findings import Work, objection, remark
from obra.evidence.paths import shown
from obra.evidence.python_check import Function
from obra.evidence.python_source import PythonSource, body_of, functions_of, is_beside_tests, last_name, literal
from obra.evidence.task_words import allows_test_changes, forbids_test_changes, names

NAME = "existing tests keep their force"
_LONGEST = 300
Tests = Mapping[tuple[str, str], TestShape]


def look(work: Work) -> Iterator[CheckResult]:
    """Yield an objection when tests that were there say less now, unless the task asks for that."""
    if allows_test_changes(work.task_text):
        return
    losses, changes = _compared(work)
    expected = "the tests that were there to stay, none skipped and no assertion lost"
    if changes and forbids_test_changes(work.task_text):
        losses, expected = [*losses, *changes], "the tests that were there to stay as they are, as the task says"
    if losses:
        yield objection(NAME, expected, losses, kind="tests")
    elif changes:
        yield remark(NAME, "existing tests to expect what they did", changes, kind="tests")


def _compared(work: Work) -> tuple[list[str], list[str]]:
    """Return what existing tests lost, and which of them expect other constants of the same calls."""
    losses: list[str] = []
    changes: list[str] = []
    sources = [source for source in work.sources if is_beside_tests(source.path) and source.before]
    if not sources:
        return losses, changes
    helpers = {
        name
        for source in work.sources
        for tree in (source.before, source.after)
        if tree
        for name in asserting_helpers(tree)
    }
    after: Tests = {
        (source.path, name): test
        for source in work.sources
        if source.is_test or source in sources
        for name, test in shapes_of_tests(source.after, helpers).items()
    }
    before = {(source.path, name) for source in sources for name in shapes_of_tests(source.before, helpers)}
    fresh = [test for key, test in after.items() if key not in before]
    gone_names = _names_taken_away(work)
    for source in sources:
        for name, old in shapes_of_tests(source.before, helpers).items():
            new = after.get((source.path, name)) or _moved(name, old, fresh)
            if new is None:
                if not _is_replaced(old, fresh) and not _is_pointless(old, gone_names):
                    losses.append(f"{shown(source.path)}: {name} is gone")
            elif why := _loss(old, new):
                losses.append(f"{shown(source.path)}: {name} {why}")
            elif why := _other_expectation(old, new):
                changes.append(f"{shown(source.path)}: {name} {why}")
    return losses, changes


def _loss(old: TestShape, new: TestShape) -> str:
    if new.skipped and not old.skipped:
        return "is skipped, or allowed to fail"
    if new.strength >= old.strength or _cases(new.node) * new.strength >= _cases(old.node) * old.strength:
        return ""
    if not new.claims:
        return "asserts nothing any more" + (f" ({new.empty[0]})" if new.empty else "")
    return f"made {_comparisons(old.strength)} and makes {new.strength}"


def _other_expectation(old: TestShape, new: TestShape) -> str:
    """Return which call is expected to give another constant than before; or nothing."""
    before, after = list(_constants(old)), list(_constants(new))
    lost = {call: wanted for call, wanted in before if (call, wanted) not in after}
    for call, wanted in after:
        if call in lost and (call, wanted) not in before:
            return f"expected {lost[call]} of {call} and now expects {wanted}"[:_LONGEST]
    return ""


def _constants(test: TestShape) -> Iterator[tuple[str, str]]:
    for claim in test.claims:
        compared = claim.test if isinstance(claim, ast.Assert) else None
        if isinstance(compared, ast.Compare) and isinstance(compared.ops[0], ast.Eq):
            yield ast.unparse(compared.left), ast.unparse(compared.comparators[0])


def _comparisons(count: int) -> str:
    return f"{count} comparison{'s'[: count != 1]}"


def _moved(name: str, old: TestShape, fresh: Sequence[TestShape]) -> TestShape | None:
    """Return the new test that has the old one's name in another place, or its body under another name."""
    for test in fresh:
        if test.node.name == name.rpartition(".")[2] and _calls(old.node) & _calls(test.node):
            return test
    skeleton = _skeleton(old.node)
    return next((test for test in fresh if _skeleton(test.node) == skeleton), None)


def _is_replaced(old: TestShape, fresh: Sequence[TestShape]) -> bool:
    """Tell whether a new parametrised test calls the same and has cases enough for the old assertions."""
    return any(
        _cases(test.node) > 1 and _cases(test.node) * test.strength >= old.strength
        for test in fresh
        if test.claims and not test.skipped and _calls(old.node) & _calls(test.node)
    )


def _is_pointless(old: TestShape, gone: frozenset[str]) -> bool:
    """Tell whether a test was about something that the task's text names and that no longer exists."""
    return bool(
        gone & {last_name(node) for node in ast.walk(old.node) if isinstance(node, ast.Name | ast.Attribute)}
    )


def _names_taken_away(work: Work) -> frozenset[str]:
    def defined(source: PythonSource, tree: ast.Module | None) -> set[str]:
        return {name.rpartition(".")[2] for name in functions_of(tree)} if source.is_product else set()

    after = {name for source in work.sources for name in defined(source, source.after)}
    before = {name for source in work.sources for name in defined(source, source.before)}
    return frozenset(name for name in before - after if names(work.task_text, name))


def _calls(node: Function) -> frozenset[str]:
    return frozenset(last_name(inner) for inner in ast.walk(node) if isinstance(inner, ast.Call)) - {"", "raises"}


def _cases(node: Function) -> int:
    """Return how often a test runs: the product of its parametrisations, each unreadable one counted as many."""
    count = 1
    for decorator in node.decorator_list:
        if last_name(decorator) != "parametrize" or not isinstance(decorator, ast.Call):
            continue
        rows = decorator.args[1] if len(decorator.args) > 1 else None
        count *= len(rows.elts) if isinstance(rows, ast.List | ast.Tuple) else _unreadable(rows)
    return count


def _unreadable(rows: ast.expr | None) -> int:
    try:
        value = literal(rows)
    except ValueError:
        return 100
    return len(value) if isinstance(value, str | list | tuple | set | dict) else 1


class _Nameless(ast.NodeTransformer):
    """Takes the names away, so that a test of a renamed function looks like before."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id="_", ctx=node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Attribute(value=self.visit(node.value), attr="_", ctx=node.ctx)


def _skeleton(node: Function) -> str:
    body = [_Nameless().visit(copy.deepcopy(statement)) for statement in body_of(node)]
    return "\n".join(
        ast.dump(statement) for statement in body if not isinstance(statement, ast.Import | ast.ImportFrom)
    )
