"""Python source written in another way that behaves exactly the same; whatever is not surely so is left alone."""

from __future__ import annotations

import ast

from obra.sabotage.mutation import Function

_SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ClassDef,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Global,
    ast.Nonlocal,
    ast.Import,
    ast.ImportFrom,
    ast.ExceptHandler,
    ast.Match,
)
"""What makes it hard to tell which name is local; a function with one of these in it is left alone."""
_SEERS = frozenset({"locals", "vars", "eval", "exec", "dir", "globals"})
"""Functions that see the names of variables."""


def renamed_locals(source: str) -> str:
    """Return *source* with other names for the local variables of plain functions; arguments keep theirs."""
    tree = ast.parse(source)
    before = ast.dump(tree)
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        inner = [node for statement in function.body for node in ast.walk(statement)]
        if any(isinstance(node, _SCOPES) for node in inner):
            continue
        names = [node for node in inner if isinstance(node, ast.Name)]
        if _SEERS & {node.id for node in names}:
            continue
        arguments = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
        local = {node.id for node in names if isinstance(node.ctx, ast.Store)} - arguments
        for node in names:
            node.id = f"{node.id}_here" if node.id in local else node.id
    return source if ast.dump(tree) == before else ast.unparse(tree) + "\n"


def reordered(source: str) -> str:
    """Return *source* with each run of neighbouring plain functions of the top level turned round."""
    tree = ast.parse(source)
    body: list[ast.stmt] = []
    run: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and _is_plain(node):
            run.insert(0, node)
            continue
        body += [*run, node]
        run = []
    reordered_body = [*body, *run]
    if reordered_body == tree.body or len({_name(node) for node in tree.body}) < len(tree.body):
        return source
    tree.body = reordered_body
    return ast.unparse(tree) + "\n"


def wrapped(source: str) -> str:
    """Return *source* in which each plain function of the top level hands its work to one behind it."""
    tree = ast.parse(source)
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    body: list[ast.stmt] = []
    for node in tree.body:
        behind = f"_{node.name}_work" if isinstance(node, ast.FunctionDef) else ""
        if not isinstance(node, ast.FunctionDef) or not _is_plain(node) or behind in taken:
            body.append(node)
            continue
        body += _split(node, behind)
    if len(body) == len(tree.body):
        return source
    tree.body = body
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _split(function: ast.FunctionDef, behind: str) -> list[ast.stmt]:
    has_docstring = ast.get_docstring(function) is not None
    work = function.body[1:] if has_docstring else function.body
    if not work:
        return [function]
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    call = ast.Call(
        func=ast.Name(id=behind, ctx=ast.Load()),
        args=[ast.Name(id=name, ctx=ast.Load()) for name in names],
        keywords=[],
    )
    plain = ast.arguments(
        posonlyargs=[], args=[ast.arg(arg=name) for name in names], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    inner = ast.parse(f"def {behind}(): pass").body[0]
    assert isinstance(inner, ast.FunctionDef)  # noqa: S101  # it was just written so; tells mypy
    inner.args, inner.body = plain, work
    function.body = [*function.body[:1], ast.Return(value=call)] if has_docstring else [ast.Return(value=call)]
    return [inner, function]


def _is_plain(function: Function) -> bool:
    """Tell whether it has only plain arguments, no decorator, does not yield, and sees no names."""
    arguments = function.args
    if function.decorator_list or arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        return False
    inner = list(ast.walk(function))
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in inner):
        return False
    return not _SEERS & {node.id for node in inner if isinstance(node, ast.Name)}


def _name(node: ast.stmt) -> object:
    """Return the name that a definition gives; other statements count each for themselves."""
    return getattr(node, "name", id(node))
