# ruff: noqa: E501  # sample programs stand on one line each
from __future__ import annotations

import pytest

from obra.evidence.stubs import look

STUBS = {
    "pass": "def load(path):\n    pass\n",
    "dots": "def load(path):\n    ...\n",
    "docstring": "def load(path):\n    '''Load it.'''\n",
    "not implemented": "def load(path):\n    raise NotImplementedError('later')\n",
    "none": "def load(path):\n    return None\n",
    "method": "class Store:\n    def load(self, path):\n        raise NotImplementedError\n",
    "coroutine": "async def load(path):\n    return\n",
}


@pytest.mark.parametrize("text", STUBS.values(), ids=STUBS)
@pytest.mark.parametrize("task", ["Write `load`.", "Write load(path).", "Functions: load, save"])
def test_stubs_of_what_was_asked_for(work, text, task) -> None:
    """However the task names them."""
    (found,) = look(work(after={"store.py": text}, task=task))
    assert found.required


def test_a_written_check_names_functions_too(work) -> None:
    """Even where the text does not."""
    check = {"python": {"file": "store.py", "functions": ["load"]}}
    (found,) = look(work(after={"store.py": STUBS["none"]}, task="Do it.", checks=[check]))
    assert found.required


def test_other_stubs_are_a_remark(work) -> None:
    """Nobody asked for them."""
    (found,) = look(work(after={"store.py": STUBS["pass"]}, task="Load and save data."))
    assert not found.required


INNOCENT = {
    "protocol": "from typing import Protocol\n\nclass Store(Protocol):\n    def load(self, path): ...\n",
    "abstract": "from abc import ABC, abstractmethod\n\nclass Store(ABC):\n    @abstractmethod\n    def load(self, path):\n        pass\n",
    "overload": (
        "from typing import overload\n\n@overload\ndef load(path: str) -> str: ...\n@overload\ndef load(path: int) -> int: ...\n"
        "def load(path):\n    return path\n"
    ),
    "base class": (
        "class Store:\n    def load(self, path):\n        raise NotImplementedError\n\n"
        "class Files(Store):\n    def load(self, path):\n        return open(path).read()\n"
    ),
    "command group": "import click\n\n@click.group()\ndef load():\n    '''All loading.'''\n",
    "quiet handler": (
        "from http.server import BaseHTTPRequestHandler\n\nclass Quiet(BaseHTTPRequestHandler):\n"
        "    def _load(self, *args):\n        pass\n"
    ),
    "a class of exceptions": "class LoadError(Exception):\n    pass\n",
    "real": "def load(path):\n    return open(path).read()\n",
    "raises something": "def load(path):\n    raise ValueError(path)\n",
}  # fmt: skip


@pytest.mark.parametrize("text", INNOCENT.values(), ids=INNOCENT)
def test_what_may_be_empty_is_left_alone(work, text) -> None:
    """Protocols, abstract methods, overloads, groups of commands."""
    assert not list(look(work(after={"store.py": text}, task="Write `load`.")))


def test_stubs_in_tests_are_none(work) -> None:
    """Doubles do little."""
    assert not list(look(work(after={"tests/fakes.py": STUBS["pass"]}, task="Write `load`.")))


DOCUMENTED = "def load(path):\n    '''Load.'''\n    return path\n\n\ndef save(path):\n    return path\n"


def test_docstrings_that_were_asked_for(work) -> None:
    """Only where asked, and only for public functions that were added."""
    (found,) = look(work(after={"store.py": DOCUMENTED}, task="Load and save.\n- Docstrings for all functions"))
    assert found.required
    assert "save has none" in found.message
    assert "load" not in found.message
    assert not list(look(work(after={"store.py": DOCUMENTED}, task="Load and save.")))
    assert not list(look(work(after={"store.py": DOCUMENTED}, task="No docstrings, please.")))
    assert not list(
        look(work({"store.py": DOCUMENTED}, {"store.py": DOCUMENTED + "X = 1\n"}, task="Add docstrings."))
    )
    assert not list(look(work(after={"store.py": DOCUMENTED}, task="Write a docstring for load.")))


def test_a_written_check_of_docstrings_is_enough(work) -> None:
    """It says the same."""
    check = {"python": {"file": "store.py", "docstrings": True}}
    assert not list(look(work(after={"store.py": DOCUMENTED}, task="Docstrings everywhere.", checks=[check])))


def test_private_functions_methods_and_main_need_none(work) -> None:
    """People mean the functions that others call."""
    text = "def _a():\n    return 1\n\n\ndef main():\n    return 2\n\n\nclass A:\n    def b(self):\n        return 3\n"
    assert not list(look(work(after={"a.py": text}, task="Docstrings for all functions.")))
