# ruff: noqa: E501  # sample programs stand on one line each
from __future__ import annotations

import pytest

from obra.evidence.undefined_names import look

GUILTY = {
    "missing import": "def f():\n    return math.sqrt(2)\n",
    "typing error": "def total(items):\n    return sum(itmes)\n",
    "class": "class A(Bass):\n    pass\n",
    "decorator": "@cached\ndef f():\n    return 1\n",
    "annotation that is evaluated": "def f(x: List[int]):\n    return x\n",
    "in a test": "def test_f():\n    assert f(1) == 2\n",
}


@pytest.mark.parametrize("text", GUILTY.values(), ids=GUILTY)
def test_undefined_names(work, text) -> None:
    """Each of them ends in a NameError when the line runs."""
    (found,) = look(work(after={"a.py": text}))
    assert found.required
    assert "line " in found.message


INNOCENT = {
    "star": "from math import *\n\ndef f():\n    return sqrt(2)\n",
    "late annotation": "from __future__ import annotations\n\ndef f(x: DataFrame) -> Series:\n    return x\n",
    "quoted annotation": "def f(x: 'pd.DataFrame') -> 'Series':\n    return x\n",
    "type checking": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from a import B\n\ndef f(x: 'B'):\n    return x\n",
    "older Python": "try:\n    text = unicode\nexcept NameError:\n    text = str\n",
    "gettext": "import gettext\n\ngettext.install('shop')\nprint(_('Hello'))\n",
    "global": "def f():\n    global count\n    count = 1\n\ndef g():\n    return count\n",
    "later": "def f():\n    return g()\n\ndef g():\n    return 1\n",
    "comprehension": "ROWS = [(a, b) for a in range(3) for b in range(a)]\n",
    "walrus": "if (n := len('abc')) > 2:\n    print(n)\n",
    "exec": "exec('answer = 42')\nprint(answer)\n",
    "file": "from pathlib import Path\n\nHERE = Path(__file__).parent\n",
    "class scope": "class A:\n    x = 1\n    y = x + 1\n\n    def f(self):\n        return __class__\n",
    "match": "def f(x):\n    match x:\n        case {'a': a, **rest}:\n            return a, rest\n",
    "deleted": "x = 1\nprint(x)\ndel x\n",
    "exports": "__all__ = ['f']\n\ndef __getattr__(name):\n    return name\n",
    "unused import": "import os\n",
}


@pytest.mark.parametrize("text", INNOCENT.values(), ids=INNOCENT)
def test_what_runs_is_left_alone(work, text) -> None:
    """Also what a linter would call ugly."""
    assert not list(look(work(after={"a.py": text})))


def test_what_was_undefined_before_is_not_the_change(work) -> None:
    """Somebody else's mistake is not this work's."""
    assert not list(look(work({"a.py": GUILTY["class"]}, {"a.py": GUILTY["class"] + "X = 1\n"})))
