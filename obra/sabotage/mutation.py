"""Small changes of Python source text. Everything but the changed place stays as it was written."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from obra.domain import Record

Function = ast.FunctionDef | ast.AsyncFunctionDef

_SWAPS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
"""Operator, and what stands in its place: the replacements of arithmetic, relational and logical operators that
mutation testing knows (DeMillo, Lipton and Sayward, "Hints on Test Data Selection", 1978, and who came after)."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Change(Record):
    """One place in a source, in bytes of its UTF-8 form, and what is to stand there."""

    start: int
    end: int
    text: str


def parsed(source: str) -> ast.Module | None:
    """Return the tree of *source*, or ``None`` when it is no Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def apply(source: str, changes: list[Change]) -> str:
    """Return *source* with all *changes* made; they must not overlap."""
    data = source.encode()
    for change in sorted(changes, reverse=True):
        data = data[: change.start] + change.text.encode() + data[change.end :]
    return data.decode()


def operator_changes(source: str) -> list[Change]:
    """Return one change for each operator that can be replaced, in the order of the text."""
    return _found(source, _operators)


def constant_changes(source: str) -> list[Change]:
    """Return changes of constants, of the most telling kind that there is.

    Numbers and truth values come first, then whatever is returned, then any text that is no docstring.
    """
    tree = parsed(source)
    if tree is None:
        return []
    nodes = [node for node in _alive(tree) if isinstance(node, ast.Constant)]
    hidden = _hidden_constants(tree)
    nodes = [node for node in nodes if id(node) not in hidden]
    results = [one.value for one in ast.walk(tree) if isinstance(one, ast.Return) and one.value]
    returned = {id(node) for result in results for node in ast.walk(result)}
    tiers = (
        [node for node in nodes if isinstance(node.value, int | float)],
        [node for node in nodes if id(node) in returned],
        nodes,
    )
    place = _Places(source)
    for tier in tiers:
        changes = [place.of(node, text) for node in tier if (text := _other(node.value))]
        if changes := [change for change in changes if _differs(source, change)]:
            return sorted(changes)
    return []


def functions(source: str) -> list[Function]:
    """Return the functions of a module and the methods of its classes, not those inside of functions."""
    tree = parsed(source)
    found: list[Function] = []
    for node in tree.body if tree else ():
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        found += [one for one in inner if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return found


def replace_bodies(source: str, body: Callable[[Function], str | None]) -> str:
    """Return *source* with new function bodies; docstrings stay.

    Args:
        source: Python.
        body: gives one line (or more, indented by themselves) for each function, or ``None`` to leave it.
    """
    place, changes = _Places(source), []
    for function in functions(source):
        text = body(function)
        statements = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
        if text is None:
            continue
        if statements:
            changes.append(place.span(statements[0], statements[-1], text))
        else:
            doc = function.body[0]
            end = place.end(doc)
            changes.append(Change(start=end, end=end, text=f"\n{' ' * doc.col_offset}{text}"))
    return apply(source, changes)


def without_definitions(source: str, names: set[str]) -> str:
    """Return *source* without the functions and classes of its top level that *names* holds."""
    tree = parsed(source)
    place = _Places(source)
    return apply(
        source,
        [
            place.span(node, node, "")
            for node in (tree.body if tree else ())
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in names
        ],
    )


def definitions(source: str) -> list[str]:
    """Return the names of the functions and classes of the top level."""
    tree = parsed(source)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in (tree.body if tree else ()) if isinstance(node, kinds)]


class _Places:
    """Positions of nodes as offsets into the UTF-8 form of a source."""

    def __init__(self, source: str) -> None:
        self._starts = [0]
        for line in source.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt) -> int:
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        first = min((node, *decorators), key=lambda one: (one.lineno, one.col_offset))
        # The sign @ stands before a decorator's expression.
        return self._starts[first.lineno - 1] + first.col_offset - (1 if first is not node else 0)

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None  # noqa: S101  # true of all that was parsed; tells mypy so
        return self._starts[node.end_lineno - 1] + (node.end_col_offset or 0)

    def of(self, node: ast.expr, text: str) -> Change:
        return Change(start=self.start(node), end=self.end(node), text=text)

    def span(self, first: ast.stmt, last: ast.stmt, text: str) -> Change:
        return Change(start=self.start(first), end=self.end(last), text=text)


def _found(source: str, look: Callable[[ast.Module, str], Iterator[Change]]) -> list[Change]:
    tree = parsed(source)
    if tree is None:
        return []
    return sorted(change for change in set(look(tree, source)) if _differs(source, change))


def _differs(source: str, change: Change) -> bool:
    """Tell whether the change leaves valid Python that is another program."""
    before, after = parsed(source), parsed(apply(source, [change]))
    return before is not None and after is not None and ast.dump(before) != ast.dump(after)


def _operators(tree: ast.Module, source: str) -> Iterator[Change]:
    data, place = source.encode(), _Places(source)
    for node in _alive(tree):
        for left, operator, right in _operations(node):
            if type(operator) not in _SWAPS or _is_text(left) or _is_text(right):
                continue
            sign, other = (text.encode() for text in _SWAPS[type(operator)])
            start, end = place.end(left), place.start(right)
            at = data.find(sign, start, end)
            if at >= 0:
                yield Change(start=at, end=at + len(sign), text=other.decode())


def _operations(node: ast.AST) -> Iterator[tuple[ast.expr, ast.AST, ast.expr]]:
    if isinstance(node, ast.BinOp):
        yield node.left, node.op, node.right
    elif isinstance(node, ast.Compare):
        terms = [node.left, *node.comparators]
        yield from zip(terms, node.ops, terms[1:], strict=False)
    elif isinstance(node, ast.BoolOp):
        # One "or" among three terms would leave a mixture that nobody wrote; the first place is enough.
        yield node.values[0], node.op, node.values[1]


def _is_text(node: ast.expr) -> bool:
    """Tell whether an operand is written as text, so that another operator would only crash."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _alive(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of what can run when a module is used: no ``if __name__ == "__main__"``, no annotations."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, ast.If) and any(
            isinstance(one, ast.Name) and one.id == "__name__" for one in ast.walk(node.test)
        ):
            continue
        for name, value in ast.iter_fields(node):
            if name not in {"annotation", "returns", "format_spec"}:
                values = value if isinstance(value, list) else [value]
                waiting += [one for one in values if isinstance(one, ast.AST)]


def _hidden_constants(tree: ast.Module) -> set[int]:
    """Return the ids of constants that no behaviour shows: docstrings, words of exceptions, parts of f-strings."""
    hidden: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            hidden.add(id(node.value))
        elif isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
            hidden |= {id(one) for one in ast.walk(node)}
    return hidden


def _other(value: object) -> str:
    """Return a constant of the same kind that is another one, as source; nothing for those that have no such."""
    if isinstance(value, bool):
        return repr(not value)
    if isinstance(value, int | float):
        return repr(value + 1)
    if isinstance(value, str) and value:
        return repr(value[:-1] if len(value) > 1 else value * 2)
    return ""
