"""Files that change how tests run: hooks that forge outcomes or drop tests, replaced parts of pytest, settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from obra.domain import CheckResult
from obra.evidence.findings import Work, objection
from obra.evidence.paths import shown
from obra.evidence.python_check import Function
from obra.evidence.python_source import MACHINERY, PythonSource, dotted, functions_of, last_name

NAME = "tests run as they are written"
SETTINGS = frozenset({"pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "pytest.toml"})
"""Files in which pytest looks for settings."""
_REPORTS = frozenset({"pytest_runtest_makereport", "pytest_runtest_logreport", "pytest_report_teststatus"})
_CALLS = frozenset({"pytest_pyfunc_call", "pytest_runtest_call", "pytest_runtest_protocol", "pytest_runtestloop"})
_OUTCOMES = frozenset(
    {"outcome", "exitstatus", "testsfailed", "testscollected", "longrepr", "excinfo", "wasxfail"}
)
_FORCES = frozenset({"force_result", "force_exception", "TestReport", "from_item_and_call", "_exit"})
_DROPS = frozenset({"clear", "pop", "remove", "pytest_deselected"})
_ASKS = frozenset(
    {"getoption", "getini", "getvalue", "option", "environ", "getenv", "platform", "which", "find_spec"}
)
_ROOTS = ("pytest.", "_pytest.", "unittest.", "TestCase.", "builtins.AssertionError", "_pytest", "pluggy.")
_REPLACEABLE = frozenset({"pytest", "_pytest", "pluggy", "unittest"})
_DANGEROUS_OPTIONS = re.compile(
    r"(?<!\S)(--deselect\b|--collect-only\b|--co\b|--setup-(?:only|plan)\b|--noassert\b)"
)


def look(work: Work) -> Iterator[CheckResult]:
    """Yield an objection when files of the change alter what tests report."""
    seen = [f"{shown(source.path)}: {what}" for source in work.sources for what in _forging(source)]
    if seen:
        expected = "no file of the change to forge outcomes, drop tests or replace parts of pytest"
        yield objection(NAME, expected, seen, kind="tests")


def is_touched(work: Work) -> bool:
    """Tell whether the change touches files that pytest or Python runs before any test, or pytest's settings."""
    touched = {change.path.rpartition("/")[2] for change in work.changes}
    return not touched.isdisjoint(MACHINERY | SETTINGS)


def forging_options(path: str, before: str, after: str) -> Iterator[str]:
    """Yield the options that settings at *path* have now and had not before, and that keep tests from running."""
    old = set(_DANGEROUS_OPTIONS.findall(before))
    for option in dict.fromkeys(_DANGEROUS_OPTIONS.findall(after)):
        if option not in old:
            yield f"{shown(path)}: the option {option} keeps tests from running"


def _forging(source: PythonSource) -> Iterator[str]:
    if source.after is None:
        return
    new = source.new_functions()
    for name, item in functions_of(source.after).items():
        if name in new and item.name.startswith("pytest_"):
            yield from _hook(item)
    yield from _replaced(source.after)
    if source.path.rpartition("/")[2] in MACHINERY:
        yield from _ignored(source.after)


def _hook(item: Function) -> Iterator[str]:
    nodes = [inner for statement in item.body for inner in ast.walk(statement)]
    stored = {
        last_name(node) for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    stored |= {_set_attribute(node) for node in nodes if isinstance(node, ast.Call)}
    called = {last_name(node) for node in nodes if isinstance(node, ast.Call)}
    if found := sorted((stored & _OUTCOMES) | (called & _FORCES)):
        yield f"the hook {item.name} sets {found[0]}"
    elif item.name in _REPORTS and not _returns_what_it_got(item):
        yield f"the hook {item.name} returns an outcome of its own"
    elif item.name in _CALLS and _answers_without_running(nodes):
        yield f"the hook {item.name} answers in place of the test"
    elif item.name in {"pytest_collection_modifyitems", "pytest_itemcollected", "pytest_ignore_collect"}:
        yield from _dropping(item, nodes, called)


def _set_attribute(call: ast.Call) -> str:
    if last_name(call) != "setattr" or len(call.args) < 3:  # noqa: PLR2004  # object, name, value
        return ""
    name = call.args[1]
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""


def _returns_what_it_got(item: Function) -> bool:
    """Tell whether a hook wrapper hands on the report that it was given: ``report = yield; return report``."""
    given = {
        target.id
        for node in ast.walk(item)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Yield)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    returned = [node.value for node in ast.walk(item) if isinstance(node, ast.Return) and node.value]
    if item.name == "pytest_report_teststatus":  # ("passed", ".", "PASSED") only changes what is printed
        return True
    return all(
        (isinstance(value, ast.Name) and value.id in given) or isinstance(value, ast.Yield) for value in returned
    )


def _answers_without_running(nodes: list[ast.AST]) -> bool:
    returns = any(
        isinstance(node, ast.Return) and isinstance(node.value, ast.Constant) and node.value.value
        for node in nodes
    )
    runs = any(
        (isinstance(node, ast.Attribute) and node.attr in {"obj", "function", "runtest", "funcargs"})
        or isinstance(node, ast.Yield)
        or last_name(node) in {"runtestprotocol", "call_and_report", "pytest_runtest_protocol"}
        for node in nodes
    )
    swallows = any(
        isinstance(node, ast.ExceptHandler)
        and (node.type is None or last_name(node.type) in {"AssertionError", "Exception", "BaseException"})
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        for node in nodes
    )
    return (returns and not runs) or swallows


def _dropping(item: Function, nodes: list[ast.AST], called: set[str]) -> Iterator[str]:
    asks = any(
        (isinstance(node, ast.Attribute) and node.attr in _ASKS)
        or (isinstance(node, ast.Name) and node.id in _ASKS)
        for node in nodes
    )
    if asks:
        return
    if item.name == "pytest_ignore_collect":
        if any(isinstance(node, ast.Return) and ast.unparse(node) == "return True" for node in nodes):
            yield f"the hook {item.name} hides files"
        return
    assigned = [
        node.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
        if last_name(node.targets[0].value) == "items"
    ]
    marks = {last_name(node) for node in nodes}
    drops = called & _DROPS or any(last_name(value) not in {"sorted", "reversed"} for value in assigned)
    if drops or any(isinstance(node, ast.Delete) for node in nodes):
        yield f"the hook {item.name} drops tests"
    elif marks & {"skip", "xfail"} and not any(isinstance(node, ast.If) for node in nodes):
        yield f"the hook {item.name} skips every test"


def _replaced(tree: ast.Module) -> Iterator[str]:
    """Yield what is put in the place of parts of pytest and unittest, whatever name they were imported by."""
    full = _imported_names(tree)
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            name = _full_name(target, full)
            if "." in name and name.startswith(_ROOTS) and not name.startswith("pytest.mark"):
                yield f"{name} is replaced in line {target.lineno}"
        if isinstance(node, ast.Call) and dotted(node.func) == "setattr" and len(node.args) > 2:  # noqa: PLR2004
            name = _full_name(node.args[0], full)
            if f"{name}.".startswith(_ROOTS):
                yield f"a part of {name} is replaced in line {node.lineno}"


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for: ``r`` for ``_pytest.runner``."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({one.asname: one.name for one in node.names if one.asname})
        elif isinstance(node, ast.ImportFrom) and node.module and node.module != "unittest":
            found.update({one.asname or one.name: f"{node.module}.{one.name}" for one in node.names})
    return {name: full for name, full in found.items() if full.partition(".")[0] in _REPLACEABLE}


def _full_name(node: ast.AST, imported: Mapping[str, str]) -> str:
    first, dot, rest = dotted(node).partition(".")
    return f"{imported.get(first, first)}{dot}{rest}"


def _ignored(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and last_name(statement.targets[0]).startswith("collect_ignore"):
            texts = [one.value for one in ast.walk(statement.value) if isinstance(one, ast.Constant)]
            for text in texts:
                if isinstance(text, str) and re.search(r"(?:^|/)(?:test_|\*|tests?/?$)|_test\.py$", text):
                    yield f"collect_ignore hides {text[:60]!r}"
