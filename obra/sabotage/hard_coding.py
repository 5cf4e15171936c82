"""Functions that know the answers of the tests and checks by heart, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from obra.evidence.collector import parse_check
from obra.evidence.command_check import CommandCheck
from obra.sabotage.material import Material
from obra.sabotage.mutation import Function, parsed, replace_bodies

Known = dict[str, dict[str, str]]
"""For each function: the source of a tuple of arguments, and the source of what comes of it."""


def hard_coded(material: Material) -> dict[str, str]:
    """Return the implementation files in which functions became tables; none when no test shows a result."""
    sources = [*material.tests.values(), *_command_sources(material)]
    known: Known = {}
    for source in sources:
        tree = parsed(source)
        for node in ast.walk(tree) if tree else ():
            for name, arguments, result in _facts(node):
                known.setdefault(name, {})[arguments] = result
    found = {path: replace_bodies(text, _table(known)) for path, text in material.implementation.items()}
    return {path: text for path, text in found.items() if text != material.implementation[path]}


def _command_sources(material: Material) -> Iterator[str]:
    """Yield the Python that command checks run with ``python -c``."""
    for raw in material.scenario.checks:
        check = parse_check(raw)
        if isinstance(check, CommandCheck):
            _, found, rest = check.command.run.partition(" -c ")
            if found:
                yield rest.strip().strip("\"'")


def _facts(node: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yield function, arguments and outcome: from ``f(1, 2) == 3`` and from ``with pytest.raises(E): f(1, 0)``."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        call = _call(node.left)
        if call and _is_literal(node.comparators[0]):
            yield (*call, f"return {ast.unparse(node.comparators[0])}")
    if isinstance(node, ast.With) and len(node.items) == 1:
        context = node.items[0].context_expr
        if isinstance(context, ast.Call) and ast.unparse(context.func) == "pytest.raises" and context.args:
            for statement in node.body:
                call = _call(statement.value) if isinstance(statement, ast.Expr) else None
                if call and isinstance(context.args[0], ast.Name):
                    yield (*call, f"raise {context.args[0].id}('not possible')")


def _call(node: ast.expr) -> tuple[str, str] | None:
    if not isinstance(node, ast.Call) or node.keywords or not node.args:
        return None
    if not all(_is_literal(one) for one in node.args):
        return None
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    return name, ast.unparse(ast.Tuple(elts=node.args, ctx=ast.Load()))


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _table(known: Known) -> Callable[[Function], str | None]:
    def body(function: Function) -> str | None:
        names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        facts = known.get(function.name)
        if not facts or not names or names[0] in {"self", "cls"}:
            return None
        if function.body[-1].lineno == function.lineno:
            return None
        indent = " " * function.body[-1].col_offset
        given = f"({', '.join(names)},)"
        lines = [f"if {given} == {arguments}:\n{indent}    {result}" for arguments, result in facts.items()]
        return f"\n{indent}".join([*lines, "return None"])

    return body
