"""Findings that nobody needs to write down: which are looked for, in which order."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from obra.domain import ChangeKind, CheckResult, FileChange
from obra.evidence import changed_commands, hidden_code, machinery_of_tests, scope, taken_names
from obra.evidence.checks import Check
from obra.evidence.findings import Work, objection, remark
from obra.evidence.foreign import is_foreign
from obra.evidence.machinery_of_tests import SETTINGS, forging_options
from obra.evidence.paths import Unusable, read_file, shown, text_of
from obra.evidence.python_check import PYTHON_BYTES, parse
from obra.evidence.python_source import PythonSource, decoded, is_beside_tests, is_too_deep
from obra.evidence.scene import Scene

_Look = Callable[[Work], Iterator[CheckResult]]
_TOO_DEEP = "code that can be looked at"


def findings(
    scene: Scene,
    checks: Sequence[Check],
    results: Sequence[CheckResult],
    task_text: str,
    *,
    mutants: int,
    seconds: float,
) -> Iterator[CheckResult]:
    """Yield what speaks against the work, and whether its tests can notice a mistake.

    Args:
        scene: the workspace, with what stood there before.
        checks: the checks that somebody wrote down.
        results: what all other checks saw; broken copies are only tried where every required one passes.
        task_text: what was asked, in words.
        mutants: how many single mistakes to try at most.
        seconds: time for all of them.
    """
    if not scene.changes:
        return
    work = work_of(scene, checks, task_text)
    clean = all(result.passed for result in results if result.required)
    for result in [*_settings(work, scene), *_looked(work, scene)]:
        clean = clean and (result.passed or not result.required)
        yield result
    suites = [result for result in results if result.kind == "pytest" and result.required]
    if not (clean and suites):
        return
    from obra.evidence import dropped_tests, strength_of_tests

    for result in dropped_tests.look(work, scene):
        clean = False
        yield result
    if clean:
        took = sum(result.seconds for result in suites)
        yield from strength_of_tests.look(work, scene, took=took, count=mutants, seconds=seconds)


def looks_at(work: Work, scene: Scene) -> tuple[_Look, ...]:
    """Return what looks at *work*, in order; what is named with *scene* looks at the files of the workspace, too.

    Those that look at nothing but changed Python files are not even loaded where there are none: they take a MiB.
    """
    commands = partial(changed_commands.look, scene=scene)
    hidden = partial(hidden_code.look, scene=scene)
    if not work.sources:
        return commands, hidden, taken_names.look, scope.look
    from obra.evidence import answers_in_data, empty_tests, special_cases, stubs, undefined_names, weakened_tests

    return (
        commands,
        hidden,
        partial(answers_in_data.look, scene=scene),
        undefined_names.look,
        weakened_tests.look,
        empty_tests.look,
        machinery_of_tests.look,
        taken_names.look,
        special_cases.look,
        stubs.look,
        scope.look,
    )


def work_of(scene: Scene, checks: Sequence[Check], task_text: str) -> Work:
    """Read the changed Python files, as they were and as they are."""
    changes = [change for change in scene.changes if not is_foreign(scene.root, change.path)]
    sources = tuple(source for change in changes for source in _sources(scene, change))
    work = Work(task_text=task_text, sources=sources, changes=tuple(changes), checks=tuple(checks))
    return replace(work, standing_tests=tuple(_standing_tests(work, scene))) if work.products else work


def _sources(scene: Scene, change: FileChange) -> Iterator[PythonSource]:
    """Yield what a change means for Python; a test that is no test any more is one that is gone."""
    if change.kind is ChangeKind.MODE_CHANGED:
        return
    old = change.old_path or change.path
    if is_beside_tests(old) and not is_beside_tests(change.path):
        yield PythonSource(path=old, before=_parsed(scene.before(old), old))
        change = replace(change, kind=ChangeKind.CREATED, old_path="")
    if change.path.endswith(".py"):
        yield _source(scene, change)


def _standing_tests(work: Work, scene: Scene) -> Iterator[ast.Module]:
    from obra.evidence.strength_of_tests import files_of_tests

    changed = {source.path for source in work.sources}
    places = [path for suite in work.suites for path in suite.pytest.paths]
    for path in dict.fromkeys(files_of_tests(scene.root, places)):
        if path not in changed:
            try:
                yield parse(read_file(scene.root, path, PYTHON_BYTES), path)
            except Unusable:
                continue  # tests that do not parse expect nothing


def _source(scene: Scene, change: FileChange) -> PythonSource:
    old = None if change.kind is ChangeKind.CREATED else scene.before(change.old_path or change.path)
    after, text = None, ""
    if change.kind is not ChangeKind.DELETED:
        try:
            data = read_file(scene.root, change.path, PYTHON_BYTES)
            after = parse(data, change.path)
            text = decoded(data)
        except Unusable:
            after = None  # the finding "python syntax" says it
    return PythonSource(path=change.path, text=text, before=_parsed(old, change.path), after=after)


def _parsed(data: bytes | None, path: str) -> ast.Module | None:
    if data is None or len(data) > PYTHON_BYTES:
        return None
    try:
        return parse(data, path)
    except Unusable:
        return None


def _looked(work: Work, scene: Scene) -> Iterator[CheckResult]:
    for look in looks_at(work, scene):
        started = time.perf_counter()
        try:
            found = list(look(work))
        except RecursionError:
            found = [_too_deep(work)]
        for result in found:
            yield replace(result, seconds=(time.perf_counter() - started) / len(found))


def _too_deep(work: Work) -> CheckResult:
    """Object to code that parses and is too deep to be looked at, unless it stood there before."""
    expected = "code that is not nested too deep to be looked at"
    new = [one.path for one in work.sources if is_too_deep(one.after) and not is_too_deep(one.before)]
    if new:
        return objection(_TOO_DEEP, expected, [f"{shown(path)} is" for path in new])
    return remark(_TOO_DEEP, expected, ["it is, as it was before"])


def _settings(work: Work, scene: Scene) -> Iterator[CheckResult]:
    """Look at changed settings of pytest, which need not be Python."""
    seen: list[str] = []
    for change in work.changes:
        if change.path.rpartition("/")[2] not in SETTINGS or change.kind is ChangeKind.DELETED:
            continue
        before = b"" if change.kind is ChangeKind.CREATED else scene.before(change.old_path or change.path)
        try:
            after = read_file(scene.root, change.path)
        except Unusable:
            continue
        seen += forging_options(change.path, text_of(before), text_of(after))
    if seen:
        name, expected = machinery_of_tests.NAME, "settings of pytest under which all tests run"
        yield objection(name, expected, seen, kind="tests")
