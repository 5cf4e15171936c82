"""EvidenceCollector: runs the checks that somebody wrote down, then those that nobody needs to."""

from __future__ import annotations

import dataclasses
import difflib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from obra.domain import ChangeKind, CheckResult
from obra.errors import CheckError
from obra.evidence.checks import Check
from obra.evidence.command_check import CommandCheck
from obra.evidence.file_checks import AbsentCheck, ContainsCheck, FileCheck, UnchangedCheck
from obra.evidence.foreign import is_foreign
from obra.evidence.kinds import installed_kind, installed_names
from obra.evidence.paths import matches, shown
from obra.evidence.pytest_check import PytestCheck
from obra.evidence.python_check import PythonCheck, syntax_problem
from obra.evidence.scene import Scene
from obra.wrong_values import problems_of

_KINDS: tuple[type[Check], ...] = (
    FileCheck,
    AbsentCheck,
    ContainsCheck,
    CommandCheck,
    PytestCheck,
    PythonCheck,
    UnchangedCheck,
)
KINDS: Mapping[str, type[Check]] = {check.kind: check for check in _KINDS}
"""Every kind of check of our own by the key that it is written with; others may be installed."""

_SETTINGS = ("name", "timeout", "required")
_STAYS = frozenset({ChangeKind.CREATED, ChangeKind.MODIFIED, ChangeKind.RENAMED, ChangeKind.TYPE_CHANGED})


def parse_check(raw: Mapping[str, Any]) -> Check:
    """Return the check that a mapping such as ``{"file": "a.py", "required": False}`` stands for.

    Raises:
        CheckError: no kind, two kinds, an unknown key or a wrong value; the text names the nearest right word.
        PluginError: it is of a kind by somebody else that cannot be loaded.
    """
    if not isinstance(raw, Mapping):
        raise CheckError(f"a check is a mapping with one of {_known()}; it is {raw!r}; write it as 'kind: value'")
    kinds = [key for key in raw if key in KINDS]
    if len(kinds) > 1:
        raise CheckError(f"one check has the kinds {' and '.join(kinds)}; write one check for each")
    model = KINDS[kinds[0]] if kinds else _by_others(raw)
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        texts = "; ".join(problem.text for problem in problems_of(error, model))
        raise CheckError(f"check '{model.kind}': {texts}") from error


def _by_others(raw: Mapping[str, Any]) -> type[Check]:
    """Return the kind of an installed package that *raw* is of."""
    found = {key: kind for key in raw if isinstance(key, str) and (kind := installed_kind(key)) is not None}
    if len(found) > 1:
        raise CheckError(f"one check has the kinds {' and '.join(found)}; write one check for each")
    if not found:
        raise CheckError(f"a check needs one of {_known()}; " + _nearest(raw))
    return next(iter(found.values()))


def _known() -> str:
    return ", ".join((*KINDS, *installed_names()))


def _nearest(raw: Mapping[str, Any]) -> str:
    unknown = [str(key) for key in raw if key not in _SETTINGS]
    if not unknown:
        return "it has none"
    close = difflib.get_close_matches(unknown[0], (*KINDS, *installed_names()), n=1)
    return f"'{unknown[0]}' is none of them" + (f"; did you mean '{close[0]}'?" if close else "")


class EvidenceCollector:
    """Runs checks and tells machinery that broke from work that is wrong."""

    def __init__(
        self,
        *,
        timeout: float,
        max_output: int,
        implied: bool,
        mutants: int = 6,
        mutation_seconds: float = 30,
    ) -> None:
        """Keep the settings; they replace those of the scenes that are looked at.

        Args:
            timeout: seconds for one check that names no limit of its own.
            max_output: characters of each check's output that are kept.
            implied: whether to add checks that nobody wrote: changed Python parses, changed tests pass, and what
                :mod:`obra.evidence.implied` looks for.
            mutants: how many single mistakes to try on an implementation whose tests pass.
            mutation_seconds: time for all of them.
        """
        self._timeout = timeout
        self._max_output = max_output
        self._implied = implied
        self._mutants = mutants
        self._mutation_seconds = mutation_seconds

    def collect(
        self, checks: Sequence[Mapping[str, Any]], scene: Scene, task_text: str = ""
    ) -> tuple[CheckResult, ...]:
        """Run all *checks* in their order, then the implied ones, and return one result for each.

        No check is left out because another one failed. *task_text* is what was asked, in words: some findings
        are none when the task asks for just that.

        Raises:
            CheckError: a check is written wrongly, or broke; that is never counted as a failed check.
        """
        scene = dataclasses.replace(scene, timeout=self._timeout, max_output=self._max_output)
        written = [parse_check(raw) for raw in checks]
        results = [_run(check, scene) for check in written]
        if self._implied and (changed := _changed_python(scene)):
            results.append(_syntax_result(changed, scene))
            results.extend(_implied_tests(changed, written, scene))
        if self._implied and scene.changes:
            results.extend(self._findings(scene, written, results, task_text))
        return tuple(results)

    def _findings(
        self, scene: Scene, written: Sequence[Check], results: Sequence[CheckResult], task_text: str
    ) -> list[CheckResult]:
        from obra.evidence import implied

        options: Any = {"mutants": self._mutants, "seconds": self._mutation_seconds}
        try:
            return list(implied.findings(scene, written, results, task_text, **options))
        except (Exception, SystemExit) as error:
            raise CheckError(_broken("findings that nobody wrote", scene, error)) from error

    @staticmethod
    def describe(checks: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Return one sentence for each check, for the agent to read; optional checks say so.

        Raises:
            CheckError: a check is written wrongly.
        """
        parsed = [parse_check(raw) for raw in checks]
        return tuple(check.describe() + ("" if check.required else " (optional)") for check in parsed)


def _run(check: Check, scene: Scene) -> CheckResult:
    try:
        return check.run(scene)
    except (Exception, SystemExit) as error:  # a check of others may call sys.exit()
        raise CheckError(_broken(check.name or check.describe(), scene, error)) from error


def _broken(name: str, scene: Scene, error: BaseException) -> str:
    return (
        f"the check {name!r} could not be carried out in {scene.root}: {type(error).__name__}: {error}; "
        f"this says nothing about the work: see that the workspace can be read and copied, then run it again"
    )


def _changed_python(scene: Scene) -> list[str]:
    paths = dict.fromkeys(change.path for change in scene.changes if change.kind in _STAYS)
    return [path for path in paths if path.endswith(".py") and not is_foreign(scene.root, path)]


def _syntax_result(changed: Sequence[str], scene: Scene) -> CheckResult:
    """Look at the syntax of all changed Python files; one result for all of them."""
    started = time.perf_counter()
    try:
        found = [(path, syntax_problem(scene.root, path)) for path in changed]
    except Exception as error:
        raise CheckError(_broken("python syntax", scene, error)) from error
    problems = [f"{shown(path)} {problem}" for path, problem in found if problem]
    files = f"{len(changed)} changed Python file{'s'[: len(changed) != 1]}"
    return CheckResult(
        name="python syntax",
        passed=not problems,
        message=f"expected valid Python in {files}; {'; '.join(problems)}" if problems else f"{files}: valid",
        kind="python",
        implied=True,
        seconds=time.perf_counter() - started,
    )


def _implied_tests(changed: Sequence[str], written: Sequence[Check], scene: Scene) -> list[CheckResult]:
    """Run all changed test files that no written check runs; one result for all of them, or none."""
    suites = [check for check in written if isinstance(check, PytestCheck)]
    tests = [
        path
        for path in changed
        if (matches("**/test_*.py", path) or matches("**/*_test.py", path))
        and not any(suite.covers(path) for suite in suites)
    ]
    if not tests:
        return []
    check = PytestCheck.model_validate({"pytest": {"paths": tests}})
    return [dataclasses.replace(_run(check, scene), implied=True)]
