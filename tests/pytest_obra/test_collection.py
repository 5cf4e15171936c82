"""Collection: a scenario file stands as a test module; a wrong one is one clean error."""

import pytest


def test_a_file_is_a_module_with_one_test(scenario_file, run):
    """The node id names file, agent and scenario; -k and the node id choose it."""
    scenario_file("calc")
    scenario_file("other")
    result = run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["calc.obra.yaml::test_scenario[[]mock-calc[]]"])
    run("-k", "calc").assert_outcomes(passed=1, deselected=1)
    run("calc.obra.yaml::test_scenario[mock-calc]").assert_outcomes(passed=1)


def test_other_yaml_is_left_alone(pytester, run):
    """YAML that is not ours is not collected, however it looks."""
    pytester.makefile(".yaml", scenario="task: {title: t}\n", test_x="- a\n")
    pytester.makefile(".tavern.yaml", test_y="x: 1\n")
    assert run().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_markers_of_a_scenario(scenario_file, run):
    """A scenario's markers are pytest's, also where markers are strict."""
    scenario_file("a", markers=["smoke"])
    scenario_file("b", markers=["slow"])
    run("-m", "smoke", "--strict-markers").assert_outcomes(passed=1, deselected=1)


def test_a_broken_file_is_one_clean_error(pytester, scenario_file, run):
    """File, line, key and the right word; no traceback; the other files are still collected."""
    scenario_file("good")
    pytester.makefile(".obra.yaml", wrong="task:\n  title: t\nchekcs: []\n")
    result = run()
    result.stdout.fnmatch_lines(
        ["*ERROR collecting wrong.obra.yaml*", "wrong.obra.yaml:3: unknown key 'chekcs'; did you mean 'checks'?"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    run("--continue-on-collection-errors").assert_outcomes(passed=1, errors=1)


def test_a_persons_own_test_takes_scenarios(pytester, scenario_file, run):
    """obra_scenarios turns files into parameters; tags keep those with one of the markers."""
    scenario_file("a", folder="scenarios", markers=["smoke"])
    scenario_file("b", folder="scenarios", markers=["slow"])
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.obra_scenarios("scenarios/*.obra.yaml", tags="smoke")
        def test_mine(scenario, run_scenario):
            report = run_scenario(scenario)
            assert report.outcome.status == "completed"
            assert report.passed
        """
    )
    result = run("-v", "test_own.py")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_mine[[]mock-a[]]*PASSED*"])


def test_a_pattern_that_matches_nothing(pytester, run):
    """A pattern without a file is an error that says where it looked, not a test that never ran."""
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.obra_scenarios("nowhere/*.obra.yaml")
        def test_mine(scenario, run_scenario): ...
        """
    )
    result = run()
    result.stdout.fnmatch_lines(["*obra_scenarios('nowhere/*.obra.yaml') matches no file*"])
    assert result.ret != 0


def test_a_pattern_with_a_broken_file(pytester, run):
    """A wrong file behind a marker is told like one that is collected."""
    pytester.makefile(".obra.yaml", wrong="task: {titel: t}\n")
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.obra_scenarios("*.obra.yaml")
        def test_mine(scenario, run_scenario): ...
        """
    )
    result = run("test_own.py")
    result.stdout.fnmatch_lines(["*wrong.obra.yaml:1: unknown key 'task.titel'; did you mean 'task.title'?*"])
    assert result.ret != 0


def test_tags_that_leave_nothing(pytester, scenario_file, run):
    """A misspelt tag is an error, not a green run of nothing."""
    scenario_file("a", markers=["smoke"])
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.obra_scenarios("*.obra.yaml", tags="smok")
        def test_mine(scenario, run_scenario): ...
        """
    )
    result = run("test_own.py")
    result.stdout.fnmatch_lines(["test_*: no scenario that * has a marker of tags=[[]'smok'[]]"])
    assert "_hookexec" not in result.stdout.str()
    assert result.ret != 0


@pytest.mark.parametrize("marker", ["xfail", "skip", "_x", "parametrize", "two words", "obra_real"])
def test_a_marker_cannot_switch_the_verdict_off(pytester, scenario_file, run, marker):
    """Markers that mean something to pytest are refused, with file and line."""
    scenario_file("a", markers=[marker])
    result = run()
    result.stdout.fnmatch_lines(["a.obra.yaml:*: 'markers.0': *"])
    assert result.ret != 0
