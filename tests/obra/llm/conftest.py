"""The loopback Ollama server for the tests of this folder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load() -> ModuleType:
    """Load the module that stands beside this file; with importlib mode it is on no path."""
    name = "obra_test_ollama_server"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("ollama_server.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ollama() -> Iterator[Any]:
    """A running OllamaServer with the models ``llama3.2:latest`` and ``tiny:1b``."""
    with _load().OllamaServer() as server:
        yield server
