import json
import os

import prepared_programs
import pytest

TESTS = """
import runpy
from dataclasses import replace

import allure
import pytest

from obra.domain import Evidence, Reply
from pytest_obra.reporters.allure_steps import attach

cases = runpy.run_path({cases!r})


def test_passed():
    first = cases["attempt"](1)
    good = cases["passing_report"]()
    outcome = replace(good.outcome, attempts=(first, *good.outcome.attempts))
    attach(replace(good, outcome=outcome))


@allure.severity(allure.severity_level.MINOR)
def test_failed():
    attach(cases["report"]())
    pytest.fail("the agent was bad", pytrace=False)


def test_hostile():
    text = "a\\ud800 {{x}} <b>\\x00\\n" * 50
    bad = cases["check"](text, passed=False, message=text, output=text)
    made = cases["attempt"](prompt=text, reply=Reply(text=text), evidence=Evidence(patch=text, checks=(bad,)))
    attach(cases["report"](attempts=(made,), scenario=text, truth=()))


@pytest.mark.parametrize("identity", ["agent 1", "agent 2"])
def test_versions(request, identity):
    attach(cases["passing_report"](agent_identity=request.node.callspec.params["identity"]))
"""


@pytest.fixture
def run_with_allure(tmp_path, cases):
    """Return a function that runs the tests above in a pytest of their own."""
    (tmp_path / "test_it.py").write_text(TESTS.format(cases=str(cases)))

    def run(*options):
        words = ["-q", "-p", "allure_pytest", "-p", "no:cacheprovider", *options, "."]
        variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return prepared_programs.run("pytest", words, folder=tmp_path, variables=variables)

    return run


@pytest.fixture
def results(tmp_path, run_with_allure):
    """Return what Allure wrote of each test, by test name, and the folder of the attachments."""
    done = run_with_allure("--alluredir=found")
    assert "1 failed, 4 passed" in done.out, done.out + done.err
    read = [json.loads(path.read_text()) for path in (tmp_path / "found").glob("*-result.json")]
    return {result["name"]: result for result in read}


def named(steps, start):
    """Return the one step whose name begins with *start*."""
    (found,) = [step for step in steps if step["name"].startswith(start)]
    return found


def test_allure_shows_the_whole_scenario_honestly(results, tmp_path):
    """Attempts hold everything; a check that failed early is red, and the test that passed is green."""
    result = results["test_passed"]
    assert result["status"] == "passed"
    scenario = named(result["steps"], "scenario calculator: passed, completed")
    assert scenario["status"] == "passed"
    first, second, expectations, hidden = scenario["steps"]

    assert (first["name"], first["status"]) == ("attempt 1: retry, 2.00 s", "failed")
    assert (second["name"], second["status"]) == ("attempt 1: proceed, 2.00 s", "passed")
    checks = named(first["steps"], "checks")
    assert [(step["name"], step["status"]) for step in checks["steps"]] == [
        ("file calculator.py: it is there", "passed"),
        ("pytest: expected exit 0, got 1", "failed"),
    ]
    assert "expected exit 0, got 1" in checks["steps"][1]["statusDetails"]["message"]
    assert "trace" not in checks["steps"][1]["statusDetails"]
    assert named(first["steps"], "review: no, score 40.0")["attachments"]
    quality = named(first["steps"], "quality: 55.0")
    assert quality["steps"][0]["name"] == "checks: 20.0 of 50.0: 1 of 2"
    assert named(first["steps"], "confidence: 61.5")["steps"][0]["name"] == "review: 5.0 of 20.0: it says no"
    decision = named(first["steps"], "decision: retry: a check failed")
    assert [one["name"] for one in decision["attachments"]] == ["reasons", "feedback for the next attempt"]
    assert (expectations["name"], hidden["name"]) == ("expectations", "hidden checks")

    (prompt,) = named(first["steps"], "prompt")["attachments"]
    (reply,) = named(first["steps"], "reply")["attachments"]
    coloured, diff = named(first["steps"], "work: 1 file changed")["attachments"]
    assert (reply["name"], coloured["type"]) == ("reply", "text/html")
    assert diff["source"].endswith(".diff")
    assert '<tr class="added">' in (tmp_path / "found" / coloured["source"]).read_text()
    assert (tmp_path / "found" / prompt["source"]).read_text() == "Write a calculator."
    assert "+def add(a, b)" in (tmp_path / "found" / diff["source"]).read_text()


def test_labels_name_agent_and_reviewer_and_leave_severity_alone(results):
    """Agent and LLM can be filtered by; what the test itself says of its weight stays the only word on it."""
    labels = {(label["name"], label["value"]) for label in results["test_failed"]["labels"]}

    assert {("agent", "mock agent"), ("llm", "scripted LLM"), ("severity", "minor")} <= labels
    assert not [label for label in results["test_passed"]["labels"] if label["name"] == "severity"]


def test_a_failed_scenario_is_red_with_its_reason(results):
    """The test's own failure stays the message of the test."""
    result = results["test_failed"]
    scenario = named(result["steps"], "scenario calculator")

    assert result["status"] == "failed"
    assert "the agent was bad" in result["statusDetails"]["message"]
    assert scenario["status"] == "failed"
    assert "agent_failed: the quality is too low" in scenario["statusDetails"]["message"]
    assert named(scenario["steps"], "hidden checks")["status"] == "failed"


def test_hostile_text_can_be_attached(results):
    """Text that is not Unicode, braces and control characters reach the report and break nothing."""
    result = results["test_hostile"]
    scenario = named(result["steps"], "scenario a\ufffd {x}")

    assert result["status"] == "passed"
    assert len(scenario["name"]) < 320
    assert named(named(scenario["steps"], "attempt 1")["steps"], "prompt")["attachments"]


def test_the_identity_of_an_agent_does_not_split_the_history(results):
    """A new version of an agent is shown as a parameter that the history does not count."""
    for name in ("test_versions[agent 1]", "test_versions[agent 2]"):
        shown = {one["name"]: one for one in results[name]["parameters"]}
        assert shown["agent identity"]["value"].strip("'") in name
        assert shown["agent identity"]["excluded"] is True


def test_without_a_report_folder_nothing_is_written(tmp_path, run_with_allure):
    """The steps cost nothing and leave nothing when nobody asked for them."""
    done = run_with_allure()

    assert "1 failed, 4 passed" in done.out, done.out + done.err
    assert not list(tmp_path.rglob("*-result.json"))
