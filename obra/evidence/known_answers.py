"""Functions that look their results up by the very arguments that tests use."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from obra.domain import Record
from obra.evidence.expectations import Expectation, same
from obra.evidence.python_check import Function
from obra.evidence.python_source import PythonSource, body_of, is_plain, literal
from obra.evidence.task_words import names

_WHOLE_RANGE = 4
"""From this many consecutive numbers on, beginning at 0 or 1, a table is taken for complete (weekdays, months)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Record):
    """When the parameters have these values, the function returns this constant."""

    values: Mapping[str, object]
    result: object

    @property
    def is_arithmetic(self) -> bool:
        """Whether numbers are turned into a number: what a program is asked to work out."""
        return _is_number(self.result) and all(_is_number(value) for value in self.values.values())


def known_answers(
    source: PythonSource, tested: Sequence[Expectation], task_text: str
) -> Iterator[tuple[str, bool]]:
    """Yield a clause for each function that knows answers of tests, and whether that is beyond doubt.

    Beyond doubt are: a result that depends on two or more arguments being just those of a test; a table without
    any computation whose entries are all tested, when it turns numbers into numbers or stands in tests that the
    agent did not write; a number that is returned whatever the numbers are. Tables whose keys the task's text
    names, or that are complete, are as they should be.
    """
    tables = _module_tables(source.after)
    for name, item in source.new_functions().items():
        parameters = [
            one.arg for one in (*item.args.posonlyargs, *item.args.args) if one.arg not in {"self", "cls"}
        ]
        about = [one for one in tested if one.function == item.name]
        if parameters and about:
            for what, is_sure in _judged(_Reader(item, parameters, tables), about, task_text):
                yield f"{name} {what}", is_sure


def _judged(reader: _Reader, about: Sequence[Expectation], task_text: str) -> Iterator[tuple[str, bool]]:
    hits = [(entry, _hits(entry, reader.parameters, about)) for entry in reader.entries]
    for entry, found in hits:
        if len(entry.values) > 1 and found and _is_odd(entry) and not _is_named(entry, task_text):
            yield f"returns {_short(entry.result)} just for {_call(entry)}, as tests expect", True
            return
    if reader.is_deaf:
        yield from _deaf(reader, about)
    is_table = all(found for _, found in hits) and not _is_whole(reader.entries)
    odd = [entry for entry in reader.entries if _is_odd(entry)]
    if not odd or not is_table or all(_is_named(entry, task_text) for entry in reader.entries):
        return
    arithmetic = all(entry.is_arithmetic for entry in reader.entries)
    if not reader.computes:
        given = all(any(one.given for one in found) for _, found in hits)
        yield f"looks up just what tests ask for, such as {_call(odd[0])}", arithmetic or given
    elif arithmetic:
        yield f"returns {_short(odd[0].result)} just for {_call(odd[0])}, as tests expect", False


def _deaf(reader: _Reader, about: Sequence[Expectation]) -> Iterator[tuple[str, bool]]:
    """Judge a function that returns one constant and never looks at its parameters."""
    found = [one for one in about if same(one.result, reader.constant)]
    if found and not isinstance(reader.constant, bool) and reader.constant is not None:
        is_sure = _is_number(reader.constant) and any(_is_number(one) for one in found[0].arguments)
        yield f"returns {_short(reader.constant)} whatever its arguments are", is_sure


class _Reader:
    """Reads a function: which constants it returns for which constant arguments, and what else it does."""

    def __init__(self, item: Function, parameters: list[str], tables: Mapping[str, ast.Dict]) -> None:
        self.parameters = parameters
        self.tables = {**tables, **_module_tables(item)}
        self.entries: list[Entry] = []
        self.computes = False
        """Whether it returns anything that is not a constant."""
        self.constants: list[object] = []
        self._read(body_of(item), {})
        used = {node.id for one in item.body for node in ast.walk(one) if isinstance(node, ast.Name)}
        self.is_deaf = not self.computes and len(self.constants) == 1 and used.isdisjoint(parameters)
        self.is_deaf = self.is_deaf and not item.decorator_list and len(body_of(item)) == 1

    @property
    def constant(self) -> object:
        """The one constant that a function returns that hears nothing."""
        return self.constants[0]

    def _read(self, body: Sequence[ast.stmt], values: Mapping[str, object]) -> None:
        for statement in body:
            match statement:
                case ast.If():
                    for found in self._conditions(statement.test) or [{}]:
                        self._read(statement.body, {**values, **found})
                    self._read(statement.orelse, values)
                case ast.Match():
                    self._match(statement, values)
                case ast.Return(value=ast.expr() as value):
                    self._returned(value, values)
                case ast.Expr(value=ast.Yield() | ast.YieldFrom() | ast.Await()):
                    self.computes = True
                case _:
                    for field in ("body", "orelse", "finalbody"):
                        self._read(getattr(statement, field, ()), values)
                    for handler in getattr(statement, "handlers", ()):
                        self._read(handler.body, values)

    def _returned(self, value: ast.expr, values: Mapping[str, object]) -> None:
        if isinstance(value, ast.IfExp):
            for found in self._conditions(value.test) or [{}]:
                self._returned(value.body, {**values, **found})
            self._returned(value.orelse, values)
            return
        if (rows := self._looked_up(value)) is not None:
            self.entries += [Entry(values={**values, **keys}, result=result) for keys, result in rows]
            return
        try:
            result = literal(value)
        except ValueError:
            self.computes = True
            return
        self.constants.append(result)
        if values:
            self.entries.append(Entry(values=dict(values), result=result))

    def _match(self, statement: ast.Match, values: Mapping[str, object]) -> None:
        for case in statement.cases:
            pattern = case.pattern
            parts = pattern.patterns if isinstance(pattern, ast.MatchSequence) else [pattern]
            keys = [part.value for part in parts if isinstance(part, ast.MatchValue)]
            found = None
            if len(keys) == len(parts):
                found = self._equal(
                    statement.subject, keys[0] if len(keys) == 1 else ast.Tuple(elts=keys, ctx=ast.Load())
                )
            self._read(case.body, {**values, **(found or {})})

    def _conditions(self, test: ast.expr) -> list[dict[str, object]]:
        """Return the values of parameters, a mapping for each way to make *test* true; none when it asks more."""
        match test:
            case ast.BoolOp(op=ast.And(), values=parts):
                joined: dict[str, object] = {}
                for part in parts:
                    found = self._conditions(part)
                    if len(found) != 1:
                        return []
                    joined |= found[0]
                return [joined]
            case ast.BoolOp(op=ast.Or(), values=parts):
                ways = [self._conditions(part) for part in parts]
                return [way for found in ways for way in found] if all(ways) else []
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                equal = self._equal(left, right) or self._equal(right, left)
                return [equal] if equal else []
            case ast.Compare(
                left=left, ops=[ast.In()], comparators=[ast.Tuple() | ast.List() | ast.Set() as many]
            ):
                each = [self._equal(left, one) for one in many.elts]
                return [one for one in each if one] if all(each) else []
        return []

    def _equal(self, subject: ast.expr, value: ast.expr) -> dict[str, object] | None:
        """Return what it means that *subject*, a parameter or a tuple of them, equals a constant."""
        subjects = subject.elts if isinstance(subject, ast.Tuple | ast.List) else [subject]
        while len(subjects) == 1 and isinstance(subjects[0], ast.Call) and len(subjects[0].args) == 1:
            subjects = [subjects[0].args[0]]  # int(a), str(a): still that parameter
        wanted = [one.id for one in subjects if isinstance(one, ast.Name) and one.id in self.parameters]
        try:
            constant = literal(value)
        except ValueError:
            return None
        if len(wanted) != len(subjects):
            return None
        if not isinstance(subject, ast.Tuple | ast.List):
            return {wanted[0]: constant}
        if isinstance(constant, tuple | list) and len(constant) == len(wanted):
            return dict(zip(wanted, constant, strict=True))
        return None

    def _looked_up(self, value: ast.expr) -> list[tuple[dict[str, object], object]] | None:
        """Return the rows of a table of constants that a parameter is looked up in; ``None`` where it is none."""
        match value:
            case ast.Subscript(value=table, slice=key):
                pass
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key, *_]):
                pass
            case _:
                return None
        table = self.tables.get(table.id, table) if isinstance(table, ast.Name) else table
        if not isinstance(table, ast.Dict):
            return None
        rows = []
        for one, result in zip(table.keys, table.values, strict=True):
            found = self._equal(key, one) if one is not None else None
            try:
                rows.append((found or {}, literal(result)))
            except ValueError:
                return None
            if not found:
                return None
        return rows


def _module_tables(tree: ast.AST | None) -> dict[str, ast.Dict]:
    return {
        target.id: node.value
        for node in (getattr(tree, "body", ()) if tree else ())
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def _hits(entry: Entry, parameters: Sequence[str], about: Sequence[Expectation]) -> list[Expectation]:
    return [one for one in about if one.binds(parameters, entry.values) and same(one.result, entry.result)]


def _is_odd(entry: Entry) -> bool:
    """Tell whether an entry is no plain start of a recursion and no yes or no."""
    if isinstance(entry.result, bool) or entry.result is None:
        return False
    return not all(is_plain(value) for value in entry.values.values())


def _is_named(entry: Entry, task_text: str) -> bool:
    """Tell whether the task's text names all keys of an entry that is no arithmetic of several numbers."""
    if entry.is_arithmetic and len(entry.values) > 1:
        return False
    return all(names(task_text.lower(), str(value).lower()) for value in entry.values.values())


def _is_whole(entries: Sequence[Entry]) -> bool:
    keys = [value for entry in entries for value in entry.values.values()]
    numbers = sorted(key for key in keys if isinstance(key, int) and not isinstance(key, bool))
    if len(numbers) != len(entries) or len(numbers) < _WHOLE_RANGE:
        return False
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _call(entry: Entry) -> str:
    return ", ".join(f"{name} = {_short(value)}" for name, value in entry.values.items())


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004  # characters
