"""PythonSource: one changed Python file, as it was when the task began and as it is now."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from obra.domain import Record
from obra.evidence.python_check import Definition, Function

MACHINERY = frozenset({"conftest.py", "sitecustomize.py", "usercustomize.py"})
"""Python files that pytest or Python itself runs before any test."""
_TEST_FOLDERS = frozenset({"test", "tests", "testing"})
_HARMLESS = (None, True, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSource(Record):
    """Syntax trees of one file; ``None`` where there was or is no file, or none that parses."""

    path: str
    text: str = ""
    """What stands in the file now."""
    before: ast.Module | None = None
    after: ast.Module | None = None

    @property
    def is_test(self) -> bool:
        """Whether pytest would look for tests in it."""
        return is_test_path(self.path)

    @property
    def is_product(self) -> bool:
        """Whether it is neither a test nor what stands beside tests."""
        return not is_beside_tests(self.path)

    def new_functions(self) -> dict[str, Function]:
        """Return the functions and methods that were added or whose body or signature differs, by full name."""
        old = {name: _shape(item) for name, item in functions_of(self.before).items()}
        return {name: item for name, item in functions_of(self.after).items() if old.get(name) != _shape(item)}

    def stood(self, node: ast.AST) -> bool:
        """Tell whether such a node stood in the file before, wherever that was.

        Raises:
            RecursionError: the node, or a part of the old file, is nested too deep.
        """
        return self.before is not None and ast.dump(node) in _dumps(self.before, type(node).__name__)

    def added_functions(self) -> dict[str, Function]:
        """Return the functions and methods whose full name was not there before."""
        old = functions_of(self.before)
        return {name: item for name, item in functions_of(self.after).items() if name not in old}


@lru_cache(maxsize=8)
def _dumps(tree: ast.Module, kind: str) -> frozenset[str]:
    """Return all nodes of one kind as texts; kept, since a hostile file may have thousands to compare."""
    return frozenset(ast.dump(node) for node in ast.walk(tree) if type(node).__name__ == kind)


def is_too_deep(tree: ast.Module | None) -> bool:
    """Tell whether a tree that the parser made is nested deeper than Python code can walk through."""
    if tree is None:
        return False
    try:
        ast.dump(tree)
    except RecursionError:
        return True
    return False


def decoded(data: bytes) -> str:
    """Return the text of a Python file that parses, in the encoding that it declares."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding, errors="replace")


def is_test_path(path: str) -> bool:
    """Tell whether pytest would look for tests in the file *path*, as it does without settings."""
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py") or name == "tests.py")


def is_beside_tests(path: str) -> bool:
    """Tell whether *path* is a test, test machinery, or lies in a folder of tests."""
    pure = PurePosixPath(path)
    return is_test_path(path) or pure.name in MACHINERY or not _TEST_FOLDERS.isdisjoint(pure.parts[:-1])


def functions_of(tree: ast.Module | None) -> dict[str, Function]:
    """Return functions and methods by full name (``Class.method``); those within functions are part of them."""
    return {name: item for name, item, _ in _found(tree.body if tree else (), ()) if isinstance(item, Function)}


def classes_around(tree: ast.Module | None) -> dict[str, tuple[ast.ClassDef, ...]]:
    """Return for each function of :func:`functions_of` the classes that it stands in, the outermost first."""
    return {
        name: around for name, item, around in _found(tree.body if tree else (), ()) if isinstance(item, Function)
    }


def classes_of(tree: ast.Module | None) -> dict[str, ast.ClassDef]:
    """Return the classes by full name."""
    found = _found(tree.body if tree else (), ())
    return {name: item for name, item, _ in found if isinstance(item, ast.ClassDef)}


def _found(
    body: Iterable[ast.stmt], around: tuple[ast.ClassDef, ...]
) -> Iterator[tuple[str, Definition, tuple[ast.ClassDef, ...]]]:
    for item in body:
        if isinstance(item, Definition):
            yield ".".join([*(one.name for one in around), item.name]), item, around
            if isinstance(item, ast.ClassDef):
                yield from _found(item.body, (*around, item))
        else:
            yield from _found(_blocks(item), around)


def _blocks(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements below if, for, while, try and with."""
    for field in ("body", "handlers", "orelse", "finalbody"):
        for inner in getattr(statement, field, ()):
            if isinstance(inner, ast.ExceptHandler):
                yield from inner.body
            else:
                yield inner


def body_of(item: Function | ast.ClassDef) -> list[ast.stmt]:
    """Return the statements of *item* without its docstring."""
    return item.body[1:] if ast.get_docstring(item, clean=False) is not None else item.body


def _shape(item: Function) -> str:
    """Return what makes two functions the same: all but places, and the docstring."""
    parts: list[ast.AST] = [*item.decorator_list, item.args, *body_of(item)]
    return f"{type(item).__name__} {[ast.dump(part) for part in parts]}"


def dotted(node: ast.AST | None) -> str:
    """Return ``a.b.c`` for a name or a chain of attributes that begins with one, else nothing."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def last_name(node: ast.AST | None) -> str:
    """Return the name after the last dot of a name, an attribute or what is called; else nothing."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def texts_in(tree: ast.AST) -> Iterator[str]:
    """Yield every text constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def modules_imported(tree: ast.AST | None) -> frozenset[str]:
    """Return the dotted names that a file imports; of ``from a import b`` both ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found.add(module)
            found.update(f"{module}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Call) and last_name(node) in {"import_module", "__import__", "importorskip"}:
            found.update(texts_in(node))
    return frozenset(found - {""})


def module_names(path: str) -> frozenset[str]:
    """Return the dotted names that *path* can be imported by, from any folder above it."""
    parts = [*PurePosixPath(path).parts[:-1], PurePosixPath(path).stem]
    if parts[-1] in {"__init__", "__main__"} and len(parts) > 1:
        parts.pop()
    return frozenset(".".join(parts[start:]) for start in range(len(parts)))


def literal(node: ast.AST | None, names: Mapping[str, object] | None = None) -> object:
    """Return the value of a constant expression, names looked up in *names*.

    Raises:
        ValueError: it is no constant.
    """
    if isinstance(node, ast.Name) and names and node.id in names:
        return names[node.id]
    if node is None:
        raise ValueError("nothing is no constant")
    try:
        value: object = ast.literal_eval(node)
    except (TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("no constant") from error
    return value


def is_plain(value: object) -> bool:
    """Tell whether a constant is one that any program is full of: none, true, false, -1, 0, 1, or empty."""
    return any(value is one for one in _HARMLESS) or (
        isinstance(value, int | float | str | tuple | list | dict | set | bytes)
        and (not value or value in (1, -1))
    )
