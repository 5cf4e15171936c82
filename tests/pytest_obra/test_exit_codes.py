"""The exit code tells of every failure that pytest knows, not only of those that a test's report carries."""

import json

import pytest

from obra.statistics.exit_codes import RunExit

BAD = {"script": [{"say": "Done."}] * 3, "reviewer": [{"score": 10}] * 3}
EXPECTED_TO_FAIL = """
import pytest


@pytest.mark.xfail(reason="the agent is not that far")
@pytest.mark.obra_scenarios("scenarios/*.obra.yaml")
def test_mine(scenario, run_scenario):
    assert run_scenario(scenario).passed
"""


@pytest.mark.parametrize("options", [[], ["--obra-min-pass-rate=1"], ["-n", "1"]])
def test_what_another_plugin_demands_is_not_waved_through(scenario_file, run, pytester, options):
    """A plugin of coverage counts a failure that no test has: the scenarios passed, and the run fails."""
    scenario_file("good")
    pytester.makeconftest(
        """
        import pytest


        @pytest.hookimpl(wrapper=True)
        def pytest_runtestloop(session):
            made = yield
            if not hasattr(session.config, "workerinput"):
                session.testsfailed += 1
            return made
        """
    )
    result = run(*options)
    result.assert_outcomes(passed=1)
    assert result.ret == RunExit.FAILED


@pytest.mark.parametrize("gate", [[], ["--obra-min-pass-rate=0.4"]])
def test_a_session_that_is_cut_short_is_no_success(scenario_file, run, pytester, gate):
    """A limit for the whole session ends the loop between two tests: what passed until then proves nothing."""
    scenario_file("a_good")
    scenario_file("b_never")
    pytester.makeconftest(
        """
        def pytest_runtest_teardown(item):
            item.session.shouldfail = "the session took too long"
        """
    )
    result = run(*gate)
    result.assert_outcomes(passed=1)
    assert result.ret == RunExit.FAILED
    result.stdout.fnmatch_lines(["not run: b_never*"])


def test_a_gate_does_not_answer_for_what_x_left_out(scenario_file, run):
    """Any rate would be enough, but what stands behind the first failure never began."""
    scenario_file("a_bad", **BAD)
    scenario_file("b_good")
    result = run("-x", "--obra-min-pass-rate=0")
    result.assert_outcomes(failed=1)
    assert result.ret == RunExit.FAILED
    assert run("--obra-min-pass-rate=0").ret == RunExit.OK


def test_x_behind_broken_machinery_says_machinery(scenario_file, run):
    """Nothing failed: there is no verdict."""
    scenario_file("a_broken", workspace={"git": {"url": "nowhere.git"}})
    scenario_file("b_good")
    assert run("-x").ret == RunExit.MACHINERY_BROKE


@pytest.mark.parametrize("what", ["raise RuntimeError('gone')", "raise SystemExit(0)"])
def test_machinery_that_breaks_is_not_what_was_expected_to_fail(scenario_file, run, pytester, what):
    """``xfail`` is about the agent; where the machinery broke nobody knows of it."""
    scenario_file("good", folder="scenarios")
    pytester.makeconftest(
        f"""
        import pytest
        from obra import MockAgent


        class Broken(MockAgent):
            def send_prompt(self, *values, **named):
                {what}


        @pytest.fixture
        def obra_agent(obra_config):
            agent = Broken()
            agent.initialize(obra_config.settings.agent.model_dump())
            return agent
        """
    )
    pytester.makepyfile(test_mine=EXPECTED_TO_FAIL)
    result = run("test_mine.py")
    assert result.ret == RunExit.MACHINERY_BROKE
    (line,) = [
        line for file in pytester.path.glob("reports/*/results.jsonl") for line in file.read_text().splitlines()
    ]
    assert json.loads(line)["result"] == "machinery_broke"


def test_an_agent_that_fails_as_expected_is_no_failure(scenario_file, run, pytester):
    """What ``xfail`` is for stays: the verdict came, and it was the expected one."""
    scenario_file("bad", folder="scenarios", **BAD)
    pytester.makepyfile(test_mine=EXPECTED_TO_FAIL)
    result = run("test_mine.py")
    result.assert_outcomes(xfailed=1)
    assert result.ret == RunExit.OK
