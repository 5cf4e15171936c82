"""``obra history`` and ``obra compare``: runs of before."""

import json
from datetime import UTC, datetime

import pytest

from obra.reports.rows import error_row
from obra.state.run_history import RunCase
from obra.state.state_manager import StateManager

START = datetime(2026, 11, 22, 14, 15, tzinfo=UTC)


def case(name="hello", **changes):
    """Return how one case fared."""
    numbers = {"passed": 1, "agent_failed": 1, "verdict_wrong": 0, "machinery_broke": 3}
    known = {"seconds": 1.5, "tokens": None, "cost_usd": 0.25}
    return RunCase(case=name, agent="mock", **{"bare": False, **numbers, **known, **changes})


@pytest.fixture
def runs(tmp_path):
    """Store three runs; the second has another case, too."""
    (tmp_path / ".obra").mkdir()
    with StateManager(f"sqlite:///{tmp_path}/.obra/obra.db") as state:
        state.record_run("r1", START, exit_status=0, seconds=2.0, cases=[case()])
        state.record_run("r2", START, exit_status=1, seconds=2.0, cases=[case(passed=0), case("other", bare=True)])
        state.record_run("r3", START, exit_status=0, seconds=2.0, cases=[case(agent_failed=0)])


def test_the_history_tells_rates_and_what_is_unknown(obra, runs):
    """Broken machinery is counted apart, and an unknown number is no zero."""
    lines = obra("history").out.splitlines()
    assert lines[1].split() == ["r1", "hello", "mock", "1/2", "0", "3", "1.5", "unknown", "$0.25"]
    assert lines[3].split()[:5] == ["r2", "other", "mock", "alone", "1/2"]
    assert len(lines) == 5
    assert [one["run"] for one in json.loads(obra("history", "--limit", "1", "--json").out)] == ["r3"]


def test_the_trend_of_one_case_is_drawn(obra, runs):
    """A plot of its pass rate, run by run, below the table; no other case is in it."""
    out = obra("history", "hello").out
    assert "pass rate of hello in %, run by run" in out
    assert "100" in out.split("pass rate")[1]
    assert "other" not in out
    assert "pass rate" not in obra("history", "other").out


@pytest.mark.parametrize(
    ("name", "hint"), [("helo", "did you mean 'hello'?"), ("calculator", "'obra history' shows those of")]
)
def test_a_case_of_which_nothing_is_remembered_is_told(obra, runs, name, hint):
    """A name that was typed wrongly shows no empty table, which would look like a case that never ran."""
    done = obra("history", name)
    assert (done.code, done.out) == (1, "")
    assert f"no run is remembered of a case '{name}'; {hint}" in done.err


def test_nothing_remembered_is_an_empty_table(obra):
    """No database is made for a look."""
    done = obra("history", "hello")
    assert (done.code, len(done.out.splitlines())) == (0, 1)


def row(result):
    """Return a row of a scripted run."""
    made = error_row(scenario="hello", agent="mock", path="a", node="n", message="")
    return {**made, "result": result, "llm_identity": "scripted", "status": "completed"}


@pytest.fixture
def two_runs(tmp_path):
    """Write a run that passed and one that failed."""
    for name, result in (("1", "passed"), ("2", "agent_failed")):
        folder = tmp_path / "reports" / name
        folder.mkdir(parents=True)
        (folder / "results.jsonl").write_text(json.dumps(row(result)) + "\n")


def test_a_regression_is_exit_code_1(obra, two_runs):
    """The case is named; the other way round it is better, and the exit code 0."""
    done = obra("compare", "1", "last")
    assert done.code == 1
    assert done.out.splitlines() == [
        "worse: hello (mock): 1/1 -> 0/1 (scripted, so any change counts)",
        "regression against 1: 1 worse",
    ]
    assert obra("compare", "2", "reports/1").code == 0
    data = json.loads(obra("compare", "1", "2", "--json").out)
    assert (data["is_regression"], data["cases"][0]["change"]) == (True, "worse")


def test_a_row_that_lacks_what_every_row_has_is_told(obra, two_runs, tmp_path):
    """With file and line, and what is missing; it is no mistake of Obra's."""
    with (tmp_path / "reports" / "2" / "results.jsonl").open("a") as rows:
        rows.write(
            json.dumps({key: value for key, value in row("passed").items() if key not in {"agent", "node"}})
        )
    done = obra("compare", "1", "2")
    assert done.code == 1
    assert "reports/2/results.jsonl:2 is no row of a report: it has no agent, node" in done.err


def test_a_run_that_is_not_there_is_told(obra, two_runs):
    """In one line."""
    done = obra("compare", "1", "nowhere")
    assert done.code == 1
    assert "there is no run 'nowhere'" in done.err
