"""Options and markers: what they do, and one clear message each where they are wrong."""

import json

import pytest


def test_help_and_markers_explain_themselves(run):
    """--help, --markers and --fixtures tell what there is."""
    run("--help").stdout.fnmatch_lines(["*--obra-agent=NAME*", "*--obra-config=FILE*", "*--obra-report-dir=DIR*"])
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.obra_scenarios*", "@pytest.mark.obra_real*"])
    names = (
        "obra_agent_name obra_config obra_workspace obra_state obra_agent obra_llm obra_ollama obra run_scenario"
    )
    text = run("--fixtures").stdout.str()
    for name in names.split():
        assert f"\n{name} -- " in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--obra-agent=claud"], "unknown agent 'claud'"),
        (["-o", "llm.type=ollama"], "set the variable OBRA__LLM__TYPE"),
        (["--obra-config=missing.yaml"], "missing.yaml: cannot be read: No such file"),
        (["--obra-config=typo.yaml"], "typo.yaml:2: unknown key 'llm.modell'; did you mean 'llm.model'?"),
    ],
)
def test_a_wrong_option_stops_the_run(pytester, scenario_file, run, arguments, words):
    """Exit code 4, one message, no traceback, nothing written."""
    scenario_file("good")
    (pytester.path / "typo.yaml").write_text("llm:\n  modell: x\n")
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str() + result.stdout.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
    of_pytester = ("runpytest-", "stdout", "stderr")
    left = {path.name for path in pytester.path.iterdir() if not path.name.startswith(of_pytester)}
    assert left == {"good.obra.yaml", "typo.yaml"}


def test_the_names_that_are_known_are_listed(scenario_file, run):
    """A typo is answered with the rungs and the installed agents."""
    scenario_file("good")
    text = run("--obra-agent=claud").stderr.str()
    for name in ("mock", "replay", "real", "claude_code_local", "claude_code_ssh"):
        assert name in text


def test_real_without_its_prerequisites_stops_at_once(pytester, scenario_file, run, monkeypatch):
    """One list of all that is missing, each with its cure, and nothing is run."""
    monkeypatch.delenv("OBRA__AGENT__LOCAL__COMMAND", raising=False)  # it would win over the file
    scenario_file("good")
    (pytester.path / "real.yaml").write_text(
        "agent: {local: {command: no-such-claude}}\nllm: {api_url: 'http://127.0.0.1:9'}\n"
    )
    result = run("--obra-agent=real", "--obra-config=real.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert "no-such-claude" in text
    assert "npm install" in text
    assert "ollama serve" in text


def test_real_must_be_real(pytester, scenario_file, run):
    """A file that quietly puts a mock under --obra-agent=real is refused."""
    scenario_file("good")
    (pytester.path / "fake.yaml").write_text("agent: {type: mock}\nllm: {type: scripted}\n")
    result = run("--obra-agent=real", "--obra-config=fake.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "mock" in result.stderr.str()


def test_several_agents_run_each_scenario_once_each(pytester, scenario_file, run):
    """--obra-agent may be repeated, a dotted path is an agent too, and doubles count once."""
    scenario_file("good")
    pytester.makepyfile(
        my_agents="""
        from obra import MockAgent

        class Second(MockAgent):
            identity = "second 2.0"

            def initialize(self, config):
                from obra.domain import ScriptStep
                super().initialize({**config, "script": [ScriptStep(say="Ok", write={"hello.txt": "hello"})]})
        """
    )
    pytester.syspathinsert()
    result = run("--obra-agent=mock", "--obra-agent=my_agents:Second", "--obra-agent=mock", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*[[]mock-good[]]*PASSED*", "*[[]my_agents:Second-good[]]*PASSED*"])


def test_what_needs_a_real_agent_is_skipped_with_a_reason(pytester, run):
    """obra_real tests are visible skips on the scripted rungs."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.obra_real
        def test_real(): ...

        @pytest.mark.obra_real
        def test_real_agent(obra_agent): ...
        """
    )
    result = run("-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*needs a real agent*--obra-agent=real*"])


def test_the_report_directory_can_be_chosen(pytester, scenario_file, run):
    """--obra-report-dir holds one folder for the run, with its three files."""
    scenario_file("good")
    run("--obra-report-dir=out").assert_outcomes(passed=1)
    (folder,) = (pytester.path / "out").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["report.md", "results.jsonl", "summary.json"]
    row = json.loads((folder / "results.jsonl").read_text())
    assert row["scenario"] == "good"
    assert row["attempts"][0]["patch"]
    assert not (pytester.path / "reports").exists()


def test_nothing_is_written_unless_a_scenario_ran(pytester, scenario_file, run):
    """Other tests, and collecting alone, leave no report, no state and no line of ours."""
    scenario_file("good")
    pytester.makepyfile("def test_plain(): ...")
    run("--collect-only")
    result = run("test_nothing_is_written_unless_a_scenario_ran.py")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*obra*=====")
    assert not (pytester.path / "reports").exists()
    assert not (pytester.path / ".obra").exists()


def test_a_scenario_is_timed_out_by_pytest_timeout(pytester, scenario_file, run):
    """--timeout ends a scenario that hangs, as any test; without a verdict that is an error."""
    pytest.importorskip("pytest_timeout")
    scenario_file("slow", script=[{"say": "x", "run": "sleep 20"}])
    # Imported before the clock runs: on a busy machine the signal came in the middle of an import.
    pytester.makeconftest("import obra.orchestrator, obra.bootstrap, obra.state.state_manager, sqlalchemy.orm")
    result = run("--timeout=1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Timeout*"])


def test_lf_and_x_work(pytester, scenario_file):
    """-x stops at the first bad scenario; --lf runs only that one again."""
    scenario_file("a", script=[{"say": "no"}], limits={"iterations": 1})
    scenario_file("b")
    pytester.runpytest("-x").assert_outcomes(failed=1)
    pytester.runpytest().assert_outcomes(failed=1, passed=1)
    pytester.runpytest("--lf").assert_outcomes(failed=1)


def test_under_xdist_one_report_tells_all(pytester, scenario_file, run):
    """With -n 2 every scenario is in the one report, and agent-less tests run as they are."""
    pytest.importorskip("xdist")
    for name in "abcd":
        scenario_file(name)
    scenario_file("liar", script=[{"say": "Done"}], limits={"iterations": 1})
    result = run("-n", "2")
    result.assert_outcomes(passed=4, failed=1)
    (folder,) = (path for path in (pytester.path / "reports").iterdir() if path.is_dir())
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert sorted(row["scenario"] for row in rows) == ["a", "b", "c", "d", "liar"]
    assert json.loads((folder / "summary.json").read_text())["not_run"] == []


def test_allure_tells_failed_from_broken(pytester, scenario_file, run):
    """Allure gets steps and attachments; a bad agent is failed, broken machinery is broken."""
    pytest.importorskip("allure_pytest")
    scenario_file("good")
    scenario_file("liar", script=[{"say": "Done"}], limits={"iterations": 1})
    run("--alluredir=allure")
    results = [json.loads(path.read_text()) for path in (pytester.path / "allure").glob("*-result.json")]
    assert {one["status"] for one in results} == {"passed", "failed"}
    good = next(one for one in results if one["status"] == "passed")
    assert "attempt 1" in json.dumps(good["steps"])
    (pytester.path / "broken.yaml").write_text("database: {url: 'sqlite:////proc/nowhere/obra.db'}\n")
    run("--alluredir=broken", "--obra-config=broken.yaml", "good.obra.yaml")
    (result,) = [json.loads(path.read_text()) for path in (pytester.path / "broken").glob("*-result.json")]
    assert result["status"] == "broken"


def test_a_report_that_cannot_be_written(pytester, scenario_file, run):
    """The tests go on, the summary says what is missing, and the exit code is not 0."""
    scenario_file("good")
    (pytester.path / "taken").write_text("a file, not a folder")
    result = run("--obra-report-dir=taken")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["the report is not whole: *taken*"])
    assert result.ret != 0


def test_a_killed_worker_is_told(pytester, scenario_file, run):
    """A scenario whose xdist worker dies is an error in table and report, and what never ran is named."""
    pytest.importorskip("xdist")
    scenario_file("good")
    scenario_file("killer", script=[{"say": "x", "run": "kill -9 $(ps -o ppid= -p $$)"}])
    result = run("-n", "1", "--max-worker-restart=0")
    assert result.ret != 0
    (summary,) = pytester.path.glob("reports/*/summary.json")
    data = json.loads(summary.read_text())
    assert data["counts"]["machinery_broke"] == 1
    assert data["counts"]["passed"] + data["counts"]["not_run"] == 1
    result.stdout.fnmatch_lines(["*killer*broke*"])
