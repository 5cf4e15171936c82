import json

import pytest

from obra.reports.rows import error_row, row_of
from obra.reports.summary import Line, numbers_of, plain, summarize


def broken():
    """Return the row of a scenario whose machinery broke."""
    return error_row(scenario="b", agent="mock", path="b.obra.yaml", node="b::t", message="no git")


def test_broken_machinery_never_counts_into_the_pass_rate(make_report, make_passing_report):
    """One passed and one failed make a half, however often the machinery broke or a test did not run."""
    rows = [row_of(make_passing_report()), row_of(make_report()), broken(), broken()]

    summary = summarize(rows, not_run=["x", "y", "z"], exit_status=1, seconds=9.0)

    assert summary["pass_rate"] == 0.5
    assert summary["counts"] == {
        "passed": 1,
        "agent_failed": 1,
        "verdict_wrong": 0,
        "machinery_broke": 2,
        "not_run": 3,
    }
    assert summary["not_run"] == ["x", "y", "z"]
    assert (summary["exit_status"], summary["seconds"]) == (1, 9.0)


def test_nothing_judged_has_no_pass_rate():
    """A rate of nothing is neither 0 nor 1."""
    assert summarize([broken()], not_run=(), exit_status=1, seconds=0.0)["pass_rate"] is None
    assert summarize([], not_run=(), exit_status=5, seconds=0.0)["pass_rate"] is None


def test_totals_add_up_when_all_is_known(make_report):
    """Seconds, dollars and tokens of all scenarios are summed."""
    totals = summarize([row_of(make_report())] * 3, not_run=(), exit_status=0, seconds=1.0)["totals"]

    assert (totals["cost_usd"], totals["tokens"], totals["seconds"]) == (1.5, 720, 12.75)
    assert totals["cost_usd_unknown"] == 0


def test_one_unknown_cost_makes_the_total_unknown_and_is_counted(make_report):
    """What is known is still told, beside how many did not tell."""
    rows = [row_of(make_report()), row_of(make_report(outcome={"cost_usd": None}))]

    totals = summarize(rows, not_run=(), exit_status=0, seconds=1.0)["totals"]

    assert totals["cost_usd"] is None
    assert (totals["cost_usd_known"], totals["cost_usd_unknown"]) == (0.5, 1)
    assert totals["tokens"] == 480


def test_lines_of_rows_give_the_same_summary_as_the_rows(make_report):
    """A long run need not keep its rows to be summed up, and there is one line for each scenario."""
    rows = [row_of(make_report()), broken()]

    summary = summarize(rows, not_run=(), exit_status=0, seconds=1.0)

    assert summary == summarize([Line(row) for row in rows], not_run=(), exit_status=0, seconds=1.0)
    assert [line["scenario"] for line in summary["scenarios"]] == ["calculator", "b"]
    assert "attempts" not in summary["scenarios"][0]
    json.dumps(summary, allow_nan=False)


def test_a_line_reads_as_the_row_it_was_made_of(make_report):
    """Every value of the row that a table shows is there under its key, and no other."""
    row = row_of(make_report())

    line = Line(row)

    assert {**line} == {"counts": False, **{key: row[key] for key in line if key != "counts"}}
    assert line["trace"] == row["trace"] != []
    assert len(line) == len({**line})
    assert line.get("attempts") is None
    assert Line(broken())["trace"] == []
    assert "calculator" in repr(line)


def test_lines_and_cases_are_made_plain_one_by_one(make_report):
    """What a long run keeps as records is the same data as the summary in the end; anything else is refused."""
    rows = [row_of(make_report()), broken()]

    kept = numbers_of([Line(row) for row in rows], not_run=(), exit_status=0, seconds=1.0)

    whole = summarize(rows, not_run=(), exit_status=0, seconds=1.0)
    assert json.loads(json.dumps(kept, default=plain)) == json.loads(json.dumps(whole))
    assert [line["counts"] for line in whole["scenarios"]] == [True, True]
    with pytest.raises(TypeError, match="set is neither"):
        plain(set())
