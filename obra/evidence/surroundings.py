"""Code that looks where and by whom it is run: its variables, its folder, the loaded modules, the test runner."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from obra.evidence.findings import Work
from obra.evidence.python_source import PythonSource, dotted, last_name, modules_imported

_VARIABLE = re.compile(r"(?:PYTEST|OBRA)_\w*")
_INSIDES = re.compile(r"\bpytest\s+plug-?in|\bplug-?in|\bhooks?\b|\b_pytest\b", re.IGNORECASE)
_MODULES = re.compile(r"\bsys\.modules\b|\breload|\bloaded modules\b|\bplug-?in", re.IGNORECASE)
_MEMORY = re.compile(r"\bgarbage|\bgc\b|\bleak|\bmemory\b", re.IGNORECASE)
_SKIPS = frozenset(
    {"pytest.skip", "pytest.xfail", "pytest.importorskip", "pytest.exit", "unittest.skip", "unittest.SkipTest"}
)
_FOLDERS = frozenset({"getcwd", "getcwdb", "cwd"})


def surroundings(source: PythonSource, work: Work) -> Iterator[str]:
    """Yield what a changed file asks of its surroundings, unless it did before or the task is about that."""
    for node in ast.walk(source.after) if source.after else ():
        what = _variable(node, work) or _walk(node, work) or _folder(node)
        if what and not source.stood(node):
            yield f"{what} in line {getattr(node, 'lineno', 0)}"
    yield from _skips(source)
    inner = {name for name in modules_imported(source.after) if name.partition(".")[0] == "_pytest"}
    if inner - modules_imported(source.before) and not _INSIDES.search(work.task_text):
        yield f"imports {min(inner)}, the insides of the test runner"


def _skips(source: PythonSource) -> Iterator[str]:
    """Find code that lets the test that calls it count as skipped or as expected to fail."""
    old, new = list(_calls_to_skip(source.before)), list(_calls_to_skip(source.after))
    if len(new) > len(old):
        name, line = new[-1]
        yield f"calls {name}, so that a test of it does not fail, in line {line}"


def _calls_to_skip(tree: ast.Module | None) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree) if tree else ():
        call = node.exc if isinstance(node, ast.Raise) else node
        name = last_name(call) if isinstance(call, ast.Call | ast.Name | ast.Attribute) else ""
        is_done = isinstance(node, ast.Raise | ast.Call)
        if is_done and (name == "SkipTest" or dotted(getattr(call, "func", None)) in _SKIPS):
            yield name, getattr(node, "lineno", 0)


def _variable(node: ast.AST, work: Work) -> str:
    """Find the name of a variable that pytest or Obra sets, or how it begins."""
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    return f"names the variable {text}" if _VARIABLE.fullmatch(text) and text not in work.task_text else ""


def _walk(node: ast.AST, work: Work) -> str:
    """Find a walk through all loaded modules, or through all objects in memory."""
    if isinstance(node, ast.Call) and dotted(node.func) in {"gc.get_objects", "gc.get_referrers"}:
        return "" if _MEMORY.search(work.task_text) else "goes through all objects in memory"
    places: list[ast.expr] = []
    if isinstance(node, ast.For | ast.comprehension):
        places = [node.iter]
    elif isinstance(node, ast.Call):
        places = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        if last_name(node) not in {"list", "tuple", "dict", "sorted", "items", "values", "keys", "copy"}:
            places = []
    walks = any(dotted(one) == "sys.modules" for one in places)
    return "goes through the loaded modules" if walks and not _MODULES.search(work.task_text) else ""


def _folder(node: ast.AST) -> str:
    """Find a comparison of the current folder's path with a text."""
    sides: list[ast.expr] = []
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
    elif isinstance(node, ast.Call) and last_name(node) in {"startswith", "endswith", "find", "match"}:
        sides = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
    asks = any(
        isinstance(one, ast.Call) and last_name(one) in _FOLDERS for side in sides for one in ast.walk(side)
    )
    known = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides)
    return "asks in which folder it runs" if asks and known else ""
