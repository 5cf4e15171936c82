"""Scenario: what a file may say, and how a wrong one is answered."""

import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obra.domain import ScriptStep
from obra.errors import ScenarioError
from obra.scenarios.scenario import Scenario
from obra.scenarios.schema import schema_text

ROOT = Path(__file__).parents[3]
SMALL = {"task": {"title": "t"}}


def written(folder: Path, text: str) -> Path:
    """Write a scenario file and return its path."""
    path = folder / "wrong.obra.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.obra.yaml")), ids=lambda path: path.name)
def test_our_own_scenarios_are_complete(path):
    """Each scenario we ship has a script, a reviewer and hidden truth checks."""
    scenario = Scenario.load(path)
    assert scenario.script
    assert scenario.reviewer
    assert scenario.expect.truth


def test_the_digest_is_that_of_the_text_that_was_read(tmp_path):
    """All cases of a file have one; what is written to the file later does not change it."""
    text = "task: {title: $a}\nparameters: {a: [one, two]}\n"
    first, second = Scenario.load_cases(written(tmp_path, text))
    written(tmp_path, f"{text}# changed\n")
    (changed, _) = Scenario.load_cases(tmp_path / "wrong.obra.yaml")
    assert first.digest == second.digest != changed.digest
    assert len(first.digest) == 32
    assert Scenario.from_data(SMALL).digest == ""


def test_the_schema_for_editors_is_current():
    """scenarios/schema.json is what the code says today, and names every kind of check."""
    text = (ROOT / "scenarios" / "schema.json").read_text(encoding="utf-8")
    assert text == schema_text()
    assert {"check_file", "check_pytest", "check_unchanged"} <= set(json.loads(text)["$defs"])


def test_short_forms():
    """One command or path may stand without a list; a plain yes is a verdict; the name comes from the file."""
    scenario = Scenario.from_data(
        {
            **SMALL,
            "script": [{"say": "x", "run": "make", "delete": "a", "edit": {"b": {"find": "1", "replace": ""}}}],
            "reviewer": [{"score": 1, "verdict": True, "issues": "one"}, "garbage"],
        },
        name="calc.obra.yaml",
    )
    assert scenario.name == "calc"
    assert scenario.script == (ScriptStep(say="x", run=("make",), delete=("a",), edit={"b": ("1", "")}),)
    assert scenario.reviewer[0]["verdict"] == "yes"
    assert scenario.reviewer[0]["issues"] == ("one",)
    assert scenario.reviewer[1] == "garbage"


def test_nothing_given_is_not_an_empty_script():
    """A scenario without a script has none, which is not a script of no steps."""
    assert Scenario.from_data(SMALL).script is None
    assert Scenario.from_data({**SMALL, "script": []}).script == ()


def test_how_often_it_runs():
    """A scenario runs once unless it says otherwise."""
    assert Scenario.from_data(SMALL).repeat == 1
    assert Scenario.from_data({**SMALL, "repeat": 5}).repeat == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task: {title: t}\nrepeat: 0\n", ":2: 'repeat': "),
        ("task: {title: t}\nrepeat: '3'\n", ":2: 'repeat': "),
        ("task: {title: t}\nrepaet: 2\n", "did you mean 'repeat'?"),
        ("task: {title: t}\nchekcs: []\n", ":2: unknown key 'chekcs'; did you mean 'checks'?"),
        ("task:\n  titel: t\n", ":2: unknown key 'task.titel'; did you mean 'task.title'?"),
        ("checks: []\n", "the key 'task' is missing"),
        ("task: {title: ''}\n", ":1: 'task.title'"),
        ("task: {title: t}\nchecks:\n  - file: a\n  - fiel: b\n", ":4: 'checks.1': "),
        ("task: {title: t}\nchecks:\n  - fiel: b\n", "did you mean 'file'?"),
        ("task: {title: t}\nscript:\n  - say: x\n    wirte: {}\n", ":4: unknown key 'script.0.wirte'"),
        ("task: {title: t}\nscript:\n  - write: {../a: x}\n", "inside the workspace"),
        ("task: {title: t}\nscript:\n  - delete: /etc\n", "inside the workspace"),
        ("task: {title: t}\nlimits: {iterations: 0}\n", "'limits.iterations'"),
        ("task: {title: t}\nexpect: {status: done}\n", "'completed', 'escalated' or 'failed'"),
        ("task: {title: t}\nexpect:\n  truth:\n    - pyhton: a.py\n", ":4: 'expect.truth.0'"),
        ("task: {title: t}\nworkspace: {template: nowhere}\n", ":2: 'workspace.template': no folder 'nowhere'"),
        ("task: {title: t\n", "wrong.obra.yaml:"),
        ("task: {title: t}\ntask: {title: u}\n", ":2: the key 'task' stands here twice"),
        ("- a\n- b\n", ":1: a scenario is a mapping with the keys checks, description"),
        ("", ":1: a scenario is a mapping"),
        ("task: {title: t}\nreviewer: [{score: 101}]\n", ":2: 'reviewer.0"),
    ],
)
def test_a_wrong_file_is_answered_with_place_and_word(tmp_path, text, words):
    """File, line, key, and what was expected or the nearest right word."""
    path = written(tmp_path, text)
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path):
    """A file that is not there is one sentence."""
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        Scenario.load(tmp_path / "none.obra.yaml")


KEYS = st.sampled_from(["task", "title", "checks", "script", "say", "expect", "truth", "file", "x"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text()
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@settings(deadline=None)  # the first example pays for imports
@given(st.dictionaries(KEYS, DATA))
def test_any_data_is_a_scenario_or_a_clear_error(data):
    """Whatever the YAML holds, it is read or refused with words; nothing else escapes."""
    try:
        Scenario.from_data(data)
    except ScenarioError as error:
        assert str(error).startswith("scenario:")


def test_a_form_that_was_let_go_is_made_anew(tmp_path):
    """Also when the file has changed since, for each case its own, and with values that only YAML has."""
    path = written(
        tmp_path,
        """
        parameters: {word: [one, two]}
        task: {title: say $word}
        checks:
          - contains: {file: a.txt, text: $word}
        script: [{say: Done., write: {a.txt: $word}}]
        expect: {iterations: {max: 2}}
        """,
    )
    cases = Scenario.load_cases(path)
    before = [(case.form, case.parts[0].task_data(), case.script) for case in cases]
    path.write_text("task: {title: another}\n", encoding="utf-8")
    for case in cases:
        case.release()
    assert [(case.form, case.parts[0].task_data(), case.script) for case in cases] == before
    assert [case.case for case in cases] == [f"{path.name[:-10]}[{word}]" for word in ("one", "two")]
    assert cases[0].parameters == {"word": "one"}


def test_a_changed_case_keeps_its_form():
    """What stands in no file is kept when the case is let go."""
    changed = Scenario.from_data(SMALL).changed(description="other")
    changed.release()
    assert changed.form.description == "other"
