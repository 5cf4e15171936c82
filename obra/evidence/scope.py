"""Files that were there before and that the task is not about: which were changed, and which deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from obra.domain import ChangeKind, CheckResult, FileChange
from obra.evidence.findings import Work, objection, remark
from obra.evidence.paths import shown
from obra.evidence.python_source import (
    PythonSource,
    classes_of,
    functions_of,
    is_beside_tests,
    module_names,
    modules_imported,
    texts_in,
)
from obra.evidence.task_words import allows_file_removal, names, names_path

DELETED = "files that were there stay"
CHANGED = "changes keep to the task"
_LITTER = frozenset(
    {".pyc", ".pyo", ".log", ".tmp", ".bak", ".swp", ".orig", ".rej", ".lock", ".cache", ".coverage"}
)
_BESIDE = frozenset(
    {
        "readme",
        "changelog",
        "changes",
        "history",
        "license",
        "authors",
        "contributing",
        "requirements",
        "pyproject",
    }
    | {"setup", "manifest", "tox", "pytest", "makefile", "dockerfile", "package", "conftest", "__init__", "todo"}
)
"""Files that go along with many a change: what a project says of itself and of how it is built."""
_EXISTED = frozenset({ChangeKind.MODIFIED, ChangeKind.TYPE_CHANGED, ChangeKind.RENAMED, ChangeKind.DELETED})


def look(work: Work) -> Iterator[CheckResult]:
    """Yield an objection for deleted files, a remark for changed ones, as far as nothing speaks of them."""
    if not any(change.kind in _EXISTED for change in work.changes):
        return
    spoken = " ".join([work.task_text, *(repr(check.model_dump(exclude_defaults=True)) for check in work.checks)])
    deleted = [change.path for change in work.changes if _is_loss(change, work, spoken)]
    if deleted:
        tell = remark if allows_file_removal(work.task_text) else objection
        yield tell(
            DELETED, "no file to be deleted that the task does not name", map(_is_gone, deleted), kind="scope"
        )
    changed = [change.path for change in work.changes if _is_astray(change, work, spoken)]
    if changed and len(changed) < len(work.changes):  # where the task names nothing, nothing is beside it
        seen = [f"{shown(path)} was changed" for path in changed]
        yield remark(CHANGED, "only files to be changed that have to do with the task", seen, kind="scope")


def _is_gone(path: str) -> str:
    return f"{shown(path)} is gone"


def _is_loss(change: FileChange, work: Work, spoken: str) -> bool:
    pure = PurePosixPath(change.path)
    if change.kind is not ChangeKind.DELETED or names_path(spoken, change.path):
        return False
    if pure.suffix in _LITTER or pure.name.startswith(".") or "__pycache__" in pure.parts:
        return False
    source = next((one for one in work.sources if one.path == change.path), None)
    if source and is_beside_tests(change.path):
        return False  # what tests say is compared test by test
    return not (source and _moved(source, work))


def _moved(source: PythonSource, work: Work) -> bool:
    """Tell whether all that a deleted file defined is now defined in another file of the change."""
    defined = {name for name in (*functions_of(source.before), *classes_of(source.before)) if "." not in name}
    now = {
        name.rpartition(".")[2]
        for other in work.sources
        if other.after
        for name in (*functions_of(other.after), *classes_of(other.after))
    }
    return (bool(defined) and defined <= now) or (source.before is not None and not source.before.body)


def _is_astray(change: FileChange, work: Work, spoken: str) -> bool:
    stem = PurePosixPath(change.path).stem.lower()
    if change.kind not in _EXISTED - {ChangeKind.DELETED} or stem in _BESIDE:
        return False
    if (
        is_beside_tests(change.path)
        or names_path(spoken, change.path)
        or names_path(spoken, change.old_path or "-")
    ):
        return False
    return not _belongs(change, work, spoken)


def _belongs(change: FileChange, work: Work, spoken: str) -> bool:
    """Tell whether a changed file has to do with others of the change, or with names that the task names."""
    file, own = change.path.rpartition("/")[2], module_names(change.path)
    for other in work.sources:
        if other.path != change.path and (modules_imported(other.after) & own or _mentions(other, file)):
            return True
    source = next((one for one in work.sources if one.path == change.path), None)
    if source is None:
        return False
    others = {name for other in work.sources if other is not source for name in module_names(other.path)}
    if modules_imported(source.after) & others:
        return True
    defined = {name.rpartition(".")[2] for name in (*functions_of(source.after), *classes_of(source.after))}
    defined |= {name.rpartition(".")[2] for name in functions_of(source.before)}
    return any(names(spoken, name) for name in defined)


def _mentions(source: PythonSource, file: str) -> bool:
    return source.after is not None and any(file in text for text in texts_in(source.after))
