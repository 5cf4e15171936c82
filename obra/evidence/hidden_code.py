"""Work that cannot be looked at: links that lead out, compiled files, code in folders that nobody reads."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator

from obra.domain import ChangeKind, CheckResult
from obra.evidence.findings import Work, objection
from obra.evidence.foreign import ENVIRONMENTS, PACKAGES
from obra.evidence.paths import is_within, shown
from obra.evidence.python_source import PythonSource, dotted, last_name, texts_in
from obra.evidence.scene import Scene

NAME = "the work can be looked at"
_UNREAD = frozenset({".git", "node_modules", "__pycache__", ".pytest_cache", PACKAGES, *ENVIRONMENTS})
_PATHS = frozenset({"sys.path.insert", "sys.path.append", "sys.path.extend", "site.addsitedir"})
_LOADS = frozenset({"exec", "run_path", "spec_from_file_location", "SourceFileLoader", "SourcelessFileLoader"})
_COMPILED = re.compile(r"\.pyc\b|\bcompil|\bbytecode\b", re.IGNORECASE)


def look(work: Work, scene: Scene) -> Iterator[CheckResult]:
    """Yield an objection when a part of the work lies where no difference shows it."""
    seen = [*_links(work, scene), *_compiled(work)]
    seen += [f"{shown(source.path)} {what}" for source in work.sources for what in _loads(source)]
    if seen:
        yield objection(NAME, "all of the work to stand in the workspace, as text", seen)


def _links(work: Work, scene: Scene) -> Iterator[str]:
    """Find links that lead out of the workspace: what they lead to can be another thing tomorrow."""
    for change in work.changes:
        path = scene.root / change.path
        if change.kind is ChangeKind.DELETED or not path.is_symlink():
            continue
        if not is_within(os.path.realpath(path), os.path.realpath(scene.root)):
            yield f"{shown(change.path)} is a link that leads out of the workspace"


def _compiled(work: Work) -> Iterator[str]:
    if _COMPILED.search(work.task_text):
        return
    for change in work.changes:
        if change.path.endswith((".pyc", ".pyo")) and change.kind is not ChangeKind.DELETED:
            yield f"{shown(change.path)} is compiled Python"


def _loads(source: PythonSource) -> Iterator[str]:
    for node in ast.walk(source.after) if source.after else ():
        if not isinstance(node, ast.Call) or not (dotted(node.func) in _PATHS or last_name(node) in _LOADS):
            continue
        places = {part for text in texts_in(node) for part in text.split("/")} & _UNREAD
        if places and not source.stood(node):
            yield f"takes code from {min(places)} in line {node.lineno}"
