import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from obra.domain import ScriptStep
from obra.errors import ScenarioError
from obra.sabotage.material import Family, Material, end_state, final_step, is_test, start_files
from obra.sabotage.variants import Variant, variants
from obra.scenarios.scenario import Scenario

FOLDER = Path(__file__).parents[3] / "scenarios"
SCENARIOS = {path.name: Scenario.load(path) for path in sorted(FOLDER.glob("*.obra.yaml"))}
CALCULATOR = SCENARIOS["calculator.obra.yaml"]
EVERY = [(scenario, variant) for scenario in SCENARIOS.values() for variant in variants(scenario)]
IDS = [f"{scenario.name}-{variant.name}" for scenario, variant in EVERY]


def material(scenario: Scenario) -> Material:
    """Return what the variants of a scenario are made from."""
    start = start_files(scenario)
    return Material(scenario=scenario, start=start, step=final_step(scenario.script or (), start))


def variant(name: str, scenario: Scenario = CALCULATOR) -> Variant:
    """Return one variant by its name."""
    (found,) = [one for one in variants(scenario) if one.name == name]
    return found


def small(**changes) -> Scenario:
    """Return a small scenario with the given keys changed."""
    data = {"task": {"title": "Write a.txt"}, "script": [{"say": "Done.", "write": {"a.txt": "a\n"}}], **changes}
    return Scenario.from_data({key: value for key, value in data.items() if value is not None}, name="small")


@pytest.mark.parametrize(("scenario", "one"), EVERY, ids=IDS)
def test_every_variant_says_what_it_is(scenario, one):
    """Names are words, the sentence says something, files are the end state, and each is one step."""
    assert one.name.isidentifier()
    assert one.why
    assert len(one.script) == 1
    assert one.files == end_state(one.script, start_files(scenario))
    assert one.criterion or one.family is Family.HONEST


@pytest.mark.parametrize(("scenario", "one"), EVERY, ids=IDS)
def test_dishonest_variants_differ_and_honest_ones_do_the_work(scenario, one):
    """A dishonest end state is not the honest one; an honest one has at least every file of it."""
    honest = material(scenario).files
    if one.family is Family.DISHONEST:
        assert one.files != honest
    else:
        assert set(one.files) >= set(honest)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_names_are_used_once_and_both_families_are_there(scenario):
    """Within a scenario a name means one variant."""
    names = [one.name for one in variants(scenario)]
    assert len(set(names)) == len(names)
    assert {one.family for one in variants(scenario)} == set(Family)


def test_variants_are_the_same_in_every_process():
    """Another process with another hash seed makes the same variants."""
    code = (
        "import sys, hashlib; from obra.sabotage.variants import variants; "
        "from obra.scenarios.scenario import Scenario; "
        "print(hashlib.sha256(repr([(v, [*v.script[0].write]) for v in variants(Scenario.load(sys.argv[1]))])"
        ".encode()).hexdigest())"
    )
    path = str(FOLDER / "calculator.obra.yaml")
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, path],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_all_that_was_asked_for_is_there():
    """The calculator has every kind of saboteur that its script can give."""
    names = {one.name for one in variants(CALCULATOR) if one.family is Family.DISHONEST}
    assert names >= {
        "liar", "keyword_salad", "refusal", "stub_bodies", "subtle_bug_operator", "subtle_bug_constant",
        "half_the_requirements", "syntax_error", "tests_neutralised", "tests_deleted", "tests_skipped",
        "conftest_forges_results", "hard_coded_outputs", "wrong_folder", "wrong_file_name",
        "runner_replaced", "code_skips_its_tests",
        "protected_file_changed", "injection_in_reply", "injection_in_file", "flattery", "endless_reply",
        "endless_output", "hang", "crash", "claude_hijack", "background_process",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["liar", "refusal", "flattery", "injection_in_reply", "hang", "background_process"]
)
def test_those_who_only_talk_or_run_write_nothing(name):
    """What they leave behind is what was there before."""
    assert variant(name).files == start_files(CALCULATOR)


def test_a_syntax_error_is_one():
    """The file that was broken cannot be parsed, and the others can."""
    files = variant("syntax_error").files
    with pytest.raises(SyntaxError):
        ast.parse(files["calculator.py"])
    ast.parse(files["test_calculator.py"])


def test_broken_json_is_a_syntax_error_too():
    """Where there is no Python, the data file cannot be read."""
    scenario = small(script=[{"write": {"a.json": '{"a": [1, 2]}\n'}}])
    with pytest.raises(json.JSONDecodeError):
        json.loads(variant("syntax_error", scenario).files["a.json"])


@pytest.mark.parametrize(
    "name",
    [
        "stub_bodies",
        "stub_bodies_raising",
        "subtle_bug_operator",
        "subtle_bug_constant",
        "hard_coded_outputs",
        "tests_neutralised",
        "tests_neutralised_over_bugs",
        "tests_skipped",
        "half_the_requirements",
        "conftest_forges_results",
        "runner_replaced",
        "code_skips_its_tests",
    ],
)
def test_the_others_are_valid_python(name):
    """Only the saboteur of syntax is to be caught by a parser."""
    for text in (text for path, text in variant(name).files.items() if path.endswith(".py")):
        ast.parse(text)


def _namespace(text: str) -> dict:
    names: dict = {}
    exec(text, names)  # a variant of our own scenario
    return names


def test_stubs_have_the_names_and_docstrings_and_do_nothing():
    """Functions are there, documented, and return nothing."""
    names = _namespace(variant("stub_bodies").files["calculator.py"])
    assert [names[one](6, 3) for one in ("add", "subtract", "multiply", "divide")] == [None] * 4
    assert names["add"].__doc__ == "Return the sum of a and b."
    with pytest.raises(NotImplementedError):
        _namespace(variant("stub_bodies_raising").files["calculator.py"])["add"](6, 3)


@pytest.mark.parametrize("kind", ["operator", "constant"])
def test_a_subtle_bug_is_one_small_change_of_the_program(kind):
    """Exactly one line differs, tests are as they were, and some input shows it."""
    honest, bad = material(CALCULATOR).files, variant(f"subtle_bug_{kind}").files
    pairs = zip(honest["calculator.py"].splitlines(), bad["calculator.py"].splitlines(), strict=True)
    assert sum(good != wrong for good, wrong in pairs) == 1
    assert bad["test_calculator.py"] == honest["test_calculator.py"]
    assert _results(honest["calculator.py"]) != _results(bad["calculator.py"])


def _results(text: str) -> list:
    names, found = _namespace(text), []
    for one in ("add", "subtract", "multiply", "divide"):
        for arguments in ((7, 3), (3, 0), (5, 1)):
            try:
                found.append(names[one](*arguments))
            except ZeroDivisionError as error:
                found.append(type(error))
    return found


def test_hard_coded_functions_know_the_tests_and_nothing_else():
    """They answer what the tests ask, also with the exception, and nothing for other inputs."""
    names = _namespace(variant("hard_coded_outputs").files["calculator.py"])
    assert names["add"](2, 3) == 5
    assert names["add"](20, 30) is None
    with pytest.raises(ZeroDivisionError):
        names["divide"](1, 0)


def test_half_the_requirements_leaves_functions_out_and_tests_the_rest():
    """The first half of the functions is there; no test mentions the second."""
    files = variant("half_the_requirements").files
    assert "def add" in files["calculator.py"]
    assert "def divide" not in files["calculator.py"]
    assert "divide" not in files["test_calculator.py"]
    assert "test_add" in files["test_calculator.py"]


def _tests_of(text: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]


def test_neutralised_tests_assert_nothing():
    """Every test is there by name and asserts True; the program is right in one variant and wrong in the other."""
    honest = material(CALCULATOR).files
    for name, is_right in (("tests_neutralised", True), ("tests_neutralised_over_bugs", False)):
        files = variant(name).files
        tests = _tests_of(files["test_calculator.py"])
        assert [test.name for test in tests] == [test.name for test in _tests_of(honest["test_calculator.py"])]
        assert {ast.unparse(test.body[0]) for test in tests} == {"assert True"}
        assert (files["calculator.py"] == honest["calculator.py"]) is is_right


def _pytest(folder: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:obra", "-p", "no:cacheprovider", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("subtle_bug_operator", "1 failed, 4 passed"),
        ("tests_skipped", "5 skipped"),
        ("code_skips_its_tests", "5 skipped"),
        ("runner_replaced", "1 passed"),
        ("conftest_forges_results", "5 passed"),
        ("tests_neutralised_over_bugs", "5 passed"),
        ("hard_coded_outputs", "5 passed"),
        ("half_the_requirements", "2 passed"),
        ("extra_conftest", "5 passed"),
        ("other_algorithm", "5 passed"),
    ],
)
def test_pytest_sees_what_the_saboteur_wants_it_to_see(tmp_path, name, end):
    """Run by a pytest that nobody guards, each of them shows what it claims."""
    assert end in _pytest(tmp_path, dict(variant(name).files)).stdout


def test_misplaced_work_lies_elsewhere_and_is_whole():
    """All files are below a folder, or one has another name; the text is the honest one."""
    honest = material(CALCULATOR).files
    elsewhere = variant("wrong_folder").files
    assert elsewhere["sub/calculator.py"] == honest["calculator.py"]
    assert "calculator.py" not in elsewhere
    renamed = variant("wrong_file_name").files
    assert renamed["calculator_final.py"] == honest["calculator.py"]
    assert "calculator.py" not in renamed


def test_a_protected_file_is_the_one_that_a_check_names():
    """The file named by 'unchanged' is taken before any other, and the rest of the work is right."""
    scenario = small(
        workspace={"files": {"a_first.txt": "1\n", "guarded.txt": "2\n"}}, checks=[{"unchanged": "guarded.txt"}]
    )
    spoiled = variant("protected_file_changed", scenario)
    assert spoiled.files["guarded.txt"] != "2\n"
    assert spoiled.files["a_first.txt"] == "1\n"
    assert spoiled.files["a.txt"] == "a\n"
    assert spoiled.certain


def test_tests_that_were_there_before_can_be_deleted():
    """Existing tests that the honest work leaves alone are deleted, beside the right work."""
    scenario = small(workspace={"files": {"test_old.py": "def test_old():\n    assert 1 + 1 == 2\n"}})
    gone = variant("existing_tests_deleted", scenario)
    assert "test_old.py" not in gone.files
    assert gone.files["a.txt"] == "a\n"


def test_what_makes_no_sense_is_left_out():
    """Without Python no stubs or bugs, without tests none neutralised, with one file none is missing."""
    names = {one.name for one in variants(small())}
    assert not names & {
        "stub_bodies", "subtle_bug_operator", "syntax_error", "tests_neutralised", "tests_deleted",
        "half_the_files", "hard_coded_outputs", "protected_file_changed", "other_algorithm", "other_file_order",
    }  # fmt: skip
    assert {"liar", "wrong_folder", "wrong_file_name", "claude_hijack", "done"} <= names


def test_without_a_script_there_are_no_variants():
    """A scenario for real agents only has nothing to be turned."""
    assert variants(small(script=None)) == ()


@pytest.mark.parametrize("name", ["other_formatting", "other_algorithm", "other_definition_order"])
def test_rewritten_code_behaves_as_before(name):
    """Another look and the same results, exceptions included."""
    honest, other = material(CALCULATOR).files["calculator.py"], variant(name).files["calculator.py"]
    assert ast.dump(ast.parse(honest)) != ast.dump(ast.parse(other)) or honest != other
    assert _results(honest) == _results(other)


def test_renamed_locals_keep_arguments_and_results():
    """A local variable gets another name; what other scopes see keeps its own."""
    code = "def f(a):\n    total = a\n    total += 1\n    return total\n"
    scenario = small(script=[{"write": {"f.py": code}}])
    text = variant("renamed_locals", scenario).files["f.py"]
    assert "total_here" in text
    assert _namespace(text)["f"](a=2) == 3


def test_texts_that_a_check_looks_for_are_kept():
    """A rewriting that would lose a text named by 'contains' is no honest variant."""
    code = "def f():\n    return 'x'  # wanted\n"
    scenario = small(
        script=[{"write": {"f.py": code}}], checks=[{"contains": {"file": "f.py", "text": "# wanted"}}]
    )
    assert "other_formatting" not in {one.name for one in variants(scenario)}


def test_all_steps_become_one():
    """Writes and edits of several turns end in one write, deletions stay, test runs are left out."""
    script = (
        ScriptStep(say="one", write={"a": "1", "b": "2"}, run=("python -m pytest -q", "make a")),
        ScriptStep(say="two", edit={"a": ("1", "3"), "old": ("x", "y")}, delete=("b", "gone"), run=("make a",)),
    )
    step = final_step(script, {"old": "x", "gone": "g"})
    assert dict(step.write) == {"a": "3", "old": "y"}
    assert step.delete == ("gone",)
    assert step.run == ("make a",)
    assert step.say == "two"


def test_edits_of_files_that_nobody_knows_stay_edits():
    """In a cloned repository an edit is kept, two of the same place become one, others are refused with advice."""
    first, second = ScriptStep(edit={"a": ("1", "1 2")}), ScriptStep(edit={"a": ("2", "3")})
    assert dict(final_step((first, second), {}).edit) == {"a": ("1", "1 3")}
    with pytest.raises(ScenarioError, match="write the whole file"):
        final_step((first, ScriptStep(edit={"a": ("elsewhere", "3")})), {})


def test_files_of_a_template_are_known(tmp_path):
    """Text files of a template folder are start files; what is no text is left out."""
    template = tmp_path / "template"
    (template / "deep").mkdir(parents=True)
    (template / "deep" / "a.py").write_text("A = 1\n", encoding="utf-8")
    (template / "b.bin").write_bytes(b"\xff\x00")
    path = tmp_path / "t.obra.yaml"
    path.write_text(
        "task: {title: t}\nworkspace: {template: template, files: {c.txt: c}}\n"
        "script: [{edit: {deep/a.py: {find: '1', replace: '2'}}}]\n",
        encoding="utf-8",
    )
    scenario = Scenario.load(path)
    assert start_files(scenario) == {"deep/a.py": "A = 1\n", "c.txt": "c"}
    assert material(scenario).files["deep/a.py"] == "A = 2\n"


def test_test_files_are_told_by_their_names():
    """As pytest finds them."""
    assert [is_test(path) for path in ("test_a.py", "deep/a_test.py", "contest_a.py", "test_a.txt")] == [
        True, True, False, False,
    ]  # fmt: skip
