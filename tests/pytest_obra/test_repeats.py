"""Repeats, gates, budgets, a baseline and runs without Obra, as pytest runs them."""

import json

import pytest

from obra.statistics.exit_codes import RunExit
from pytest_obra.repeats import names_in

LIE = [{"say": "Done."}]
WRONG = {"script": LIE, "reviewer": [{"score": 100}], "limits": {"iterations": 1}}


def passes_once(pytester, *, turned=False):
    """Return an expectation whose hidden check passes the first time only, or from the second time on."""
    seen = pytester.path / "seen"
    first, later = ("1", "0") if turned else ("0", "1")
    return {"truth": [{"command": f"test -e {seen} && exit {later}; touch {seen}; exit {first}"}]}


def summary(pytester):
    """Return the summary of the only run, or of the newest."""
    newest = max(pytester.path.glob("reports/*/summary.json"), key=lambda path: path.stat().st_mtime_ns)
    return json.loads(newest.read_text())


def test_each_repeat_is_a_test_with_a_name(scenario_file, run, pytester):
    """Ids tell which run it is, the option goes before the scenario's own repeat, and -k finds them."""
    scenario_file("own", repeat=2)
    result = run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["own*::test_scenario[[]mock-own-repeat1]", "*mock-own-repeat2]"])
    result = run("--collect-only", "-q", "--obra-repeat=10", "-k", "repeat07 or repeat10")
    assert [line for line in result.outlines if "::" in line] == [
        "own.obra.yaml::test_scenario[mock-own-repeat07]",
        "own.obra.yaml::test_scenario[mock-own-repeat10]",
    ]
    result = run("--collect-only", "-q", "--obra-repeat=1")
    result.stdout.fnmatch_lines(["*test_scenario[[]mock-own]"])


def test_a_case_gets_a_rate_with_its_interval(scenario_file, run, pytester):
    """In the terminal, in report.md and in summary.json; repeats work under xdist, too."""
    scenario_file("good")
    result = run("--obra-repeat=3", "-n", "2")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["repeats of*95% interval*", "good (mock)*3/3 100.0% 43.9% to 100.0% 100.0% 100.0%*", "all: 3 of 3*"]
    )
    (case,) = summary(pytester)["statistics"]["cases"]
    assert (case["runs"], case["pass_rate"]["count"], case["pass_hat"]) == (3, 3, [1.0, 1.0, 1.0])
    page = next(pytester.path.glob("reports/*/report.md")).read_text()
    assert "## Repeats" in page
    assert "| 3/3 | 100.0% | 43.9% to 100.0% |" in page


def test_a_flaky_hidden_check_is_named_as_what_flips(scenario_file, run, pytester):
    """The same work and the same review, and another truth: the check is to blame, nobody else."""
    scenario_file("flaky", expect=passes_once(pytester))
    result = run("--obra-repeat=2")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == RunExit.FAILED
    result.stdout.fnmatch_lines(["flaky: flaky (mock), flips by checks 1"])


def test_a_gate_decides_in_place_of_single_failures(scenario_file, run, pytester):
    """Half of the runs pass: enough for a half, and not for more; a wrong verdict is not waved through."""
    scenario_file("flaky", expect=passes_once(pytester))
    result = run("--obra-repeat=2", "--obra-min-pass-rate=0.5", "--obra-max-false-accepts=1")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == RunExit.OK
    result.stdout.fnmatch_lines(["gate held: the observed pass rate of every case is at least 50.0%"])
    (pytester.path / "seen").unlink()
    result = run("--obra-repeat=2", "--obra-min-pass-rate=0.5")
    assert result.ret == RunExit.GATE_FAILED
    result.stdout.fnmatch_lines(
        ["gate held: *50.0%", "gate failed: there are at most 0 false accepts", "*1 of 2 accepted, and not true"]
    )
    gates = summary(pytester)["gates"]
    assert [gate["state"] for gate in gates] == ["held", "failed"]
    assert summary(pytester)["exit_status"] == RunExit.GATE_FAILED


def test_a_test_that_is_none_of_ours_fails_under_any_gate(scenario_file, run, pytester):
    """A gate answers for scenarios, and for nothing else."""
    scenario_file("good")
    pytester.makepyfile("def test_other():\n    assert False\n")
    assert run("--obra-min-pass-rate=0").ret == RunExit.FAILED


def test_broken_machinery_counts_into_no_rate(scenario_file, run, pytester):
    """One case has no verdict: the gate is undecided, and the exit code says machinery."""
    scenario_file("good")
    scenario_file("broken", workspace={"git": {"url": "nowhere.git"}})
    result = run("--obra-min-pass-rate=1")
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == RunExit.MACHINERY_BROKE
    result.stdout.fnmatch_lines(["gate undecided: *", "*broken (mock): no verdict in 1 runs*"])


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
@pytest.mark.parametrize("gate", ["--obra-min-pass-rate=1", "--obra-max-false-accepts=0"])
def test_a_gate_over_nothing_but_skips_is_not_green(scenario_file, run, pytester, gate, workers):
    """Where every scenario is skipped nothing was judged: the gate is undecided, and the exit code says so."""
    scenario_file("good")
    pytester.makeconftest(
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
        "    for item in items:\n        item.add_marker(pytest.mark.skip(reason='no key'))\n"
    )
    result = run(gate, *workers)
    result.assert_outcomes(skipped=1)
    assert result.ret == RunExit.MACHINERY_BROKE
    result.stdout.fnmatch_lines(["gate undecided: *"])
    assert run(*workers).ret == RunExit.OK


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_skips_of_python_tests_are_no_green_gate_either(scenario_file, run, pytester, workers):
    """A test with obra_scenarios that is skipped, by a mark or in its body, judged nothing; others may be."""
    scenario_file("good", folder="given")
    pytester.makepyfile(
        test_mine="""
        import pytest

        @pytest.mark.obra_scenarios("given/*.obra.yaml")
        def test_it(scenario, run_scenario):
            pytest.skip("not today")

        @pytest.mark.skip
        @pytest.mark.obra_scenarios("given/*.obra.yaml")
        def test_marked(scenario, run_scenario):
            run_scenario(scenario)

        def test_other():
            pytest.skip("not ours")
        """
    )
    result = run("test_mine.py", "--obra-min-pass-rate=1", *workers)
    result.assert_outcomes(skipped=3)
    assert result.ret == RunExit.MACHINERY_BROKE
    result.stdout.fnmatch_lines(["gate undecided: *"])


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_gate_that_was_typed_and_had_no_scenario_is_not_green(scenario_file, run, pytester, workers):
    """A wrong folder or -k leaves a gate nothing to hold by; one in the settings lets plain tests run alone."""
    scenario_file("good", folder="given")
    pytester.makepyfile(test_other="def test_other():\n    pass\n")
    for gate in ("--obra-min-pass-rate=1", "--obra-max-false-accepts=0"):
        result = run("test_other.py", gate, *workers)
        result.assert_outcomes(passed=1)
        assert result.ret == RunExit.MACHINERY_BROKE
        result.stdout.fnmatch_lines(["gate undecided: *"])
    assert not (pytester.path / "reports").exists()
    assert run("given", "--obra-min-pass-rate=1", "--obra-budget-seconds=1e-9", *workers).ret == RunExit.LEFT_OUT
    pytester.makeini("[pytest]\naddopts = --obra-min-pass-rate=1")
    assert run("test_other.py", *workers).ret == RunExit.OK


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_repeats_that_cannot_change_the_verdict_are_skipped(scenario_file, run, pytester, workers):
    """With 5 of 10 passed a gate of 0.5 stands; the rest is skipped, visibly, and the run succeeds."""
    scenario_file("good")
    result = run("--obra-repeat=10", "--obra-early-stop", "--obra-min-pass-rate=0.5", "-rs", *workers)
    assert result.ret == RunExit.OK
    outcomes = result.parseoutcomes()
    assert 5 <= outcomes["passed"] <= 7
    assert outcomes["passed"] + outcomes["skipped"] == 10
    result.stdout.fnmatch_lines(["*not needed: * passed, so whatever the rest of 10 repeats show*is held*"])
    reasons = summary(pytester)["not_run_reasons"]
    assert len(reasons) == outcomes["skipped"]


def test_a_gate_that_cannot_be_reached_stops_early_too(scenario_file, run):
    """Of 6 runs all must pass; the first failure is enough."""
    scenario_file("bad", **WRONG)
    result = run("--obra-repeat=6", "--obra-early-stop", "--obra-min-pass-rate=1")
    result.assert_outcomes(failed=1, skipped=5)
    assert result.ret == RunExit.GATE_FAILED


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_budget_holds_over_all_workers_and_names_what_it_left_out(scenario_file, run, pytester, workers):
    """A tiny budget of tokens lets each worker begin one run; what is left out is no success."""
    scenario_file("good")
    pytester.makeconftest(COSTLY)
    result = run("--obra-repeat=8", "--obra-agent=conftest:Costly", "--obra-budget-usd=0.75", "-rs", *workers)
    assert result.ret == RunExit.LEFT_OUT
    passed = result.parseoutcomes()["passed"]
    assert passed == 2 if not workers else 2 <= passed <= 3
    result.stdout.fnmatch_lines(["not run: *repeat*(the budget of 0.75 USD is used up*", "SKIPPED*is used up*"])
    assert len(summary(pytester)["not_run_reasons"]) == 8 - passed


def test_an_unknown_cost_ends_a_run_with_a_budget_of_money(scenario_file, run, pytester):
    """Nobody can say what is left of it, so nothing more begins, and the reason says so."""
    scenario_file("good")
    pytester.makeconftest(COSTLY.replace("0.5", "None"))
    result = run("--obra-repeat=3", "--obra-agent=conftest:Costly", "--obra-budget-usd=100")
    result.assert_outcomes(passed=1, skipped=2)
    assert result.ret == RunExit.LEFT_OUT
    result.stdout.fnmatch_lines(["*1 of 1 runs did not tell how many USD they used, so --obra-budget-usd=100*"])


COSTLY = """
from dataclasses import replace
from obra.agents.mock_agent import MockAgent


class Costly(MockAgent):
    def send_prompt(self, *given, **more):
        return replace(super().send_prompt(*given, **more), cost_usd=0.5)

    def initialize(self, config):
        script = [{"say": "Done.", "write": {"hello.txt": "hello"}}]
        from obra.domain import ScriptStep
        super().initialize({**config, "script": [ScriptStep(say="Done.", write={"hello.txt": "hello"})]})
"""


def test_a_regression_against_the_baseline_is_told_and_fails(scenario_file, run, pytester):
    """On a scripted rung any change counts; an improvement, or none, lets the run through."""
    scenario_file("good")
    assert run("--obra-report-dir=base").ret == 0
    baseline = next(pytester.path.glob("base/*"))
    result = run(f"--obra-baseline={baseline}")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["no regression against *: 1 same"])
    scenario_file("good", **WRONG)
    result = run("--obra-baseline=last", "--obra-report-dir=base", "--obra-min-pass-rate=0")
    assert result.ret == RunExit.GATE_FAILED
    result.stdout.fnmatch_lines(
        ["worse: good (mock): 1/1 -> 0/1 (scripted, so any change counts)", "regression against last: 1 worse"]
    )
    written = next(path for path in pytester.path.glob("base/*") if path != baseline)
    assert json.loads((written / "summary.json").read_text())["comparison"]["is_regression"]


def test_bare_runs_show_what_obra_adds_and_fail_nobody(scenario_file, run, pytester):
    """The second turn of a script is only taken with Obra; a scenario without hidden checks is not run alone."""
    scenario_file("good", script=[{"say": "First."}, {"say": "Now.", "write": {"hello.txt": "hello\n"}}],
                  reviewer=[{"score": 10}, {"score": 90}])  # fmt: skip
    scenario_file("blind", expect={"status": "completed"})
    result = run("--obra-bare", "--obra-min-pass-rate=1")
    result.assert_outcomes(passed=3)
    assert result.ret == RunExit.OK
    result.stdout.fnmatch_lines(
        ["scenarios: 2, 2 passed, and 1 without Obra", "uplift of Obra over mock alone: +100.0% (95% interval *"]
    )
    lines = summary(pytester)["scenarios"]
    assert [(line["case"], line["bare"], line["result"]) for line in lines if line["bare"]] == [
        ("good", True, "agent_failed")
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--obra-early-stop"], "add --obra-min-pass-rate"),
        (["--obra-sabotage", "--obra-repeat=2"], "leave out --obra-repeat"),
        (["--obra-repeat=0"], "should be a whole number from 1 up"),
        (["--obra-min-pass-rate=90"], "should be a rate from 0 to 1"),
        (["--obra-min-pass-rate=nan"], "should be a rate from 0 to 1"),
        (["--obra-budget-usd=free"], "should be a number"),
        (["--obra-budget-seconds=0"], "should be a number above 0"),
        (["--obra-max-false-accepts=-1"], "should be a whole number"),
        (["--obra-baseline=nowhere"], "--obra-baseline: there is no run 'nowhere'"),
    ],
)
def test_options_that_mean_nothing_are_refused(scenario_file, run, options, words):
    """One line says which and what to do."""
    scenario_file("good")
    result = run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()


def test_a_rerun_does_not_turn_a_failure_into_a_sample(scenario_file, run, pytester):
    """pytest-rerunfailures makes the test pass; the statistics keep the first verdict, and show both runs."""
    pytest.importorskip("pytest_rerunfailures")
    scenario_file("flaky", expect=passes_once(pytester, turned=True))
    result = run("--reruns=1")
    assert result.parseoutcomes() == {"passed": 1, "rerun": 1}
    numbers = summary(pytester)["statistics"]["cases"][0]
    assert (numbers["pass_rate"]["count"], numbers["pass_rate"]["of"]) == (0, 1)
    assert [line["execution"] for line in summary(pytester)["scenarios"]] == [1, 2]


def test_a_test_of_ones_own_is_repeated_too(scenario_file, run, pytester):
    """Whoever asks for run_scenario gets the repeats, and may ask which one it is."""
    scenario_file("good", folder="data")
    pytester.makepyfile(
        """
        from obra.scenarios.scenario import Scenario


        def test_mine(run_scenario, obra_repeat):
            report = run_scenario(Scenario.load("data/good.obra.yaml"))
            assert report.repeat == obra_repeat.number
            assert obra_repeat.of == 2
        """
    )
    result = run("--obra-repeat=2", "-v", "test_a_test_of_ones_own_is_repeated_too.py")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_mine[[]mock-repeat1]*", "*test_mine[[]mock-repeat2]*"])


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("mock-hello", ("mock", "hello", 1, False)),
        ("mock-hello-repeat02-bare", ("mock", "hello", 2, True)),
        ("mock-hello-bare", ("mock", "hello-bare", 1, False)),
        ("mock-hello-bare-bare", ("mock", "hello-bare", 1, True)),
        ("my-agent-hello[add-1]-repeat3", ("my-agent", "hello[add-1]", 3, False)),
        ("my-agent-other-repeat3", ("my", "agent-other", 3, False)),  # not known: what it looks like
        ("mock-hello-bare]@group", ("mock", "hello-bare", 1, False)),
        ("mock-gr\\xf6\\xdfe-bare", ("mock", "größe-bare", 1, False)),
        ("other", ("other", "", 1, False)),
    ],
)
def test_the_id_of_a_lost_test_is_read_by_the_names_that_are_known(inside, expected):
    """A case or an agent may be called like a part of an id."""
    known = (("mock", "my-agent"), ("hello-bare", "hello[add-1]", "größe-bare"))
    end = "" if inside.endswith("group") else "]"
    assert names_in(f"a.obra.yaml::test_scenario[{inside}{end}", *known) == expected
