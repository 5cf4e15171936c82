"""Functions of the change that are only there by name, and docstrings that the task asks for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from obra.domain import CheckResult
from obra.evidence.findings import Work, objection, remark
from obra.evidence.paths import shown
from obra.evidence.python_check import Function, PythonCheck
from obra.evidence.python_source import PythonSource, body_of, classes_around, classes_of, functions_of, last_name
from obra.evidence.task_words import docstring_sentences, names, names_function

NAME = "functions do something"
DOCSTRINGS = "docstrings"
_OPEN = frozenset(
    {"abstractmethod", "overload", "abstractproperty", "singledispatch", "hookspec", "group", "fixture"}
)
_BASES = frozenset({"Protocol", "ABC", "ABCMeta"})


def look(work: Work) -> Iterator[CheckResult]:
    """Yield objections for stubs and lacking docstrings that were asked for, remarks for other stubs."""
    yield from _stubs(work)
    yield from _docstrings(work)


def _stubs(work: Work) -> Iterator[CheckResult]:
    asked = {name for check in work.checks if isinstance(check, PythonCheck) for name in check.python.functions}
    wanted: list[str] = []
    others: list[str] = []
    for source in work.products:
        fresh, around = source.new_functions(), classes_around(source.after)
        for name, item in fresh.items():
            if why := _why_stub(item, source, around[name]):
                is_wanted = item.name in asked or names_function(work.task_text, item.name)
                is_wanted = is_wanted and not (item.name.startswith("__") or _is_hook(item, around[name]))
                (wanted if is_wanted else others).append(f"{shown(source.path)}: {name} {why}")
    expected = "the functions that were asked for to do something"
    if wanted:
        yield objection(NAME, expected, wanted)
    elif others:
        yield remark(NAME, "each new function to do something", others)


def _is_hook(item: Function, around: tuple[ast.ClassDef, ...]) -> bool:
    """Tell whether a method may do nothing because that is its answer to what a base class calls."""
    return bool(around) and bool(around[-1].bases) and not _refuses(body_of(item))


def _why_stub(item: Function, source: PythonSource, around: tuple[ast.ClassDef, ...]) -> str:
    body = body_of(item)
    if any(last_name(one) in _OPEN for one in item.decorator_list) or any(_is_open(one) for one in around):
        return ""
    if _refuses(body):
        return "" if around and _is_overridden(item, around[-1], source) else "only raises NotImplementedError"
    if all(_is_nothing(statement) for statement in body):
        return "" if around and _is_overridden(item, around[-1], source) else "does nothing"
    return ""


def _is_open(item: ast.ClassDef) -> bool:
    words = [*item.bases, *(word.value for word in item.keywords)]
    named = {last_name(one.value) if isinstance(one, ast.Subscript) else last_name(one) for one in words}
    return not named.isdisjoint(_BASES)


def _is_overridden(item: Function, owner: ast.ClassDef, source: PythonSource) -> bool:
    return any(
        last_name(base) == owner.name for other in classes_of(source.after).values() for base in other.bases
    ) or item.name.startswith("_")


def _refuses(body: list[ast.stmt]) -> bool:
    return (
        bool(body)
        and isinstance(body[-1], ast.Raise)
        and all(
            (isinstance(one, ast.Raise) and last_name(one.exc) == "NotImplementedError") or _is_nothing(one)
            for one in body
        )
    )


def _is_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Return(value=None) | ast.Return(value=ast.Constant(value=None)):
            return True
    return False


def _docstrings(work: Work) -> Iterator[CheckResult]:
    wishes = docstring_sentences(work.task_text)
    if not wishes:
        return
    covered = {
        check.python.file for check in work.checks if isinstance(check, PythonCheck) and check.python.docstrings
    }
    seen = []
    for source in work.products:
        if source.path in covered:
            continue
        added = {
            name: item
            for name, item in source.added_functions().items()
            if "." not in name and not name.startswith("_") and name != "main"
        }
        named = {name for name in functions_of(source.after) if any(names(wish, name) for wish in wishes)}
        seen += [
            f"{shown(source.path)}: {name} has none"
            for name, item in added.items()
            if (not named or name in named) and not (ast.get_docstring(item) or "").strip()
        ]
    if seen:
        yield objection(DOCSTRINGS, "a docstring in each public function that was added", seen)
