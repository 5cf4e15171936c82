"""What is looked for although nobody wrote it down, as one whole."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from functools import cache

import pytest

from obra.domain import ChangeKind, FileChange
from obra.evidence.findings import Work
from obra.evidence.implied import findings, looks_at
from obra.evidence.paths import Unusable
from obra.evidence.python_check import parse
from obra.evidence.python_source import is_too_deep
from obra.evidence.scene import Scene

NAME = "code that can be looked at"
CHANGES = {"a.txt": "x", "gone.txt": None, "run.sh": "exit 0", "test_a.txt": "skip", "pytest.ini": "[pytest]\n"}
TASKS = ["Do it.", "Write tests with docstrings for f() in a.py; do not touch the tests.", "Delete gone.txt."]
CHECKS = [
    {"pytest": "tests"},
    {"command": "python a.py"},
    {"python": {"file": "a.py", "functions": ["f"], "docstrings": True}},
]


@cache
def deep() -> str:
    """Return the deepest code that Python parses and compiles; Python code cannot walk through it."""
    for terms in range(sys.getrecursionlimit() + 200, 0, -3):
        text = "import sys\nsys.path.insert(0, '.git' + " + " + ".join(["''"] * terms) + ")\n"
        with suppress(Unusable):
            assert is_too_deep(parse(text.encode(), "calc.py"))
            return text
    raise AssertionError("the parser takes nothing")


def found(root, text, before=None):
    """Return the findings about one file by name."""
    (root / "calc.py").write_text(text)
    kind = ChangeKind.CREATED if before is None else ChangeKind.MODIFIED
    scene = Scene(
        root=root,
        changes=(FileChange(path="calc.py", kind=kind),),
        before=lambda _path: None if before is None else before.encode(),
    )
    return {one.name: one for one in findings(scene, [], [], "Do it.", mutants=0, seconds=1)}


def test_code_that_is_too_deep_to_be_looked_at_is_objected_to(root) -> None:
    """Who nests code deeper than a look can follow hides it; the run does not break, and the file is named."""
    result = found(root, deep(), "import sys\n")[NAME]
    assert result.required
    assert not result.passed
    assert "calc.py is" in result.message


def test_a_new_file_is_looked_at_however_deep_it_is(root) -> None:
    """Nothing has to be compared with what stood there before."""
    assert found(root, deep())["the work can be looked at"].required


def test_code_that_was_too_deep_before_is_a_remark(root) -> None:
    """It is not the agent's work."""
    result = found(root, deep(), deep())[NAME]
    assert not result.required
    assert not result.passed


def test_every_finding_says_how_long_its_look_took(root) -> None:
    """Looks at files are timed as the others are."""
    result = found(root, "import sys\nsys.path.insert(0, '.git')\n")["the work can be looked at"]
    assert result.seconds > 0


@pytest.mark.parametrize("task", TASKS)
def test_what_is_not_loaded_without_python_would_find_nothing_there(work, root, task) -> None:
    """Looks that are left out where no Python file changed have nothing to say about such a change."""
    scene = Scene(root=root)
    other = work({"gone.txt": "x", "run.sh": "exit 1"}, CHANGES, task=task, checks=CHECKS)
    assert not other.sources
    stay = {getattr(look, "func", look) for look in looks_at(other, scene)}
    everything = looks_at(work({}, {"b.py": "x = 1\n"}), scene)
    left_out = [look for look in everything if getattr(look, "func", look) not in stay]
    assert (len(left_out), len(everything)) == (7, 11)
    assert [list(look(other)) for look in left_out] == [[]] * 7


def test_what_looks_at_python_alone_is_loaded_for_python_alone(root) -> None:
    """A process that judges text files does not pay for reading Python."""
    code = (
        "import sys; from obra.evidence.implied import looks_at; from obra.evidence.findings import Work;"
        "looks_at(Work(), None); print('obra.evidence.undefined_names' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert len(looks_at(Work(), Scene(root=root))) == 4
