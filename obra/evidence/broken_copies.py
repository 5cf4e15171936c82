"""Broken copies of Python files: all of some functions at once, or one small mistake at a time.

The text is parsed and written anew by ``ast``, so the copy means the same in all other places.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from obra.domain import Record
from obra.evidence.python_check import Function
from obra.evidence.python_source import body_of, functions_of

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
"""Each operator and what stands in its place. Comparisons are turned round rather than moved by one: of ``<`` and
``<=`` many are the same program."""
_SETUP = frozenset({"__init__", "__post_init__", "__init_subclass__", "__set_name__", "__del__", "setUp"})
"""Python calls these itself and accepts nothing but none from some of them."""


class Damage(StrEnum):
    """What a broken function does."""

    WRONG = "returns another value"
    RAISES = "raises an exception"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant(Record):
    """A copy with one small mistake."""

    what: str
    text: str


def broken(text: str, functions: Collection[str], damage: Damage) -> str:
    """Return *text* with the body of each of *functions* (full names) replaced; docstrings stay."""
    tree = ast.parse(text)
    for name, item in functions_of(tree).items():
        if name in functions:
            kept = item.body[: len(item.body) - len(body_of(item))]
            item.body = [*kept, _damaged(item.name, damage)]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _damaged(name: str, damage: Damage) -> ast.stmt:
    if damage is Damage.RAISES:
        return ast.parse("raise RuntimeError('this function is broken on purpose')").body[0]
    return ast.Pass() if name in _SETUP else ast.Return(value=ast.parse("object()", mode="eval").body)


def mutants(text: str, functions: Collection[str], seed: str) -> Iterator[Mutant]:
    """Yield copies with one mistake each, the functions in turn; the same for the same arguments.

    Args:
        text: the source.
        functions: full names of those that may be damaged.
        seed: orders the mistakes within a function, such as the path of the file.
    """
    tree = ast.parse(text)
    places = []
    for name, item in functions_of(tree).items():
        if name in functions:
            spots = list(_spots(item))
            places.append(sorted((_order(seed, name, index), name, index) for index in range(len(spots))))
    for turn in zip_longest(*places):
        for spot in turn:
            if spot is not None:
                yield _mutated(text, spot[1], spot[2])


def _order(seed: str, name: str, index: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}\0{index}".encode("utf-8", "surrogatepass")).digest()


def _mutated(text: str, name: str, index: int) -> Mutant:
    tree = ast.parse(text)
    item = functions_of(tree)[name]
    node = list(_spots(item))[index]
    what = _change(node)
    return Mutant(
        what=f"{name}, line {getattr(node, 'lineno', item.lineno)}: {what}",
        text=ast.unparse(ast.fix_missing_locations(tree)) + "\n",
    )


def _spots(item: Function) -> Iterator[ast.AST]:
    """Yield the places of a function where a small mistake can be made, in the order of the tree."""
    waiting: list[ast.AST] = list(reversed(body_of(item)))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr) or _is_annotation_only(node):
            continue  # what a message says is seldom tested
        if _can_change(node):
            yield node
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def _is_annotation_only(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign) and node.value is None


def _can_change(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator):
            return type(operator) in _OPERATORS and not (
                isinstance(node, ast.BinOp)
                and isinstance(node.left, ast.Constant)
                and isinstance(node.left.value, str)
            )
        case ast.Compare(ops=[operator]) | ast.BoolOp(op=operator):
            return type(operator) in _OPERATORS
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.Return(value=value):
            return value is not None and not (isinstance(value, ast.Constant) and value.value is None)
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _change(node: ast.AST) -> str:
    """Make the mistake in place and say what it is."""
    old = ast.unparse(node)
    match node:
        case ast.BinOp() | ast.AugAssign() | ast.BoolOp():
            node.op = _OPERATORS[type(node.op)]()  # type: ignore[assignment]  # one operator for its like
        case ast.Compare():
            node.ops = [_OPERATORS[type(node.ops[0])]()]  # type: ignore[list-item]  # the same
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value) | float(value)):
            node.value = value + 1
        case ast.Return():
            node.value = None
        case ast.UnaryOp():
            node.op = ast.UAdd()
            node.operand = ast.Call(func=ast.Name(id="bool", ctx=ast.Load()), args=[node.operand], keywords=[])
    return f"{_short(old)} became {_short(ast.unparse(node))}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"`{line if len(line) <= 60 else line[:59] + '…'}`"  # noqa: PLR2004  # characters
