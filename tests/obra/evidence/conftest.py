"""A workspace to judge, and the shortest way to run one check in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from obra.domain import CheckResult
from obra.evidence.collector import parse_check
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
