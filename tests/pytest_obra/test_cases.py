"""Parameters, settings, several tasks and time limits of scenarios, as pytest sees them."""

from __future__ import annotations

import json

import pytest

ASKS = {"say": "Which name shall I take? Should it be upper case?"}
MATRIX = {
    "parameters": {"op": ["add", "sub"], "size": [1, 2]},
    "task": {"title": "Make $op.txt"},
    "checks": [{"file": "$op.txt"}],
    "script": [{"say": "Done.", "write": {"$op.txt": "$size\n"}}],
    "expect": {"truth": [{"contains": {"file": "$op.txt", "text": "$size"}}]},
}


def rows_of(pytester):
    """Return the rows that the only run left."""
    (path,) = pytester.path.glob("reports/*/results.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_case_is_a_test(pytester, scenario_file, run):
    """Ids read well and choose one; rows name the case and its values."""
    scenario_file("calc", **MATRIX)
    listed = run("--collect-only", "-q")
    listed.stdout.fnmatch_lines(["calc.obra.yaml::test_scenario[[]mock-calc[[]add-1[]][]]"])
    run("calc.obra.yaml::test_scenario[mock-calc[sub-2]]").assert_outcomes(passed=1)
    (row,) = rows_of(pytester)
    assert (row["scenario"], row["case"], row["parameters"]) == ("calc", "calc[sub-2]", {"op": "sub", "size": "2"})
    run("-k", "calc[add").assert_outcomes(passed=2, deselected=2)


def test_several_tasks_without_a_description_of_the_whole_run_under_allure(pytester, scenario_file, run):
    """Their titles stand in its place, one behind the other."""
    pytest.importorskip("allure_pytest")
    tasks = [
        {
            "name": name,
            "task": {"title": f"Make {name}"},
            "checks": [{"file": name}],
            "script": [{"say": "Done.", "write": {name: "text"}}],
            "reviewer": [{"score": 90}],
        }
        for name in ("first", "second")
    ]
    scenario_file("both", task=None, checks=None, script=None, reviewer=None, expect=None, tasks=tasks)
    run("--alluredir=found").assert_outcomes(passed=1)
    (result,) = (pytester.path / "found").glob("*-result.json")
    assert json.loads(result.read_text())["description"] == "Make first; Make second"


def test_tasks_people_and_settings_play_in_pytest(pytester, scenario_file, run):
    """Several tasks each get a session of their own; answers are played; the scenario's settings are in force."""
    second = {
        "name": "second",
        "after": "first",
        "task": {"title": "Make b.txt"},
        "checks": [{"file": "b.txt"}],
        "script": [ASKS, {"say": "Done.", "write": {"b.txt": "x"}}],
        "reviewer": [{"score": 20}, {"score": 95}],
        "human": "Lower case",
    }
    first = {
        "name": "first",
        "task": {"title": "Make a.txt"},
        "checks": [{"file": "a.txt"}],
        "script": [{"say": "Done.", "write": {"a.txt": "x"}}, {"say": "never played"}],
        "reviewer": [{"score": 90}],
    }
    scenario_file(
        "many",
        task=None,
        checks=None,
        script=None,
        reviewer=None,
        tasks=[second, first],
        settings={"orchestration": {"max_iterations": 2}},
        expect={"truth": [{"file": ["a.txt", "b.txt"]}]},
    )
    run().assert_outcomes(passed=1)
    (row,) = rows_of(pytester)
    assert [(one["name"], one["status"], one["iterations"]) for one in row["tasks"]] == [
        ("second", "completed", 2),
        ("first", "completed", 1),
    ]
    assert [(one["task"], one["answer"], one["by"]) for one in row["human"]] == [("second", "Lower case", "human")]


def test_a_limit_of_the_task_limits_the_test(pytester, scenario_file, run):
    """limits.seconds becomes a limit of pytest-timeout with a margin, unless somebody set another one."""
    scenario_file("limited", limits={"seconds": 30})
    scenario_file("free")
    pytester.makeconftest(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                print(item.name, [mark.args for mark in item.iter_markers("timeout")])
        """
    )
    run("--collect-only", "-s").stdout.fnmatch_lines_random(["*limited[]] [[](660.0,)[]]", "*free[]] [[][]]"])
    run("--collect-only", "-s", "--timeout=5").stdout.fnmatch_lines(["*limited[]] [[][]]"])
    run("--collect-only", "-s", "-p", "no:timeout").stdout.fnmatch_lines(["*limited[]] [[][]]"])


def test_sabotage_takes_each_case(scenario_file, run):
    """Variants are made of every case, with its values in place."""
    scenario_file("calc", **{**MATRIX, "parameters": {"op": ["add", "sub"], "size": [7]}})
    listed = run("--obra-sabotage", "--collect-only", "-q").stdout.str()
    assert "[add-7]" in listed
    assert "[sub-7]" in listed
