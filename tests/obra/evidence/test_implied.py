"""What is looked for although nobody wrote it down, as one whole."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache

from obra.domain import ChangeKind, FileChange
from obra.evidence.implied import findings
from obra.evidence.paths import Unusable
from obra.evidence.python_check import parse
from obra.evidence.python_source import is_too_deep
from obra.evidence.scene import Scene

NAME = "code that can be looked at"


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
