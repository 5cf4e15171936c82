"""The command that measures speed works; what it says is not judged here, where other work disturbs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(__file__).parent / "bench" / "run.py"


def test_the_speed_table_can_be_made(tmp_path):
    """Every claim has a row in the table and in the JSON, with a baseline that ran beside it."""
    file = tmp_path / "speed.json"
    done = subprocess.run(
        [sys.executable, COMMAND, "--quick", "--json", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(file.read_text())
    claims = [line["claim"] for line in told["lines"]]
    assert claims == [
        "plugin loaded, unused / pytest without",
        "obra --help / python -c pass",
        "collecting / parsing with the C loader",
        "collecting / as many modules of one test",
        "a mock scenario above a plain test",
        "peak memory, MiB / the plain tests'",
        "writing a run's files, a scenario",
        "obra report, a scenario",
        "file check: one process / -n 2, wall",
        "file check: one process / two with half each, wall",
        "command check: one process / -n 2, wall",
        "command check: one process / two with half each, wall",
        "hello_world: one process / -n 2, wall",
        "hello_world: one process / two with half each, wall",
        "tests that do nothing: one process / -n 2, wall",
        "tests that do nothing: one process / two with half each, wall",
    ]
    assert all(line["rounds"] == 1 for line in told["lines"])
    assert told["lines"][5]["ours"] > told["lines"][5]["baseline"] > 1
    assert all(f"| {claim} |" in done.stdout for claim in claims)
    assert f"{told['at']}, Python" in done.stdout


def test_obra_is_found_without_its_program(tmp_path):
    """Where no program lies beside the Python that measures, the module is run."""
    code = (
        f"import sys; sys.path.insert(0, {str(COMMAND.parent)!r}); import measuring; print(measuring.obra()[1:])\n"
        f"sys.executable = {str(tmp_path / 'python')!r}; print(measuring.obra()[1:])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['-m', 'obra']"


def test_more_workers_finish_more_until_the_database_is_used_up():
    """The simulation scales as long as nothing is full, and then no further."""
    pytest.importorskip("simpy", reason="no simpy: pip install 'obra[test]'")
    from workers import simulate

    costs = {"case": 0.02, "own": 0.01, "look": 0.0001, "processors": 2.0}
    one, ten, many = (simulate(count, 0.05, costs, seconds=10) for count in (1, 10, 200))
    assert 7 < ten["cases_per_second"] / one["cases_per_second"] < 10  # one takes 80 ms a case, ten share 10 ms
    assert many["database_busy"] > 0.95
    assert 80 < many["cases_per_second"] <= 100  # two processors, 20 ms a case


def test_ctrl_c_is_timed_and_its_end_examined(tmp_path):
    """One run of each moment of the mock rung: all end in order, and a row of the record makes the same table."""
    record = tmp_path / "rows.jsonl"
    command = [sys.executable, COMMAND.with_name("ctrl_c.py")]
    done = subprocess.run(
        [*command, "--moment", "tool", "--moment", "check", "--times", "1", "--record", record],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(row["moment"], row["wrong"]) for row in rows] == [("tool", ""), ("check", "")], done.stderr
    again = subprocess.run([*command, "--table", record], capture_output=True, text=True, check=False)
    assert again.stdout == done.stdout
    assert "| mock |  |  |  | " in done.stdout


def test_an_end_in_another_state_is_told():
    """What was wrong and what took too long stands below the table, and a busy machine is allowed for."""
    from ctrl_c import is_late, table

    good = {"rung": "replay", "moment": "tool", "seconds": 2.5, "wrong": "", "slowness": 2.0}
    late, wrong = {**good, "slowness": 1.0}, {**good, "wrong": "the task is running"}
    assert [is_late(row) for row in (good, late, wrong)] == [False, True, False]
    shown = table([good, late, wrong])
    assert "| replay |  |  |  | 2.50, 2.50 (3) |  |" in shown
    assert "More than 2 s: 3 of 3; more than 2 s times the slowness just then: 1." in shown
    assert json.dumps(late) in shown
    assert json.dumps(wrong) in shown
    assert json.dumps(good) not in shown
