# ruff: noqa: E501  # sample programs stand on one line each
from __future__ import annotations

import ast
import subprocess
import sys
from itertools import islice
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.evidence.broken_copies import Damage, broken, mutants

SOURCE = dedent(
    '''
    """Docs."""
    from __future__ import annotations

    LIMIT = 3

    class Box:
        """A box."""

        def __init__(self, size):
            self.size = size

        @property
        def half(self):
            """Half of it."""
            return self.size / 2

        @staticmethod
        def unit():
            return Box(1)

    def add(a, b=LIMIT + 1):
        """Return the sum."""
        return a + b

    def less(a, b):
        if not a:
            raise ValueError(f"bad {a + 1}")
        return a < b and True

    async def later():
        return 1

    def both(n):
        for i in range(n):
            yield i

    if __name__ == "__main__":
        print(add(1, 2))
    '''
)
NAMES = ("Box.__init__", "Box.half", "Box.unit", "add", "less", "later", "both")


def run(text: str) -> dict[str, object]:
    """Return the names that a program defines."""
    names: dict[str, object] = {"__name__": "sample"}
    exec(compile(text, "sample.py", "exec"), names)
    return names


def test_broken_functions_return_another_value() -> None:
    """None of their results is right, and all else stays: docstrings, defaults, decorators."""
    names = run(broken(SOURCE, NAMES, Damage.WRONG))
    assert names["add"](1, 2) not in (3, None, True, "")
    assert names["add"].__doc__ == "Return the sum."
    assert names["add"].__defaults__ == (4,)
    box = names["Box"](2)
    assert box.half != 1
    assert names["Box"].__doc__ == "A box."
    with pytest.raises(TypeError):
        list(names["both"](2))


def test_broken_functions_raise() -> None:
    """For tests that look at no value."""
    names = run(broken(SOURCE, ("add",), Damage.RAISES))
    with pytest.raises(RuntimeError, match="broken on purpose"):
        names["add"](1, 2)
    assert names["less"](1, 2) is True


def test_only_the_named_functions_are_broken() -> None:
    """The others do as before."""
    names = run(broken(SOURCE, ("Box.half",), Damage.WRONG))
    assert names["add"](1, 2) == 3
    assert names["Box"].unit().size == 1


def test_each_mutant_is_another_program_that_parses() -> None:
    """One small mistake each, in a function that was named, never outside of one."""
    found = list(mutants(SOURCE, NAMES, "a.py"))
    plain = ast.dump(ast.parse(SOURCE))
    assert len({one.text for one in found}) == len(found) > 10
    for one in found:
        assert ast.dump(ast.parse(one.text)) != plain
        assert "LIMIT = 3" in one.text
        assert "b=LIMIT + 1" in one.text
        assert "bad {a + 1}" in one.text
        assert "print(add(1, 2))" in one.text
    assert any("`a + b` became `a - b`" in one.what for one in found)
    assert any("became `return`" in one.what for one in found)
    assert any("`a < b` became `a >= b`" in one.what for one in found)


def test_functions_take_turns() -> None:
    """A few mutants touch many functions."""
    touched = {one.what.partition(",")[0] for one in islice(mutants(SOURCE, NAMES, "a.py"), 5)}
    assert len(touched) == 5


def test_the_choice_is_the_same_in_every_process() -> None:
    """Whatever the hash seed."""
    code = (
        "import sys\nfrom obra.evidence.broken_copies import mutants\n"
        f"print([one.what for one in mutants({SOURCE!r}, {NAMES!r}, 'a.py')])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "1", "2.5", "True", "None", "'x'", "[]"]),
    lambda inner: st.builds(
        "({} {} {})".format, inner, st.sampled_from(["+", "*", "-", "/", "%", "<", "==", "in", "is", "and", "or"]), inner
    )
    | st.builds("(not {})".format, inner),
    max_leaves=8,
)  # fmt: skip


@given(EXPRESSIONS)
def test_any_expression_gives_mutants_that_parse(expression: str) -> None:
    """Nothing is made that Python cannot read."""
    text = f"def f(a, b):\n    return {expression}\n"
    for one in mutants(text, ("f",), "seed"):
        ast.parse(one.text)
