"""Whether tests notice a broken implementation: they are run again in copies in which it is broken.

A test that cannot fail proves nothing, however it was made so: by its words, by a ``conftest.py`` that forges
outcomes, or because it never calls the code. All of these pass with the implementation broken.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from obra.domain import CheckResult, Record
from obra.evidence.assertions import shapes_of_tests
from obra.evidence.broken_copies import Damage, Mutant, broken, mutants
from obra.evidence.findings import Work, objection, remark
from obra.evidence.machinery_of_tests import is_touched
from obra.evidence.paths import Unusable, read_file, shown
from obra.evidence.python_check import PYTHON_BYTES, Function, parse
from obra.evidence.python_source import (
    body_of,
    decoded,
    functions_of,
    is_beside_tests,
    is_test_path,
    module_names,
    modules_imported,
    texts_in,
)
from obra.evidence.repeated_runs import Ended, Order, repeat
from obra.evidence.scene import Scene

NAME = "the tests notice a broken implementation"
MUTANTS = "the tests notice small mistakes"
BEHAVIOUR = "the tests look at what the code does"
_LEAST, _SLOWER = 10.0, 4.0
"""A broken copy gets four times as long as the whole one took, and ten seconds at least."""
_NAMED = 4
_MOST_FILES = 100
_READS = re.compile(r"getsource|read_text|read_bytes|\bopen\(|__file__|linecache|getsize|stat\(")
"""What tests of a file's text use; only then are they run on the same code, written differently."""
_PATH = re.compile(r"[\w./-]+")
_QUICK = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:obra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Record):
    """One file of the implementation, and the functions that are to be broken."""

    path: str
    text: str
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Record):
    """Tests that pass, and the implementation that they should be about."""

    tests: tuple[str, ...]
    targets: tuple[Target, ...]
    limit: float
    own: bool
    """Whether the tests are a part of the change."""

    def damaged(self, damage: Damage) -> dict[str, str]:
        """Return all targets broken at once."""
        return {target.path: broken(target.text, target.functions, damage) for target in self.targets}

    def rewritten(self) -> dict[str, str]:
        """Return all targets written differently; they mean the same."""
        return {target.path: f"# the same\n{ast.unparse(ast.parse(target.text))}\n" for target in self.targets}


def look(work: Work, scene: Scene, *, took: float, count: int, seconds: float) -> Iterator[CheckResult]:
    """Break the implementation and run the tests again; only for tests that pass as it is.

    Args:
        work: what changed.
        scene: where the tests are.
        took: seconds of the run in which they passed.
        count: how many single mistakes to try at most.
        seconds: time for all single mistakes.
    """
    trial = _trial(work, scene, min(scene.timeout, max(_LEAST, _SLOWER * took)))
    if trial is None:
        return
    started = time.perf_counter()
    mistakes = list(islice(_all_mutants(trial), count if trial.own else 0))
    same = [trial.rewritten()] if trial.own and _read_files(work) else []
    ends = repeat(_order(trial, [*same, *({path: mutant.text} for path, mutant in mistakes)], seconds), scene)
    took = (time.perf_counter() - started) / max(len(ends), 1)
    noticed = ends[:1] != [Ended.PASSED]
    unnoticed = [] if noticed else [Damage.WRONG, *([Damage.RAISES] if ends[1:] == [Ended.PASSED] else [])]
    found = _judged(work, trial, unnoticed) if ends else None
    if found is not None:
        yield dataclasses.replace(found, seconds=took)
    if noticed and same and len(ends) > 1 and ends.pop(1) is Ended.FAILED:
        seen = ["they fail when the same code is only written differently: they compare its text"]
        tell = objection if work.wants_tests else remark
        yield tell(BEHAVIOUR, "tests that pass for any code that does the same", seen, kind="tests")
    if noticed and len(ends) > 1:
        yield dataclasses.replace(_share(mistakes, ends[1:]), seconds=took * (len(ends) - 1))


def _read_files(work: Work) -> bool:
    return any(_READS.search(source.text) for source in work.tests)


def _order(trial: Trial, mistakes: Sequence[Mapping[str, str]], seconds: float) -> Order:
    return Order(
        options=(*_QUICK, *(f"./{path}" for path in trial.tests)),
        first=trial.damaged(Damage.WRONG),
        second=trial.damaged(Damage.RAISES),
        more=mistakes,
        limit=trial.limit,
        seconds=seconds,
    )


def _judged(work: Work, trial: Trial, unnoticed: Sequence[Damage]) -> CheckResult | None:
    names = [name for target in trial.targets for name in target.functions]
    where = f"{', '.join(names[:_NAMED])}{', ...' if len(names) > _NAMED else ''}"
    if not unnoticed:
        message = f"they fail when {where} {'is' if len(names) == 1 else 'are'} broken"
        return CheckResult(name=NAME, passed=True, message=message, kind="tests", implied=True)
    expected = f"the tests to fail when {where} {'is' if len(names) == 1 else 'are'} broken"
    if Damage.RAISES in unnoticed:
        seen = ["they still pass when each of these functions only raises an exception: the tests prove nothing"]
        tell = remark if trial.own and _are_about_data(work, trial) else objection
        return tell(NAME, expected, seen, kind="tests")
    if not trial.own:
        return None
    seen = ["they still pass when each of these functions returns a wrong value: they only notice a crash"]
    return (objection if work.wants_tests else remark)(NAME, expected, seen, kind="tests")


def _share(mistakes: Sequence[tuple[str, Mutant]], ends: Sequence[Ended]) -> CheckResult:
    """Tell which share of single mistakes was noticed."""
    survivors = [
        f"{shown(path)}: {mutant.what}"
        for (path, mutant), end in zip(mistakes, ends, strict=False)
        if end is Ended.PASSED
    ]
    enough = 2 * len(survivors) <= len(ends)
    message = f"{len(ends) - len(survivors)} of {len(ends)} small mistakes were noticed"
    if survivors:
        message += f"; not noticed: {'; '.join(survivors[:_NAMED])}"
    return CheckResult(
        name=MUTANTS,
        passed=enough,
        message=message if enough else f"expected half of them noticed at least; {message}",
        kind="tests",
        required=False,
        implied=True,
    )


def _all_mutants(trial: Trial) -> Iterator[tuple[str, Mutant]]:
    """Yield mutants, the files in turn."""
    streams = [
        ((target.path, mutant) for mutant in mutants(target.text, target.functions, target.path))
        for target in trial.targets
    ]
    for turn in zip_longest(*streams):
        yield from (one for one in turn if one is not None)


def _trial(work: Work, scene: Scene, limit: float) -> Trial | None:
    """Return what is to be tried: the change's own tests, else those that written checks run; or nothing."""
    own = [source.path for source in work.tests if shapes_of_tests(source.after)]
    changed = {source.path: source for source in work.products}
    if own:
        targets = [_target(path, source.text, source.new_functions()) for path, source in changed.items()]
        targets = [target for target in targets if target.functions]
        targets = targets or _imported(scene.root, own)
        paths: Sequence[str] = own
    elif work.suites and (changed or is_touched(work)):
        paths = list(dict.fromkeys(path for suite in work.suites for path in suite.pytest.paths))
        targets = _imported(scene.root, list(files_of_tests(scene.root, paths)))
    else:
        return None
    if not targets:
        return None
    return Trial(tests=tuple(paths), targets=tuple(targets), limit=limit, own=bool(own))


def _target(path: str, text: str, functions: Mapping[str, Function]) -> Target:
    return Target(path=path, text=text, functions=tuple(name for name, item in functions.items() if body_of(item)))


def files_of_tests(root: Path, places: Sequence[str]) -> Iterator[str]:
    """Yield the test files at the paths that pytest is given, relative to the workspace."""
    for place in places:
        path = place.partition("::")[0]
        if path.endswith(".py"):
            yield path
            continue
        for found in islice(sorted((root / path).rglob("*.py")), _MOST_FILES):
            if is_test_path(found.name):
                yield found.relative_to(root).as_posix()


def _imported(root: Path, tests: Sequence[str]) -> list[Target]:
    """Return the product files that tests import or name, directly or through others, with all their functions."""
    found: dict[str, Target] = {}
    waiting, known = list(tests), set(tests)
    while waiting and len(known) < _MOST_FILES:
        path = waiting.pop()
        try:
            data = read_file(root, path, PYTHON_BYTES)
            tree = parse(data, path)
        except Unusable:
            continue
        if not is_beside_tests(path):
            found[path] = _target(path, decoded(data), functions_of(tree))
        for one in _candidates(path, tree):
            if one not in known and (root / one).is_file():
                known.add(one)
                waiting.append(one)
    return [target for target in found.values() if target.functions]


def _candidates(path: str, tree: ast.Module) -> Iterator[str]:
    here = path.rpartition("/")[0]
    for module in sorted(modules_imported(tree)):
        name = module.replace(".", "/")
        for folder in dict.fromkeys(("", "src/", f"{here}/" if here else "")):
            yield f"{folder}{name}.py"
            yield f"{folder}{name}/__init__.py"
    for text in texts_in(tree):
        for word in text.split():
            if word.endswith(".py") and _PATH.fullmatch(word):
                yield word
                yield f"{here}/{word}" if here else word


def _are_about_data(work: Work, trial: Trial) -> bool:
    """Tell whether the tests never import nor name the broken files, but name other files of the change."""
    texts = {text for source in work.tests if source.after for text in texts_in(source.after)}
    modules = {module for source in work.tests for module in modules_imported(source.after)}
    for target in trial.targets:
        file = target.path.rpartition("/")[2]
        if modules & module_names(target.path) or any(file in text for text in texts):
            return False
    others = {change.path.rpartition("/")[2] for change in work.changes if not change.path.endswith(".py")}
    return any(other in text for other in others for text in texts)
