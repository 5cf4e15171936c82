"""``parameters:``: one case for each combination, with its values where ``$name`` stands."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.errors import ScenarioError
from obra.scenarios.parameters import Substitution
from obra.scenarios.scenario import Scenario


def cases(folder: Path, text: str) -> tuple[Scenario, ...]:
    """Write a scenario file and read its cases."""
    path = folder / "calc.obra.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return Scenario.load_cases(path)


def test_a_matrix_makes_every_combination(tmp_path):
    """The first name is the slowest; ids are the values; numbers and text reach texts, paths and settings."""
    found = cases(
        tmp_path,
        """
        parameters: {op: [add, sub], size: [1, 2]}
        settings: {llm: {model: m-$op}}
        task: {title: "Make ${op}_$size for $$5, $1 and $(pwd)"}
        workspace: {files: {"$op.txt": "$size"}}
        checks: [{file: ["$op.py"]}]
        script: [{write: {"$op.py": x}, run: "echo $$HOME"}]
        """,
    )
    assert [one.case for one in found] == ["calc[add-1]", "calc[add-2]", "calc[sub-1]", "calc[sub-2]"]
    last = found[-1]
    assert last.parameters == {"op": "sub", "size": 2}
    assert last.task.title == "Make sub_2 for $5, $1 and $(pwd)"
    assert last.form.workspace.files["sub.txt"].text == "2"
    assert last.checks == ({"file": ["sub.py"]},)
    assert last.script[0].write == {"sub.py": "x"}
    assert last.script[0].run == ("echo $HOME",)
    assert last.form.settings.llm.model == "m-sub"


def test_a_list_names_its_own_cases(tmp_path):
    """Cases stand as they are written, with an id or their values; the expected ending may depend on them."""
    found = cases(
        tmp_path,
        """
        parameters:
          - {id: good, file: a.py, end: completed}
          - {file: b.py, end: escalated}
        task: {title: Make $file}
        expect: {status: $end}
        """,
    )
    assert [one.case for one in found] == ["calc[good]", "calc[b.py-escalated]"]
    assert [one.expect.status for one in found] == ["completed", "escalated"]
    assert found[1].slug == "calc-b.py-escalated"


def test_without_parameters_nothing_is_replaced(tmp_path):
    """A dollar is a dollar where there are no parameters; the case is the scenario."""
    (one,) = cases(tmp_path, "task: {title: Pay $$5 to $name}\n")
    assert (one.case, one.task.title, one.parameters) == ("calc", "Pay $$5 to $name", {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "parameters: {oper: [add]}\ntask: {title: $opr}\n",
            ":2: 'task.title': no parameter is called 'opr'; did you mean '$oper'",
        ),
        ("parameters: {op: [add]}\ntask: {title: $HOME $op}\n", "there are: op. For a dollar sign write '$$'"),
        ("parameters: {op: [add]}\ntask: {title: x}\n", ":1: 'parameters': nothing in the scenario says '$op'"),
        (
            "parameters: {op: [3.10]}\ntask: {title: $op}\n",
            ":1: 'parameters.op.0': should be text or a whole number",
        ),
        ("parameters: {op: [no]}\ntask: {title: $op}\n", "quotes around it"),
        ("parameters: {op: []}\ntask: {title: $op}\n", ":1: 'parameters.op'"),
        ("parameters: {op: [a, a]}\ntask: {title: $op}\n", "cases 1 and 2 are both called 'a'"),
        ("parameters: {id: [a]}\ntask: {title: $id}\n", "'parameters.id': the name is taken"),
        (
            "parameters:\n  - {a: 1}\n  - {b: 1}\ntask: {title: $a}\n",
            ":3: 'parameters.1': should have the names a",
        ),
        ("parameters: {a-b: [1]}\ntask: {title: x}\n", "'parameters.a-b"),
        ("parameters: {n: [1]}\ntask: {title: $n}\nlimits: {iterations: $n}\n", ":3: 'limits.iterations'"),
        ("parameters: {n: [1]}\ntask: {titel: $n}\n", ":2: unknown key 'task.titel'; did you mean 'task.title'?"),
    ],
)
def test_what_is_wrong_is_told_with_place_and_word(tmp_path, text, words):
    """File, line, key, and the nearest right word."""
    with pytest.raises(ScenarioError) as caught:
        cases(tmp_path, text)
    assert words in str(caught.value)
    assert f"{tmp_path / 'calc.obra.yaml'}:" in str(caught.value)


def test_one_scenario_is_asked_of_a_file_with_several(tmp_path):
    """Scenario.load does not choose among cases."""
    cases(tmp_path, "parameters: {n: [1, 2]}\ntask: {title: $n}\n")
    with pytest.raises(ScenarioError, match="has 2 cases, from calc\\[1\\] to calc\\[2\\]"):
        Scenario.load(tmp_path / "calc.obra.yaml")


@given(st.text(), st.text())
def test_an_escaped_text_comes_back_as_it_was(text, value):
    """Whatever a text holds, with its dollars doubled it means itself; a value is never looked into again."""
    filled = Substitution({"x": value})
    data = filled.of({"task": {"title": text.replace("$", "$$"), "description": "$x"}})
    assert data == {"task": {"title": text, "description": value}}
    assert not filled.problems
