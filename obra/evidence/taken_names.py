"""New files in the place of installed modules: with a ``pytest.py`` beside the tests, no test runs any more."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from obra.domain import ChangeKind, CheckResult
from obra.evidence.expectations import commands
from obra.evidence.findings import Work, objection
from obra.evidence.paths import shown
from obra.evidence.python_source import modules_imported

NAME = "installed modules are the ones that are used"
_RUNNERS = frozenset({"pytest", "_pytest", "pluggy", "unittest", "doctest", "coverage"})
"""What runs tests, and is found in the current folder first by ``python -m``."""
_CAME = frozenset({ChangeKind.CREATED, ChangeKind.RENAMED, ChangeKind.TYPE_CHANGED})
_MODULE = re.compile(r"(?P<name>\w+)(?:/__init__)?\.(?:py|pyc|so|\w+\.so)")
_OFTEN_OWN = frozenset({"test", "this", "antigravity"})


def look(work: Work) -> Iterator[CheckResult]:
    """Yield an objection when checks would run a file of the change in place of what is installed.

    Modules of test runners are never to be replaced, others of the standard library not where a written command or
    a test that stood names them, unless the task or a check asks for a file of that name.
    """
    seen = []
    for change in work.changes:
        found = _MODULE.fullmatch(change.path)
        if change.kind in _CAME and found and _is_taken(found["name"], work):
            seen.append(f"{shown(change.path)} takes the place of the module {found['name']}")
    if seen:
        yield objection(NAME, "no new file to be found in place of an installed module", seen)


def _is_taken(name: str, work: Work) -> bool:
    asked = " ".join([work.task_text, *(repr(check.model_dump()) for check in work.checks)])
    if f"{name}.py" in asked or name in _OFTEN_OWN:
        return False
    if name in _RUNNERS:
        return True
    if name not in sys.stdlib_module_names:
        return False
    used = any(re.search(rf"(?<![\w./-]){name}(?![\w/-])", check.command.run) for check in commands(work))
    return used or any(name in modules_imported(tree) for tree in work.standing_tests)
