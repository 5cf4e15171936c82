"""Expectations: which constant results tests and commands expect of calls with constant arguments."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from obra.domain import Record
from obra.evidence.command_check import CommandCheck
from obra.evidence.findings import Work
from obra.evidence.python_check import Function
from obra.evidence.python_source import functions_of, last_name, literal

_ROWS = 200
_EQUAL = frozenset({"assertEqual", "assertEquals", "assertIs", "assertAlmostEqual", "eq_"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation(Record):
    """``function(*arguments, **keywords) == result``, as a test or a command says it."""

    function: str
    arguments: tuple[object, ...]
    keywords: Mapping[str, object]
    result: object
    given: bool
    """Whether the agent found it there, rather than writing it."""

    def binds(self, parameters: Sequence[str], values: Mapping[str, object]) -> bool:
        """Tell whether the call gives each parameter in *values* that value."""
        bound = {**dict(zip(parameters, self.arguments, strict=False)), **self.keywords}
        return all(name in bound and same(bound[name], value) for name, value in values.items())


def same(one: object, other: object) -> bool:
    """Tell whether two constants are equal and not only so because ``True == 1``."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def expectations(work: Work) -> tuple[Expectation, ...]:
    """Return what the tests of the change, the tests that stood and the written commands expect."""
    found: list[Expectation] = []
    for tree in work.standing_tests:
        found += _of_file(tree, given=True)
    for source in work.tests:
        if source.before:
            found += _of_file(source.before, given=True)
        if source.after:
            found += _of_file(source.after, given=False)
    for code in python_in_commands(work):
        found += _in(code, {}, given=True)
    return tuple(found)


def commands(work: Work) -> list[CommandCheck]:
    """Return the written checks that run a command."""
    return [check for check in work.checks if isinstance(check, CommandCheck)]


def words_of(line: str) -> list[str]:
    """Return the words of a command line, as a shell sees them; none where it cannot be read."""
    try:
        return shlex.split(line)
    except ValueError:
        return []


def python_in_commands(work: Work) -> Iterator[ast.Module]:
    """Yield the programs that written commands hand to ``python -c``."""
    for check in commands(work):
        words = words_of(check.command.run)
        for flag, code in pairwise(words):
            if flag == "-c":
                try:
                    yield ast.parse(code)
                except (SyntaxError, ValueError):
                    continue


def _of_file(tree: ast.Module, *, given: bool) -> Iterator[Expectation]:
    for item in functions_of(tree).values():
        for names in _rows(item):
            yield from _in(item, names, given=given)


def _rows(item: Function) -> Iterator[dict[str, object]]:
    """Yield the values of a parametrised test, row by row; for another test one empty row."""
    marks = [one for one in item.decorator_list if last_name(one) == "parametrize" and isinstance(one, ast.Call)]
    if not marks or len(marks[0].args) < 2:  # noqa: PLR2004  # names and rows
        yield {}
        return
    try:
        heads, rows = literal(marks[0].args[0]), marks[0].args[1]
    except ValueError:
        return
    names = [one.strip() for one in heads.split(",")] if isinstance(heads, str) else list(heads)  # type: ignore[call-overload]  # a list of names
    for row in islice(rows.elts if isinstance(rows, ast.List | ast.Tuple) else (), _ROWS):
        yield _bound(names, row)


def _bound(names: Sequence[str], row: ast.expr) -> dict[str, object]:
    if isinstance(row, ast.Call) and last_name(row) == "param":
        values: list[ast.expr] = row.args
    else:
        values = row.elts if len(names) > 1 and isinstance(row, ast.Tuple | ast.List) else [row]
    found = {}
    for name, value in zip(names, values, strict=False):
        try:
            found[name] = literal(value)
        except ValueError:
            continue
    return found


def _in(tree: ast.AST, names: Mapping[str, object], *, given: bool) -> Iterator[Expectation]:
    held = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.List | ast.Tuple):
            targets = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
            heads = [last_name(one) for one in targets]
            for row in node.iter.elts[:_ROWS]:
                for statement in node.body:
                    yield from _in(statement, {**names, **_bound(heads, row)}, given=given)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq | ast.Is):
            yield from _pair(node.left, node.comparators[0], names, held, given=given)
        elif isinstance(node, ast.Call) and last_name(node) in _EQUAL and len(node.args) > 1:
            yield from _pair(node.args[0], node.args[1], names, held, given=given)


def _pair(
    left: ast.expr, right: ast.expr, names: Mapping[str, object], held: Mapping[str, ast.Call], *, given: bool
) -> Iterator[Expectation]:
    for call, wanted in ((left, right), (right, left)):
        real = held.get(call.id) if isinstance(call, ast.Name) and call.id not in names else call
        if not isinstance(real, ast.Call):
            continue
        try:
            arguments = tuple(literal(one, names) for one in real.args)
            keywords = {one.arg: literal(one.value, names) for one in real.keywords if one.arg}
            result = literal(wanted, names)
        except ValueError:
            continue
        name = last_name(real)
        yield Expectation(function=name, arguments=arguments, keywords=keywords, result=result, given=given)
