"""Whether settings or hooks of pytest that the change touches keep tests from running that ran before."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from obra.domain import ChangeKind, CheckResult
from obra.evidence.findings import Work, objection
from obra.evidence.machinery_of_tests import NAME, SETTINGS
from obra.evidence.paths import is_within
from obra.evidence.python_source import MACHINERY
from obra.evidence.scene import Scene, Scratch

_ASKED = re.compile(r"\b(?:skip|slow|deselect|exclude|marker|ignore)", re.IGNORECASE)
"""Words of a task whose work may well be that fewer tests run."""


def look(work: Work, scene: Scene) -> Iterator[CheckResult]:
    """Run the written checks' tests as the files stand and as pytest's own files stood; compare which ran.

    Only tests in files that the change does not touch are compared: they stood before, so they must run still.
    """
    undone = dict(_touched(work, scene))
    if not undone or _ASKED.search(work.task_text):
        return
    changed = {change.path.removesuffix(".py").replace("/", ".") for change in work.changes}
    gone: set[str] = set()
    for suite in work.suites:
        now = suite.names_run(scene)
        before = suite.names_run(scene, lambda scratch: _undo(scratch, undone))
        gone |= {name for name in before - now if name.partition("::")[0] not in changed}
    if gone:
        files = ", ".join(sorted(undone))
        seen = [f"{name} does not run any more, by {files}" for name in sorted(gone)]
        yield objection(NAME, "all tests that stood before to run", seen, kind="tests")


def _touched(work: Work, scene: Scene) -> Iterator[tuple[str, bytes | None]]:
    """Yield the files of pytest that changed, and what stood in them; ``None`` where there was no such file."""
    for change in work.changes:
        for path in dict.fromkeys((change.path, change.old_path or change.path)):
            if path.rpartition("/")[2] in MACHINERY | SETTINGS and change.kind is not ChangeKind.MODE_CHANGED:
                yield path, scene.before(path)


def _undo(scratch: Scratch, files: Mapping[str, bytes | None]) -> None:
    root = os.path.realpath(scratch.workspace)
    for path, data in files.items():
        target = scratch.workspace / path
        if not is_within(os.path.realpath(target.parent), root) or (target.is_dir() and not target.is_symlink()):
            continue  # its place is taken, or leads out of the copy: nothing may be written through that
        with suppress(NotADirectoryError, FileExistsError):  # a folder above became a file: its place is taken
            target.parent.mkdir(parents=True, exist_ok=True)
            target.parent.chmod(0o700)
            target.unlink(missing_ok=True)
            if data is not None:
                target.write_bytes(data)
