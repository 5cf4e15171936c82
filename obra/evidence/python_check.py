"""The check that reads Python source: it is parsed, never imported or run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from obra.evidence.checks import Check, Finding, Model, ShortForm, failed, passed
from obra.evidence.paths import RelativePath, Unusable, listed, read_file, shown
from obra.evidence.scene import Scene

PYTHON_BYTES = 4 * 1024 * 1024
"""Largest source file that is parsed; a syntax tree takes some hundred times the memory of its text."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def _identifier(text: str) -> str:
    if not text.isidentifier():
        raise ValueError("not a name that a Python file can define at its top level")
    return text


Names = tuple[Annotated[str, Field(strict=True), AfterValidator(_identifier)], ...]


class PythonSpec(Model):
    """A Python file and what it must define at its top level."""

    file: RelativePath
    """Path of the file, relative to the workspace."""
    functions: Names = ()
    """Functions it must define; one that does nothing (pass, ..., NotImplementedError) does not count."""
    classes: Names = ()
    """Classes it must define."""
    docstrings: bool = Field(default=False, strict=True)
    """Whether the named functions and classes (when none is named: all public ones) need a docstring."""


class PythonCheck(Check):
    """A Python file parses and defines certain names."""

    kind: ClassVar[str] = "python"

    python: Annotated[PythonSpec, ShortForm("file")]
    """Path, or mapping with file, functions, classes, docstrings."""

    def describe(self) -> str:
        """Say what the file must define."""
        sentence = f"{shown(self.python.file)} is valid Python"
        if wishes := self._wishes():
            sentence += f" and defines {wishes} at its top level"
        if self.python.docstrings:
            sentence += (
                ", each with a docstring" if wishes else "; all public functions and classes have docstrings"
            )
        return sentence

    def _wishes(self) -> str:
        groups = (("function", "functions", self.python.functions), ("class", "classes", self.python.classes))
        return " and ".join(
            f"the {one if len(names) == 1 else many} {listed(names)}" for one, many, names in groups if names
        )

    def look(self, scene: Scene) -> Finding:
        """Parse the file and look for the names."""
        path = shown(self.python.file)
        try:
            tree = parse(read_file(scene.root, self.python.file, PYTHON_BYTES), self.python.file)
        except Unusable as reason:
            return failed(f"expected valid Python in {path}; {path} {reason}")
        problems = list(self._problems(tree))
        if problems:
            return failed(f"expected that {self.describe()}; {'; '.join(problems)}")
        return passed(self.describe())

    def _problems(self, tree: ast.Module) -> Iterator[str]:
        """Yield what is missing in *tree*, one clause for each name."""
        defined = {item.name: item for item in _definitions(tree.body)}  # of two, the later one is in force
        asked: list[Definition] = []
        for name in self.python.functions:
            item = defined.get(name)
            if not isinstance(item, Function):
                yield f"the function {name} is not defined at the top level"
            elif _is_stub(item):
                yield f"the function {name} is a stub"
            else:
                asked.append(item)
        for name in self.python.classes:
            item = defined.get(name)
            if isinstance(item, ast.ClassDef):
                asked.append(item)
            else:
                yield f"the class {name} is not defined at the top level"
        if self.python.docstrings:
            yield from self._undocumented(asked, defined)

    def _undocumented(self, asked: Sequence[Definition], defined: dict[str, Definition]) -> Iterator[str]:
        if not self._wishes():
            asked = [item for name, item in defined.items() if not name.startswith("_")]
            if not asked:
                yield "it has no public function or class at all"
        for item in asked:
            if not (ast.get_docstring(item) or "").strip():
                kind = "class" if isinstance(item, ast.ClassDef) else "function"
                yield f"the {kind} {item.name} has no docstring"


def syntax_problem(root: Path, path: str) -> str:
    """Return why *path* is not a readable file of valid Python, as the end of a sentence; or nothing."""
    try:
        parse(read_file(root, path, PYTHON_BYTES), path)
    except Unusable as reason:
        return str(reason)
    return ""


@lru_cache(maxsize=32)
def parse(source: bytes, path: str) -> ast.Module:
    """Return the syntax tree of *source*, in the encoding that it declares; nobody changes it, it is shared.

    Raises:
        Unusable: it is not valid Python; the text names the line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape sequence is for a linter
            tree = ast.parse(source, filename=path)
            compile(tree, path, "exec", dont_inherit=True)  # also finds 'return' outside of a function
    except SyntaxError as error:
        where = f" in line {error.lineno}" if error.lineno else ""
        raise Unusable(f"is not valid Python: {error.msg}{where}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unusable(f"is not valid Python: {str(error) or 'it is nested too deeply'}") from error
    return tree


def _definitions(body: Sequence[ast.stmt]) -> Iterator[Definition]:
    """Yield functions and classes of a module, in order, also below if, try and with, never below another def."""
    for item in body:
        if isinstance(item, Definition):
            yield item
        elif isinstance(item, ast.If):
            dead = isinstance(item.test, ast.Constant) and not item.test.value
            yield from _definitions(item.orelse if dead else [*item.body, *item.orelse])
        elif isinstance(item, ast.Try):
            handlers = [inner for handler in item.handlers for inner in handler.body]
            yield from _definitions([*handlers, *item.body, *item.orelse, *item.finalbody])
        elif isinstance(item, ast.With):
            yield from _definitions(item.body)


def _is_stub(item: Function) -> bool:
    return all(_does_nothing(statement) for statement in item.body)


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise):
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_constant or isinstance(statement, ast.Pass)
