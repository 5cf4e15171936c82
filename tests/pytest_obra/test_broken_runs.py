"""A worker that is killed, Ctrl-C, a full disk: the summary says what ran, what did not and why."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from obra.state.state_manager import StateManager
from obra.statistics.exit_codes import RunExit

SLOW = {"script": [{"say": "Wait.", "run": "touch begun; sleep 600"}]}
"""A turn that is still under way when something happens."""

INTERRUPTIBLE = """
import signal, sys
import pytest
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs us in the background has it ignored
sys.exit(pytest.main())
"""


def whole_lines(pytester):
    """Return the rows of the only run; each line must be whole."""
    files = pytester.path.glob("reports/*/results.jsonl")
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_a_killed_worker_is_a_run_without_a_verdict(scenario_file, run, pytester):
    """The others are told as ever; the one that was lost is named, with its case and repeat."""
    scenario_file("a_good")
    scenario_file("killer-bare", repeat=2)
    pytester.makeconftest(
        """
        import os, signal
        import pytest


        @pytest.fixture
        def obra_workspace(obra_workspace, request):
            if "killer-bare-repeat2" in request.node.nodeid:
                os.kill(os.getpid(), signal.SIGKILL)
            return obra_workspace
        """
    )
    result = run("-n", "1", "--obra-min-pass-rate=0", "--obra-budget-usd=5", "--dist=load")
    assert result.ret == RunExit.MACHINERY_BROKE
    rows = {(row["case"], row["repeat"]): row["result"] for row in whole_lines(pytester)}
    assert rows[("killer-bare", 2)] == "machinery_broke"
    assert rows[("a_good", 1)] == "passed"
    result.stdout.no_fnmatch_line("not run:*")  # the worker that took its place collected all of them again
    result.stdout.fnmatch_lines(["scenarios: *1 broke"])
    assert not list(pytester.path.glob("reports/*/.*"))


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_ctrl_c_names_what_ran_and_what_did_not(scenario_file, pytester, workers):
    """The first scenario stands in the report, the others are not run, and the exit code says interrupted."""
    scenario_file("a_good")
    scenario_file("b_slow", **SLOW)
    scenario_file("c_never")
    command = [sys.executable, "-c", INTERRUPTIBLE, "-p", "no:cacheprovider", "--basetemp=tmp"]
    with subprocess.Popen(
        [*command, *workers], cwd=pytester.path, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        until = time.monotonic() + 200
        while not list(pytester.path.glob("tmp/**/begun")) and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        out, _ = process.communicate(timeout=90)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, out
    assert [row["case"] for row in whole_lines(pytester) if row["result"] == "passed"] == ["a_good"]
    assert "(the run was interrupted" in out
    summary = json.loads(next(pytester.path.glob("reports/*/summary.json")).read_text())
    assert any("c_never" in node for node in summary["not_run"])
    assert all("interrupted" in why for why in summary["not_run_reasons"].values())
    assert summary["exit_status"] == pytest.ExitCode.INTERRUPTED
    assert not list(pytester.path.glob("reports/*/.*"))


AT_THE_END = """
import signal, sys
from obra.reports.run_writer import RunWriter

def look(frame, event, _):
    if event == "call" and frame.f_code is RunWriter.finish.__code__:
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)

sys.setprofile(look)
"""


def test_a_second_ctrl_c_while_the_report_is_written_loses_nothing(scenario_file, pytester):
    """It is heard behind that; the summary is whole and says how the run ended."""
    scenario_file("a_good")
    pytester.makeconftest(AT_THE_END)
    command = [sys.executable, "-c", INTERRUPTIBLE, "-p", "no:cacheprovider", "--junitxml=out.xml"]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, check=False)
    assert done.returncode not in {0, 1}, done.stdout
    assert "KeyboardInterrupt" in done.stderr
    (summary,) = pytester.path.glob("reports/*/summary.json")
    assert json.loads(summary.read_text())["counts"]["passed"] == 1
    assert 'tests="1"' in (pytester.path / "out.xml").read_text()
    with StateManager(f"sqlite:///{pytester.path}/.obra/obra.db") as state:
        assert [one.passed for one in state.run_cases()] == [1]
    assert not list(pytester.path.glob("reports/*/.*"))


def test_ctrl_c_before_anything_ended_is_told_too(scenario_file, pytester):
    """There is nothing to report, so no file is written; what did not run is named all the same."""
    scenario_file("b_slow", **SLOW)
    scenario_file("c_never")
    pytester.makeconftest("def pytest_runtest_setup(item):\n    raise KeyboardInterrupt\n")
    result = pytester.runpytest("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["not run: *b_slow*, *c_never* (the run was interrupted*"])
    assert not (pytester.path / "reports").exists()


def test_a_full_disk_leaves_whole_lines_and_no_success(scenario_file, run, pytester, tiny_disk):
    """Rows that fit stand there whole, no half-written file is left, the reason is told, and it is no success."""
    scenario_file("good")
    result = run("--obra-repeat=12", f"--obra-report-dir={tiny_disk}")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["the report is not whole: *No space left on device*"])
    (folder,) = tiny_disk.iterdir()
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert 0 < len(rows) <= 12
    assert {path.name for path in folder.iterdir()} <= {"results.jsonl", "summary.json"}


def test_a_full_disk_under_junit_takes_the_file_back(scenario_file, run, pytester, tiny_disk):
    """No half-written file is left, the summary is printed all the same, and it is no success."""
    scenario_file("good")
    (tiny_disk / "filling").write_bytes(bytes(60_000))
    out = tiny_disk / "junit.xml"
    result = run("--obra-repeat=12", f"--junitxml={out}")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(
        ["scenarios: 12, 12 passed", f"*{out} cannot be written: No space left on device*"]
    )
    result.stdout.fnmatch_lines(["*12 passed*"])
    assert not out.exists()
    assert len(whole_lines(pytester)) == 12


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_full_disk_under_allure_does_not_end_the_run(scenario_file, run, pytester, tiny_disk, workers):
    """Every test runs, what Allure lacks is told once, no unfinished file is left, and it is no success."""
    pytest.importorskip("allure_pytest")
    scenario_file("good")
    result = run("--obra-repeat=8", f"--alluredir={tiny_disk}/found", *workers)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(
        ["scenarios: 8, 8 passed", "*Allure's results in */found cannot be written: No space*"]
    )
    assert result.stdout.str().count("Allure's results in") == 1
    left = list((tiny_disk / "found").iterdir())
    assert left
    assert all(json.loads(path.read_bytes()) for path in left if path.suffix == ".json")
    assert not [path for path in left if path.name.endswith((".tmp", ".unfinished"))]
    (summary,) = pytester.path.glob("reports/*/summary.json")
    assert json.loads(summary.read_text())["exit_status"] == pytest.ExitCode.INTERNAL_ERROR


def test_another_error_of_a_plugin_is_not_hidden(scenario_file, run, pytester):
    """Only a full disk is told in a line; whatever else a plugin's end does wrong is shown as pytest shows it."""
    scenario_file("good")
    pytester.makeconftest("def pytest_sessionfinish():\n    raise OSError(13, 'Permission denied')\n")
    result = run()
    assert result.ret != 0
    assert "Permission denied" in result.stderr.str() + result.stdout.str()
    assert "the report is not whole" not in result.stdout.str()
