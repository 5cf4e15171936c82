import ast

from hypothesis import given
from hypothesis import strategies as st

from obra.sabotage.mutation import (
    Change,
    apply,
    constant_changes,
    definitions,
    operator_changes,
    replace_bodies,
    without_definitions,
)
from obra.sabotage.rewriting import renamed_locals, reordered, wrapped


def mutated(source: str) -> list[str]:
    """Return the source with each change of an operator by itself."""
    return [apply(source, [change]) for change in operator_changes(source)]


def test_each_operator_is_found_at_its_own_place():
    """The sign itself is replaced, not one in a text, a comment or a bracket beside it."""
    assert mutated("x = ('+' * 1) # + \n") == []
    assert mutated("x = (a +  # plus +\n     b)\n") == ["x = (a -  # plus +\n     b)\n"]
    assert mutated("x = 'ä' in s and a <= b < c\n") == [
        "x = 'ä' in s or a <= b < c\n",
        "x = 'ä' in s and a < b < c\n",
        "x = 'ä' in s and a <= b <= c\n",
    ]


def test_what_only_a_person_starts_is_left_alone():
    """Code under the main guard, annotations and docstrings are not mutated."""
    source = (
        '"""Doc 1."""\n\ndef f(a: "1" = x) -> "2":\n    """3"""\n\nif __name__ == "__main__":\n    print(1 + 1)\n'
    )
    assert operator_changes(source) == []
    assert constant_changes(source) == []


def test_numbers_come_before_results_and_results_before_texts():
    """The most telling kind of constant is taken."""
    text = "N = 'name'\n\ndef f():\n    return 'result'\n"
    assert [apply(text, [one]) for one in constant_changes(text)] == [text.replace("'result'", "'resul'")]
    assert [one.text for one in constant_changes(text + "M = True\n")] == ["False"]
    assert [one.text for one in constant_changes("print('ab')\n")] == ["'a'"]
    assert constant_changes("raise ValueError('ab')\n") == []


def test_bodies_are_replaced_where_they_stand():
    """One-liners, docstrings, decorators, methods and inner functions."""
    source = (
        'def a(): return 1\n\nclass C:\n    def b(self):\n        """Doc."""\n        @x\n        def c(): pass\n'
        '        return c\n\ndef d():\n    """Only."""\n'
    )
    result = replace_bodies(source, lambda _: "raise E")
    assert result == (
        'def a(): raise E\n\nclass C:\n    def b(self):\n        """Doc."""\n        raise E\n'
        '\ndef d():\n    """Only."""\n    raise E\n'
    )


def test_definitions_are_taken_out_with_their_decorators():
    """Nothing of them is left."""
    source = "@x\ndef a(): pass\n\nclass B: pass\n"
    assert definitions(source) == ["a", "B"]
    assert ast.dump(ast.parse(without_definitions(source, {"a"}))) == ast.dump(ast.parse("class B: pass"))


def test_changes_are_made_in_bytes():
    """Letters of several bytes before a place do not move it."""
    assert apply("äöü+x", [Change(start=6, end=7, text="-"), Change(start=0, end=2, text="a")]) == "aöü-x"


@given(st.text())
def test_any_text_is_taken(text):
    """What is no Python has nothing to mutate, and nothing is raised."""
    for change in (*operator_changes(text), *constant_changes(text)):
        assert ast.dump(ast.parse(apply(text, [change]))) != ast.dump(ast.parse(text))


def test_rewriting_leaves_alone_what_it_does_not_surely_understand():
    """Scopes within scopes, generators, decorators, and those who look at names stay as they are."""
    for body in ("x = 1\n    return [x for y in z]", "x = 1\n    return locals()", "global x\n    x = 1"):
        source = f"def f():\n    {body}\n"
        assert renamed_locals(source) == source
    for source in ("@d\ndef f(): return 1\n", "def f(*a): return 1\n", "def f():\n    yield 1\n", "x = 1\n"):
        assert wrapped(source) == source
    for source in (
        "def f(): pass\n\ndef f(): return 1\n",
        "def f(): pass\n",
        "@d\ndef f(): 1\n\n@d\ndef g(): 2\n",
    ):
        assert reordered(source) == source
