import json
from pathlib import Path

import pytest

import obra.sabotage.trial

LOADED_BEFORE_ANY_RUN = (obra.sabotage.trial,)  # see conftest.py

STRICT = [{"contains": {"file": "hello.txt", "text": "hello"}}]
"""A criterion that no saboteur of the small scenario gets past."""


def report_of(pytester: pytest.Pytester) -> tuple[dict, str, list[dict]]:
    """Return summary, report and rows of the one run there was."""
    (folder,) = [path for path in (pytester.path / "reports").iterdir() if path.is_dir()]
    rows = [json.loads(line) for line in (folder / "sabotage.jsonl").read_text(encoding="utf-8").splitlines()]
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return summary, (folder / "report.md").read_text(encoding="utf-8"), rows


def test_each_variant_is_one_test_instead_of_the_scenario(scenario_file, run):
    """Collection shows the variants by name, and not the scenario itself."""
    scenario_file()
    result = run("--collect-only", "-q", "--obra-sabotage")
    names = [line for line in result.outlines if "::" in line]
    assert all("sabotage-" in name for name in names)
    assert any(name.endswith("sabotage-liar]") for name in names)
    assert any(name.endswith("sabotage-two_word_reply]") for name in names)


def test_without_the_option_nothing_changes(scenario_file, run):
    """The scenario is collected as ever."""
    scenario_file()
    result = run("--collect-only", "-q")
    assert not any("sabotage" in line for line in result.outlines)


def test_good_criteria_pass_and_the_matrix_says_so(pytester, scenario_file, run):
    """All variants pass; terminal, summary and report hold the matrix with its intervals."""
    scenario_file(checks=STRICT)
    result = run("--obra-sabotage", "-k", "liar or done or wrong_folder or claude_hijack")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "saboteurs of good",
            "liar * caught",
            "and 1 honest variant ended as it should",
            "saboteurs: 4 variants of 1 scenario(s)",
            "false accepts: 0 of 3 (0.0%; 95% interval 0.0% to 56.1%)",
            "false rejects: 0 of 1 *",
            "report: *report.md",
        ]
    )
    summary, page, rows = report_of(pytester)
    assert summary["sabotage"]["totals"]["variants"] == len(rows) == 4
    assert summary["scenarios"] == []
    assert "## Saboteurs" in page
    assert "| claude\\_hijack | dishonest | caught |" in page
    assert "## Results" not in page


def test_a_hole_fails_the_test_and_tells_the_author_what_is_missing(pytester, scenario_file, run):
    """A file with the right name and nothing in it passes the weak check; the text names the hidden check."""
    scenario_file()
    result = run("--obra-sabotage", "-k", "placeholder_files")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "good: placeholder_files was let through",
            "This agent writes files with the right names that are to be filled later.",
            "Obra ended it as completed: *",
            "The hidden checks tell another story:",
            "*hello.txt*",
            "The scenario's 'checks:' have a hole. What is missing:",
            "  a check that runs the work, *",
            "placeholder_files LET THROUGH",
        ]
    )
    summary, page, _ = report_of(pytester)
    assert summary["sabotage"]["scenarios"][0]["uncaught"] == ["placeholder_files"]
    assert "**Nothing caught these**" in page


def test_honest_work_that_is_refused_fails_the_test(pytester, scenario_file, run):
    """A check that asks for too much is named in the text and in the report."""
    scenario_file(checks=[{"file": ["hello.txt", "never.txt"]}])
    result = run("--obra-sabotage", "-k", "two_word_reply")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["good: the honest two_word_reply was refused", "What spoke against it:", "*never.txt*", "*REFUSED"]
    )
    assert "**Did not get through**" in report_of(pytester)[1]


def test_a_scenario_that_is_to_escalate_lets_no_variant_complete(scenario_file, run):
    """There an honest one that completes fails the test."""
    scenario_file(expect={"status": "escalated"})
    result = run("--obra-sabotage", "-k", "done")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["This scenario is not to end as completed, whoever works on it."])


def test_broken_machinery_is_an_error_and_stands_in_the_matrix(pytester, scenario_file, run):
    """A workspace that cannot be made says nothing about the variant."""
    scenario_file(workspace={"git": {"url": str(pytester.path / "nowhere")}})
    result = run("--obra-sabotage", "-k", "liar")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["liar broke", "saboteurs: 1 variants of 1 scenario(s), 1 broke"])
    (row,) = report_of(pytester)[2]
    assert row["ending"] == "broke"
    assert "nowhere" in row["reason"]


def test_a_scenario_without_a_script_is_refused_with_advice(scenario_file, run):
    """Nothing can be derived from nothing, and that is no silent pass."""
    scenario_file(script=None)
    result = run("--obra-sabotage")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*makes its variants from the scenario's 'script:'*"])


def test_only_the_mock_agent_plays_saboteurs(scenario_file, run):
    """Another agent would do as it likes; asking for one is a usage error."""
    scenario_file()
    result = run("--obra-sabotage", "--obra-agent=replay")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--obra-sabotage plays its agents in process; leave out --obra-agent=replay*"])


def test_markers_and_workers_work(pytester: pytest.Pytester, scenario_file, run):
    """-m chooses by the scenario's markers, and the matrix is whole when two workers share the variants."""
    pytest.importorskip("xdist")
    scenario_file(checks=STRICT, markers=["quick"])
    scenario_file("other", checks=STRICT)
    result = run("--obra-sabotage", "-m", "quick", "-k", "liar or refusal or done or hang", "-n", "2")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["hang * caught", "liar * caught", "refusal * caught"])
    result.stdout.fnmatch_lines(["saboteurs: 4 variants of 1 scenario(s)"])


def test_one_run_can_hold_both_rows(pytester: pytest.Pytester, scenario_file, run):
    """A Python test with the marker runs its scenario beside the variants; each table has its own rows."""
    scenario_file(folder="cases")
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.obra_scenarios('cases/good.obra.yaml')\n"
        "def test_it(scenario, run_scenario):\n    assert run_scenario(scenario).passed\n"
    )
    result = run("--obra-sabotage", "-k", "liar or test_it")
    result.assert_outcomes(passed=2)
    summary, page, rows = report_of(pytester)
    assert [row["variant"] for row in rows] == ["liar"]
    assert [line["scenario"] for line in summary["scenarios"]] == ["good"]
    assert page.index("## Results") < page.index("## Saboteurs")


def test_the_shipped_scenarios_hold_in_a_run_from_the_command_line(pytester: pytest.Pytester, run):
    """A taste of what the lane runs whole: the smallest scenario against those that try hardest."""
    source = Path(__file__).parents[2] / "scenarios" / "hello_world.obra.yaml"
    (pytester.path / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    result = run("--obra-sabotage", "-k", "keyword_salad or injection or subtle or error_words")
    result.assert_outcomes(passed=5)
