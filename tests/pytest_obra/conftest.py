"""A small foreign project with scenarios, for pytester."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

GOOD: dict[str, Any] = {
    "task": {"title": "Make hello.txt"},
    "checks": [{"file": "hello.txt"}],
    "script": [{"say": "Done.", "write": {"hello.txt": "hello\n"}}],
    "reviewer": [{"score": 90}],
    "expect": {"truth": [{"contains": {"file": "hello.txt", "text": "hello"}}]},
}


@pytest.fixture
def scenario_file(pytester: pytest.Pytester) -> Callable[..., Path]:
    """Return a function that writes NAME.obra.yaml: a good scenario with the given keys changed."""

    def write(name: str = "good", folder: str = ".", **changes: Any) -> Path:
        path = pytester.path / folder / f"{name}.obra.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(merged(GOOD, changes), sort_keys=False), encoding="utf-8")
        return path

    return write


def merged(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with top-level keys replaced, and those set to None taken out."""
    return {key: value for key, value in {**data, **changes}.items() if value is not None}


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run pytest in the small project, without the plugins that are not asked for."""

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest("-p", "no:cacheprovider", *arguments)

    return run
