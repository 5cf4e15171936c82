"""Assertions: which statements of a test can make it fail, and which only look as if they could."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from obra.domain import Record
from obra.evidence.python_check import Function
from obra.evidence.python_source import classes_around, dotted, functions_of, last_name

_ASSERTING = ("assert", "check", "verify", "expect", "validate", "ensure", "should", "must", "compare", "fail")
_CONTEXTS = frozenset({"raises", "warns", "deprecated_call", "does_not_warn", "assertraises", "assertwarns"})
_RUNNERS = frozenset({"check_call", "check_output", "testmod", "testfile", "run_docstring_examples", "fail"})
_CAUGHT = frozenset({"AssertionError", "Exception", "BaseException"})
_SKIPS = frozenset({"skip", "xfail", "skipTest", "SkipTest", "importorskip"})
_FIXED = (ast.Constant, ast.JoinedStr, ast.Lambda)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestShape(Record):
    """What a test function is made of."""

    __test__ = False

    node: Function
    claims: tuple[ast.AST, ...]
    """What can fail it, apart from the code under test raising."""
    empty: tuple[str, ...]
    """Why what looks like an assertion is none."""
    skipped: bool
    """Whether it is skipped, or expected to fail, on every machine."""
    strength: int
    """How many comparisons it makes."""


def shapes_of_tests(tree: ast.Module | None, helpers: Collection[str] = frozenset()) -> dict[str, TestShape]:
    """Return the test functions of a file by full name.

    Args:
        tree: the file.
        helpers: names of functions elsewhere that are known to assert.
    """
    if tree is None:
        return {}
    known = {*helpers, *asserting_helpers(tree)}
    around = classes_around(tree)
    marks = _skip_marks(tree.body)
    found = {}
    for name, item in functions_of(tree).items():
        if item.name.lower().startswith("test") and not _is_fixture(item):
            above = any(_skips(one.decorator_list) or _skip_marks(one.body) for one in around[name])
            found[name] = shape_of(item, known, skipped=marks or above)
    return found


def shape_of(item: Function, helpers: Collection[str] = (), *, skipped: bool = False) -> TestShape:
    """Look at one test function."""
    looker = _Looker(helpers)
    looker.look(item.body, caught=False)
    return TestShape(
        node=item,
        claims=tuple(looker.claims),
        empty=tuple(looker.empty),
        skipped=skipped or _skips(item.decorator_list) or _gives_up(item.body),
        strength=sum(_weight(claim) for claim in looker.claims),
    )


def asserting_helpers(tree: ast.Module) -> frozenset[str]:
    """Return the names of the file's functions that assert, directly or through others of it."""
    functions = {name.rpartition(".")[2]: item for name, item in functions_of(tree).items()}
    known: set[str] = set()
    while True:
        found = {name for name, item in functions.items() if shape_of(item, known).claims}
        if found <= known:
            return frozenset(known)
        known |= found


class _Looker:
    """Walks statements; below a handler that catches a failed assertion nothing counts."""

    def __init__(self, helpers: Collection[str]) -> None:
        self.helpers = helpers
        self.claims: list[ast.AST] = []
        self.empty: list[str] = []

    def look(self, body: Iterable[ast.stmt], *, caught: bool) -> None:
        for statement in body:
            match statement:
                case ast.Assert():
                    self._claim(statement, _why_empty(statement.test), caught=caught)
                case ast.Raise():
                    self._claim(statement, "", caught=caught)
                case ast.Try() | ast.TryStar():
                    swallowing = any(_swallows(handler, self.helpers) for handler in statement.handlers)
                    self.look(statement.body, caught=caught or swallowing)
                    for handler in statement.handlers:
                        self.look(handler.body, caught=caught)
                    self.look([*statement.orelse, *statement.finalbody], caught=caught)
                case ast.With() | ast.AsyncWith():
                    self._with(statement, caught=caught)
                case ast.If() if isinstance(statement.test, ast.Constant):
                    self.look(statement.body if statement.test.value else statement.orelse, caught=caught)
                case _:
                    self._other(statement, caught=caught)
            if isinstance(statement, ast.Return):
                return  # nothing after it is ever reached

    def _with(self, statement: ast.With | ast.AsyncWith, *, caught: bool) -> None:
        for item in statement.items:
            call = item.context_expr
            name = last_name(call)
            if name == "suppress" and isinstance(call, ast.Call):
                caught = caught or any(last_name(one) in _CAUGHT for one in call.args)
            elif name.lower() in _CONTEXTS or self._asserts(call):
                self._claim(call, "", caught=caught)
            else:
                self._calls(call, caught=caught)
        self.look(statement.body, caught=caught)

    def _other(self, statement: ast.stmt, *, caught: bool) -> None:
        for name, value in ast.iter_fields(statement):
            if name in {"body", "orelse", "finalbody"} and isinstance(value, list):
                self.look(value, caught=caught)
            elif name == "cases":
                for case in value:
                    self.look(case.body, caught=caught)
            else:
                for node in value if isinstance(value, list) else [value]:
                    self._calls(node, caught=caught)

    def _calls(self, node: object, *, caught: bool) -> None:
        for inner in ast.walk(node) if isinstance(node, ast.AST) else ():
            if isinstance(inner, ast.Call) and (self._asserts(inner) or _checks_exit(inner)):
                self._claim(inner, _why_call_is_empty(inner), caught=caught)

    def _asserts(self, node: ast.AST) -> bool:
        name = last_name(node) if isinstance(node, ast.Call) else ""
        plain = name.lower().lstrip("_")
        return name in self.helpers or name in _RUNNERS or plain in _CONTEXTS or plain.startswith(_ASSERTING)

    def _claim(self, node: ast.AST, why: str, *, caught: bool) -> None:
        if caught:
            self.empty.append(f"line {getattr(node, 'lineno', 0)}: a failure is caught")
        elif why:
            self.empty.append(f"line {getattr(node, 'lineno', 0)}: {why}")
        else:
            self.claims.append(node)


def _checks_exit(call: ast.Call) -> bool:
    return any(
        word.arg == "check" and isinstance(word.value, ast.Constant) and word.value.value for word in call.keywords
    )


def _swallows(handler: ast.ExceptHandler, helpers: Collection[str]) -> bool:
    """Tell whether *handler* lets a failed assertion pass."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if handler.type is not None and not any(last_name(kind) in _CAUGHT for kind in kinds):
        return False
    inner = _Looker(helpers)
    inner.look(handler.body, caught=False)
    return not inner.claims


def _why_empty(test: ast.expr) -> str:  # noqa: PLR0911  # one line for each form
    """Return why an asserted expression is always true; or nothing."""
    match test:
        case ast.Constant(value=value) if value:
            return "the asserted constant is always true"
        case ast.Tuple(elts=[_, *_]):
            return "a tuple is always true"
        case ast.UnaryOp(op=ast.Not(), operand=ast.Constant(value=value)) if not value:
            return "it is always true"
        case ast.BoolOp(op=ast.Or(), values=values) if any(_why_empty(value) for value in values):
            return "one side of 'or' is always true"
        case ast.BoolOp(op=ast.And(), values=values) if all(_why_empty(value) for value in values):
            return "both sides of 'and' are always true"
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return _why_comparison_is_empty(left, operator, right)
        case ast.Call(func=ast.Name(id="bool"), args=[inner]):
            return _why_empty(inner)
    return ""


def _why_comparison_is_empty(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> str:
    if isinstance(left, _FIXED) and isinstance(right, _FIXED):
        return "it compares constants"
    always = isinstance(operator, ast.Eq | ast.Is | ast.LtE | ast.GtE)
    if always and isinstance(left, ast.Name | ast.Attribute | ast.Constant) and ast.dump(left) == ast.dump(right):
        return "it compares a value with itself"
    if isinstance(operator, ast.GtE) and last_name(left) == "len" and ast.unparse(right) == "0":
        return "a length is never below zero"
    return ""


def _why_call_is_empty(call: ast.Call) -> str:
    name, values = last_name(call), call.args
    if not name.startswith("assert") or not values:
        return ""
    if name == "assertTrue":
        return _why_empty(values[0])
    if name in {"assertEqual", "assertIs", "assertEquals"} and len(values) > 1:
        return _why_comparison_is_empty(values[0], ast.Eq(), values[1])
    if name[6:7].isupper() and all(
        isinstance(value, _FIXED) for value in values
    ):  # not a mock's assert_called_with
        return "it looks at constants"
    return ""


def _weight(claim: ast.AST) -> int:
    """Return how many things an assertion compares."""
    test = claim.test if isinstance(claim, ast.Assert) else claim
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return sum(_weight(value) for value in test.values)
    if isinstance(test, ast.Compare):
        sizes = [
            len(side.elts) for side in (test.left, *test.comparators) if isinstance(side, ast.Tuple | ast.List)
        ]
        return max([1, len(test.ops), *sizes])
    if isinstance(test, ast.Call) and last_name(test) == "all":
        return 2
    return 1


def _is_fixture(item: Function) -> bool:
    return any(last_name(one) == "fixture" for one in item.decorator_list)


def _skips(decorators: Iterable[ast.expr]) -> bool:
    return any(_is_skip(one) for one in decorators)


def _is_skip(node: ast.expr) -> bool:
    """Tell whether a decorator or mark skips, or expects a failure, whatever the machine is like."""
    name, arguments = last_name(node), node.args if isinstance(node, ast.Call) else []
    words = {word.arg for word in node.keywords} if isinstance(node, ast.Call) else set()
    if name in {"skip", "expectedFailure"}:
        return True
    if name == "xfail":
        return not arguments and "condition" not in words
    always = arguments and isinstance(arguments[0], ast.Constant) and bool(arguments[0].value)
    return (bool(always) and name in {"skipif", "skipIf"}) or bool(
        arguments and name == "skipUnless" and isinstance(arguments[0], ast.Constant) and not arguments[0].value
    )


def _skip_marks(body: Iterable[ast.stmt]) -> bool:
    """Tell whether ``pytestmark`` skips a whole file or class, or ``__test__ = False`` hides it."""
    for statement in body:
        if not isinstance(statement, ast.Assign):
            continue
        name, value = last_name(statement.targets[0]), statement.value
        marks = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
        if name == "pytestmark" and _skips(marks):
            return True
        if name == "__test__" and isinstance(value, ast.Constant) and not value.value:
            return True
    return False


def _gives_up(body: Iterable[ast.stmt]) -> bool:
    """Tell whether a test skips or returns before anything else, whatever the machine is like."""
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            return last_name(call) in _SKIPS - {"importorskip"} and dotted(call.func) != "os.skip"
        if isinstance(statement, ast.Raise):
            return last_name(statement.exc) == "SkipTest"
        if isinstance(statement, ast.Return):
            return True
        if not isinstance(statement, ast.Expr | ast.Pass | ast.Import | ast.ImportFrom):
            return False
    return False


def unconditional(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run whenever a file is loaded, also below ``if True`` and ``try``."""
    for statement in body:
        if isinstance(statement, ast.If) and isinstance(statement.test, ast.Constant):
            yield from unconditional(statement.body if statement.test.value else statement.orelse)
        elif isinstance(statement, ast.Try):
            yield from unconditional([*statement.body, *statement.finalbody])
        elif isinstance(statement, ast.With):
            yield from unconditional(statement.body)
        else:
            yield statement
