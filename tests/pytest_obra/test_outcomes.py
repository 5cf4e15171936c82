"""Outcomes: FAILED means that the agent or the verdict was bad, ERROR that the machinery broke."""

import xml.etree.ElementTree as ET

import pytest

from obra.statistics.exit_codes import RunExit

LIE = [{"say": "Done. All tests pass."}] * 3


def test_a_good_scenario_passes_and_is_told(scenario_file, run):
    """The closing table shows scores and says where the report lies."""
    scenario_file("good")
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["scenario*agent*result*quality*", "good*mock*passed*completed*", "report: reports/*"]
    )


def test_a_liar_is_a_failed_test_with_its_story(scenario_file, run):
    """What was expected, what was seen, and each attempt; no traceback."""
    scenario_file("liar", script=LIE, reviewer=[{"score": 100}] * 3, limits={"iterations": 3})
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*status: expected completed, got escalated*", "*Attempt 3*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_false_accept_is_a_wrong_verdict(pytester, scenario_file, run):
    """Obra says completed and the hidden truth says no: that is the worst bug, and named so."""
    scenario_file("fooled", expect={"truth": [{"contains": {"file": "hello.txt", "text": "goodbye"}}]})
    result = run("--junitxml=out.xml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*verdict*wrong*"])
    properties = {
        one.get("name"): one.get("value") for one in ET.parse(pytester.path / "out.xml").iter("property")
    }
    assert properties["obra_result"] == "verdict_wrong"
    assert properties["obra_status"] == "completed"


def test_broken_machinery_is_an_error(pytester, scenario_file, run):
    """A database that cannot be used is ERROR, in the terminal and in JUnit, with one clear message."""
    scenario_file("good")
    (pytester.path / "obra.yaml").write_text("database: {url: 'sqlite:////proc/nowhere/obra.db'}\n")
    result = run("--obra-config=obra.yaml", "--junitxml=out.xml")
    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.fnmatch_lines(["ERROR good.obra.yaml*"])
    suite = next(ET.parse(pytester.path / "out.xml").iter("testsuite"))
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    assert result.ret == RunExit.MACHINERY_BROKE


def test_machinery_that_breaks_in_a_run_is_an_error_too(pytester, scenario_file, run):
    """The same for what breaks inside the test's own call, such as a reviewer that is not there."""
    scenario_file("good")
    (pytester.path / "obra.yaml").write_text("llm: {api_url: 'http://127.0.0.1:9'}\n")
    pytester.makeconftest(
        """
        import pytest
        from obra import LocalLLMInterface

        @pytest.fixture
        def obra_llm(obra_config):
            return LocalLLMInterface(obra_config.settings.llm.model_dump())
        """
    )
    result = run("--obra-config=obra.yaml", "--junitxml=out.xml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*The machinery broke*no LLM server answers at http://127.0.0.1:9*"])
    suite = next(ET.parse(pytester.path / "out.xml").iter("testsuite"))
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")


def test_a_vague_task_is_expected_to_escalate(scenario_file, run):
    """A right escalation passes; a trigger that did not fire fails."""
    vague = {"checks": [], "reviewer": [{"score": 30, "issues": ["what is better?"]}]}
    scenario_file("vague", **vague, expect={"status": "escalated", "breakpoint": "quality_too_low"})
    scenario_file("wrong", **vague, expect={"status": "escalated", "breakpoint": "tampering"})
    result = run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*breakpoint: expected tampering, got quality_too_low*"])


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ({"iterations": {"min": 2}}, "iterations: expected 2 to any, got 1"),
        ({"quality": {"max": 10}}, "quality: expected 0 to 10, got "),
        ({"confidence": {"min": 99.9, "max": 99.9}}, "confidence: expected 99.9 to 99.9, got "),
        ({"quality_rises": True}, "quality over attempts: expected rising, got "),
        ({"status": "escalated"}, "status: expected escalated, got completed"),
    ],
)
def test_each_expectation_can_fail(scenario_file, run, expect, words):
    """Every key of expect: is looked at, and says what was expected and seen."""
    scenario_file("good", expect=expect)
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{words}*"])


def test_one_test_runs_one_scenario(pytester, scenario_file, run):
    """A second call in the same test is refused with what to do instead."""
    scenario_file("good", folder="scenarios")
    pytester.makepyfile(
        """
        from obra.scenarios.scenario import Scenario

        def test_twice(run_scenario):
            scenario = Scenario.load("scenarios/good.obra.yaml")
            assert run_scenario(scenario).passed
            run_scenario(scenario)
        """
    )
    result = run("test_one_test_runs_one_scenario.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*run_scenario was called twice*obra_scenarios*"])
