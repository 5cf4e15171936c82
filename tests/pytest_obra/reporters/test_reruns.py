"""A test that a plugin runs again: each report shows both executions, and what counts."""

import json
import xml.etree.ElementTree as ET

import pytest

from obra.statistics.exit_codes import RunExit
from pytest_obra.plugin import pytest_report_teststatus

pytest.importorskip("pytest_rerunfailures")
pytest.importorskip("allure_pytest")

FIRST_REVIEW_IS_BAD = """
import pytest
reviews = []

@pytest.fixture
def obra_llm(obra_llm):
    reviews.append(1)
    if len(reviews) == 1:
        obra_llm.generate = lambda *_, **__: '{"verdict": "no", "score": 10, "issues": ["x"]}'
    return obra_llm
"""


@pytest.fixture
def rerun(pytester, scenario_file, run):
    """Run a scenario whose first execution fails and whose second one passes."""
    scenario_file("flaky", limits={"iterations": 1}, markers=["critical", "owner_ann", "feature_Files"])
    pytester.makeconftest(FIRST_REVIEW_IS_BAD)
    result = run("--reruns=2", "--alluredir=found", "--junitxml=out.xml")
    result.stdout.fnmatch_lines(["*1 passed, 1 rerun*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED  # a wrong verdict is none the less wrong for another run
    result.stdout.fnmatch_lines(
        [
            "flaky*mock*wrong *",
            "flaky*mock*(passed) *",
            "scenarios: 1, 1 wrong",
            "in brackets, and not counted: 1 *",
            "passed only when run again, and the first verdict counts: flaky",
        ]
    )
    return pytester.path


def test_the_first_verdict_counts(rerun):
    """The rerun is told, and makes no failed scenario a passed one."""
    (summary,) = [json.loads(path.read_text()) for path in rerun.glob("reports/*/summary.json")]
    assert (summary["counts"]["passed"], summary["counts"]["verdict_wrong"], summary["reruns"]) == (0, 1, 1)
    assert [(one["execution"], one["result"], one["counts"]) for one in summary["scenarios"]] == [
        (1, "verdict_wrong", True), (2, "passed", False),
    ]  # fmt: skip


def test_machinery_that_broke_and_is_run_again_is_shown_as_a_rerun():
    """Whichever plugin is asked first; at its last execution it is an error."""
    report = pytest.TestReport("a", ("a", 0, "a"), {}, "rerun", None, "call")
    vars(report)["obra_broke"] = True
    assert pytest_report_teststatus(report) is None
    report.outcome = "failed"
    assert pytest_report_teststatus(report) == ("error", "E", "ERROR")


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_rerun_that_the_budget_does_not_allow_leaves_out_nothing(pytester, scenario_file, run, workers):
    """The scenario has its verdict, which stands; it is not among those that did not run."""
    scenario_file("bad", limits={"iterations": 1}, script=[{"say": "Hm."}])
    result = run("--reruns=1", "--obra-budget-tokens=1", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["scenarios: 1, 1 failed"])
    result.stdout.no_fnmatch_line("not run:*")
    (summary,) = [json.loads(path.read_text()) for path in pytester.path.glob("reports/*/summary.json")]
    assert (summary["not_run"], summary["counts"]["agent_failed"]) == ([], 1)
    result = run("--reruns=1", "--obra-budget-tokens=1", "--obra-min-pass-rate=0", *workers)
    assert result.ret == pytest.ExitCode.OK  # the gate answers for the failure, and nothing was left out


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_setup_that_breaks_each_time_is_broken_machinery(pytester, scenario_file, run, workers):
    """What ran before its last execution does not take it from the report."""
    scenario_file("good")
    scenario_file("never")
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def obra_workspace(obra_workspace, request):
            if "never" in request.node.nodeid:
                raise RuntimeError("gone")
            return obra_workspace
        """
    )
    result = run("--reruns=1", *workers)
    assert result.ret == RunExit.MACHINERY_BROKE
    result.stdout.fnmatch_lines(["scenarios: 2, 1 passed, 1 broke"])
    result.stdout.no_fnmatch_line("not run:*")


def test_allure_shows_one_test_with_a_retry(rerun):
    """Two results of one history, each with its own steps, labels once, and the files of the run."""
    results = sorted(
        (json.loads(path.read_text()) for path in (rerun / "found").glob("*-result.json")),
        key=lambda one: one["start"],
    )
    assert [one["status"] for one in results] == ["failed", "passed"]
    assert len({one["historyId"] for one in results}) == 1
    for one in results:
        assert one["name"] == "flaky (mock)"
        (scenario,) = one["steps"]
        assert [step["name"][:9] for step in scenario["steps"]][:1] == ["attempt 1"]
        labels = [(label["name"], label["value"]) for label in one["labels"]]
        for label in (("severity", "critical"), ("owner", "ann"), ("feature", "Files"), ("story", "flaky")):
            assert labels.count(label) == 1
    properties = (rerun / "found" / "environment.properties").read_text()
    assert "obra=" in properties
    assert "python=CPython" in properties


def test_junit_has_the_properties_once(rerun):
    """They are those of the last execution, whose outcome JUnit shows."""
    cases = list(ET.parse(rerun / "out.xml").iter("testcase"))
    last = {one.get("name"): one.get("value") for one in cases[-1].iter("property")}
    assert last["obra_result"] == "passed"
    assert (last["obra_case"], last["obra_iterations"], last["obra_cost_usd"]) == ("flaky", "1", "0.0")
    names = [one.get("name") for one in cases[-1].iter("property")]
    assert len(names) == len(set(names))


def test_machinery_that_broke_once_is_no_failure(pytester, scenario_file, run):
    """There was no verdict, so the next execution takes its place, and all is well."""
    scenario_file("shaky")
    pytester.makeconftest(FIRST_REVIEW_IS_BAD.replace("lambda *_, **__: '", "lambda *_, **__: 1 / 0 or '"))
    result = run("--reruns=2")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["shaky*mock*(broke) *", "shaky*mock*passed *", "scenarios: 1, 1 passed"])
    result.stdout.no_fnmatch_line("passed only when run again*")
