"""A small foreign project with scenarios, for pytester."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import prepared_programs
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


ASKED = {
    "xdist": ("-n", "--dist"), "allure_pytest": ("--alluredir",), "rerunfailures": ("--reruns",),
}  # fmt: skip
"""Plugins of others, and how the arguments begin that ask for them."""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run pytest in the small project, in a process of its own, without the plugins that are not asked for."""
    runs = iter(range(100))

    def run(*arguments: str) -> pytest.RunResult:
        asked = [name for name, begins in ASKED.items() if any(one.startswith(begins) for one in arguments)]
        plugins = ["no:cacheprovider", "pytest_obra.plugin", *asked]
        plugins += ["timeout"] if find_spec("pytest_timeout") else []
        words = [
            f"--basetemp={pytester.path}/run-{next(runs)}",
            *(word for name in plugins for word in ("-p", name)),
        ]
        began = time.monotonic()
        ended = prepared_programs.run(
            "pytest",
            [*words, *arguments],
            folder=Path.cwd(),
            variables={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )
        sys.stdout.write(ended.out)  # shown where the test fails
        sys.stderr.write(ended.err)
        lines = (ended.out.splitlines(), ended.err.splitlines())
        return pytest.RunResult(exit_code(ended.code), *lines, time.monotonic() - began)

    return run


def exit_code(number: int) -> pytest.ExitCode | int:
    """Return pytest's own exit code where it is one."""
    return pytest.ExitCode(number) if number in set(pytest.ExitCode) else number
