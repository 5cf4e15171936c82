"""What all tests share: no settings of the person who runs them, and the loopback servers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TESTS = Path(__file__).parent
TEST_SECONDS = 120
COMMAND = "OBRA__AGENT__LOCAL__COMMAND"
"""The variable that names the real Claude Code binary, for Obra and for these tests."""


def load_module(path: Path) -> ModuleType:
    """Load a module that stands among the tests; with importlib mode none is on the path."""
    name = f"obra_test_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test a limit, so that a hang is a failure with a stack and not a silent night."""
    for item in items:
        if item.config.pluginmanager.hasplugin("timeout") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the person at the keyboard has set, except where the real binary is."""
    for name in list(os.environ):
        if name.startswith("OBRA_") and name != COMMAND:
            monkeypatch.delenv(name)


@pytest.fixture
def ollama() -> Iterator[Any]:
    """A running loopback Ollama with the models ``llama3.2:latest`` and ``tiny:1b``."""
    with load_module(TESTS / "obra" / "llm" / "ollama_server.py").OllamaServer() as server:
        yield server


@pytest.fixture(scope="session")
def claude() -> str:
    """Path of the real Claude Code binary; without one the test is skipped, and says how to get it."""
    found = shutil.which(os.environ.get(COMMAND, "claude"))
    if not found:
        pytest.skip(
            f"no Claude Code binary: npm install @anthropic-ai/claude-code@2.1.330 and name its path in {COMMAND}"
        )
    return found
