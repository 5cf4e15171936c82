"""Data files of the change that hold the very answers that tests expect, read by the code under test."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from obra.domain import ChangeKind, CheckResult
from obra.evidence.expectations import Expectation, expectations
from obra.evidence.findings import Work, objection
from obra.evidence.paths import Unusable, read_file, shown
from obra.evidence.python_source import PythonSource, is_beside_tests, is_plain, modules_imported, texts_in
from obra.evidence.scene import Scene
from obra.evidence.task_words import names_path

NAME = "no data holds the answers"
_LARGEST = 200_000
"""Bytes: a table of answers to a few tests is small; a larger file is data."""
_FEWEST = 2
_SPARE = 2
"""A table may have as many rows again as answers that are tested, and still be made for them."""
_WORD = re.compile(r"-?\d+(?:\.\d+)?|\w+")


def look(work: Work, scene: Scene) -> Iterator[CheckResult]:
    """Yield an objection for tables of what tests ask for and little else, unless the task names the file."""
    fresh = [change for change in work.changes if change.kind in {ChangeKind.CREATED, ChangeKind.MODIFIED}]
    if not work.products or not fresh:
        return
    tested = [one for one in expectations(work) if _is_telling(one)]
    if len(tested) < _FEWEST:
        return
    seen = []
    for change in fresh:
        if is_beside_tests(change.path) or names_path(work.task_text, change.path):
            continue
        if _is_read(change.path, work) and _knows(_records(scene, change.path, work), tested):
            seen.append(f"{shown(change.path)} holds what tests expect")
    if seen:
        yield objection(NAME, "code that works its answers out", seen)


def _is_telling(one: Expectation) -> bool:
    values = [*one.arguments, *one.keywords.values()]
    return bool(values) and not (is_plain(one.result) or isinstance(one.result, bool))


def _is_read(path: str, work: Work) -> bool:
    """Tell whether the code under test names the file, or imports it, and no test does."""
    pure = PurePosixPath(path)

    def reads(source: PythonSource) -> bool:
        if pure.suffix == ".py":
            return pure.stem in {name.rpartition(".")[2] for name in modules_imported(source.after)}
        return source.after is not None and any(
            pure.name in text or text in {pure.suffix, f"*{pure.suffix}"} for text in texts_in(source.after)
        )

    others = [source for source in work.products if source.path != path]
    return any(map(reads, others)) and not any(map(reads, work.tests))


def _knows(records: Sequence[frozenset[str]], tested: Sequence[Expectation]) -> bool:
    """Tell whether the records hold most of what is tested of some function, and not much more than that."""
    for name in {one.function for one in tested}:
        about = [one for one in tested if one.function == name]
        known = [one for one in about if any(_words(one) <= record for record in records)]
        if (
            len(known) >= _FEWEST
            and 2 * len(known) >= len(about)
            and len(records) <= _SPARE * len(tested) + _SPARE
        ):
            return True
    return False


def _words(one: Expectation) -> frozenset[str]:
    values = [*one.arguments, *one.keywords.values(), one.result]
    return frozenset(word for value in values for word in _WORD.findall(str(value)))


def _records(scene: Scene, path: str, work: Work) -> list[frozenset[str]]:
    """Return the words of each row of a data file: of each value with its keys, or of each line."""
    source = next((one for one in work.sources if one.path == path), None)
    if source is not None:
        nodes = source.after.body if source.after else []
        values = [node.value for node in nodes if isinstance(node, ast.Assign | ast.AnnAssign) and node.value]
        return [frozenset(_WORD.findall(" ".join(row))) for value in values for row in _of_source(value)]
    try:
        text = read_file(scene.root, path, _LARGEST).decode("utf-8")
    except (Unusable, UnicodeDecodeError):
        return []
    try:
        rows = [" ".join(row) for row in _of_data(json.loads(text), ())]
    except (ValueError, RecursionError):  # no JSON: its lines are its rows
        rows = text.splitlines()
    return [frozenset(_WORD.findall(row)) for row in rows if row.strip()]


def _of_source(value: ast.expr) -> Iterator[tuple[str, ...]]:
    try:
        yield from _of_data(ast.literal_eval(value), ())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # no constant, so no table
        return


def _of_data(value: object, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and any(isinstance(one, dict | list | tuple) for one in value.values()):
        for key, one in value.items():
            yield from _of_data(one, (*above, str(key)))
    elif isinstance(value, dict) and not _is_record(value):
        yield from ((*above, str(key), str(one)) for key, one in value.items())
    elif isinstance(value, list) and any(isinstance(one, dict | list | tuple) for one in value):
        for one in value:
            yield from _of_data(one, above)
    elif isinstance(value, dict):
        yield (*above, *map(str, value.values()))
    elif isinstance(value, list | tuple):
        yield (*above, *map(str, value))
    else:
        yield (*above, str(value))


def _is_record(value: dict[object, object]) -> bool:
    """Tell whether a mapping's keys are names of fields, such as a, b and result, and not what is looked up."""
    return all(isinstance(key, str) and key.isidentifier() for key in value)
