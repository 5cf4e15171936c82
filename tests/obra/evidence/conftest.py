"""A workspace to judge, and the shortest way to run one check in it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from obra.domain import ChangeKind, CheckResult, FileChange
from obra.evidence.collector import parse_check
from obra.evidence.findings import Work
from obra.evidence.python_source import PythonSource
from obra.evidence.scene import Scene


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def check(root: Path) -> Callable[..., CheckResult]:
    """Run the check that a mapping stands for; keywords go to the scene."""

    def run(raw: dict[str, Any], **scene: Any) -> CheckResult:
        return parse_check(raw).run(Scene(root=root, **scene))

    return run


@pytest.fixture
def work() -> Callable[..., Work]:
    """Build what findings look at from texts: files as they were, files as they are (None: deleted)."""

    def build(
        before: dict[str, str] | None = None,
        after: dict[str, str | None] | None = None,
        *,
        task: str = "Do it.",
        checks: list[dict[str, Any]] | None = None,
        standing: tuple[str, ...] = (),
    ) -> Work:
        before, after = before or {}, after or {}
        changes, sources = [], []
        for path, text in after.items():
            kind = (
                ChangeKind.DELETED
                if text is None
                else ChangeKind.MODIFIED
                if path in before
                else ChangeKind.CREATED
            )
            changes.append(FileChange(path=path, kind=kind))
            if path.endswith(".py"):
                sources.append(
                    PythonSource(
                        path=path,
                        text=dedent(text or ""),
                        before=ast.parse(dedent(before[path])) if path in before else None,
                        after=None if text is None else ast.parse(dedent(text)),
                    )
                )
        return Work(
            task_text=task,
            sources=tuple(sources),
            changes=tuple(changes),
            checks=tuple(parse_check(check) for check in checks or ()),
            standing_tests=tuple(ast.parse(dedent(text)) for text in standing),
        )

    return build
