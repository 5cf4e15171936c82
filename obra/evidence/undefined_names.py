"""Names that changed Python files use and nobody defines, found by pyflakes."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from obra.domain import CheckResult
from obra.evidence.findings import Work, objection
from obra.evidence.paths import shown

NAME = "python names"
_GIVEN = frozenset(
    {"_", "N_", "ngettext", "gettext", "pgettext", "WindowsError", "get_ipython", "display", "profile"}
    | {"unicode", "basestring", "long", "xrange", "raw_input", "unichr", "reduce", "file", "cmp", "execfile"}
    | {"buffer", "reload", "intern", "reveal_type", "reveal_locals", "exit", "quit", "copyright", "__class__"}
)
"""What gettext, notebooks, profilers, type checkers and older Pythons put among the built-ins."""


def look(work: Work) -> Iterator[CheckResult]:
    """Yield an objection for names that were not undefined before."""
    seen = []
    for source in work.sources:
        if source.after is None:
            continue
        old = {name for name, _ in _undefined(source.before)} if source.before else set()
        seen += [
            f"{shown(source.path)}: {name} in line {line}"
            for name, line in _undefined(source.after)
            if name not in old
        ]
    if seen:
        yield objection(NAME, "every name in changed Python files to be defined", seen)


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.comprehension, ast.Delete)
_BUILT_IN = frozenset({*dir(builtins), "__file__", "__name__", "__doc__", "__package__", "__spec__", "__loader__"})


def _is_plain(tree: ast.Module) -> bool:
    """Tell at little cost that a file of a single scope uses only names that it binds, or Python does."""
    used: set[str] = set()
    bound = set(_BUILT_IN)
    for node in ast.walk(tree):
        if isinstance(node, _SCOPES):
            return False
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
    return used <= bound


def _undefined(tree: ast.Module) -> list[tuple[str, int]]:
    if _is_plain(tree):
        return []
    from pyflakes.checker import Checker
    from pyflakes.messages import UndefinedName

    if _makes_names(tree):
        return []
    harmless = _never_evaluated(tree)
    found = []
    for message in Checker(tree, filename="").messages:
        if isinstance(message, UndefinedName):
            name = str(message.message_args[0])
            if name not in _GIVEN and (message.lineno, name) not in harmless:
                found.append((name, int(message.lineno)))
    return sorted(set(found), key=lambda one: (one[1], one[0]))


def _makes_names(tree: ast.Module) -> bool:
    """Tell whether the file defines names in ways that only running it shows: ``exec``, ``globals()``."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"exec", "globals"}
        for node in ast.walk(tree)
    )


def _never_evaluated(tree: ast.Module) -> frozenset[tuple[int, str]]:
    """Return the line and text of each name in annotations that Python does not evaluate."""
    late = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(a.name == "annotations" for a in node.names)
        for node in tree.body
    )
    found = set()
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            annotation = getattr(node, field, None)
            for inner in ast.walk(annotation) if isinstance(annotation, ast.AST) else ():
                if late and isinstance(inner, ast.Name):
                    found.add((inner.lineno, inner.id))
                elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    found.update((inner.lineno, name) for name in _names_in(inner.value))
    return frozenset(found)


def _names_in(annotation: str) -> Iterator[str]:
    try:
        tree = ast.parse(annotation, mode="eval")
    except (SyntaxError, ValueError):
        return
    yield from (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
