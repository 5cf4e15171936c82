import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.statistics.runs import measure, run_statistics

RESULTS = st.sampled_from(["passed", "agent_failed", "verdict_wrong", "machinery_broke"])


def test_repeats_of_a_case_are_counted_together(line):
    """Rate, interval, pass@k and pass^k are over what was judged; cases stand in the order they were seen."""
    rows = [
        line(repeat=1),
        line(case="other"),
        line("agent_failed", repeat=2, trace=("work x", "truth b")),
        line("machinery_broke", repeat=3, seconds=None, tokens=None, cost_usd=None),
        line(repeat=4),
    ]
    run = run_statistics(rows)
    hello, other = run.cases
    assert (hello.label, other.label) == ("hello (mock)", "other (mock)")
    assert (hello.runs, hello.counts.judged, hello.counts.machinery_broke) == (4, 3, 1)
    assert (hello.pass_rate.count, hello.pass_rate.of) == (2, 3)
    assert hello.pass_at == pytest.approx((2 / 3, 1.0, 1.0))
    assert hello.pass_hat == pytest.approx((2 / 3, 1 / 3, 0.0))
    assert [case.case for case in run.flaky] == ["hello"]
    assert (run.pass_rate.count, run.pass_rate.of, run.has_repeats) == (3, 4, True)


def test_unknown_is_not_zero(line):
    """A sum with unknown parts says how many; the median is of what is known."""
    run = run_statistics(
        [line(repeat=1, cost_usd=1.0), line(repeat=2, cost_usd=None), line(repeat=3, cost_usd=3.0)]
    )
    (case,) = run.cases
    assert (case.cost_usd.total, case.cost_usd.unknown, case.cost_usd.median) == (4.0, 1, 2.0)
    assert not case.cost_usd.is_complete
    assert case.tokens.is_complete
    nothing = measure([None])
    assert (nothing.total, nothing.known, nothing.unknown, nothing.median) == (0, 0, 1, None)


def test_a_rerun_is_no_sample_and_is_paid_for(line):
    """The failure that a plugin ran again stays one, and the cost of both runs is spent."""
    run = run_statistics([line("agent_failed"), line()])
    assert (run.pass_rate.count, run.pass_rate.of, run.cost_usd.total) == (0, 1, 0.5)
    assert run.cases[0].runs == 1


def test_runs_without_obra_stand_apart(line):
    """A bare run is a case of its own and counts into no number of the whole but what was spent."""
    run = run_statistics([line(), line("agent_failed", bare=True)])
    assert [case.label for case in run.cases] == ["hello (mock)", "hello (mock, bare)"]
    assert (run.pass_rate.count, run.pass_rate.of) == (1, 1)
    assert run.cost_usd.total == 0.5
    assert not run.has_repeats


def test_nothing_is_known_of_no_runs():
    """An empty run has no rate, and an interval that says so."""
    run = run_statistics([])
    assert run.pass_rate.rate is None
    assert (run.pass_rate.low, run.pass_rate.high) == (0.0, 1.0)


@given(results=st.lists(RESULTS, max_size=12))
def test_the_numbers_are_those_that_counting_gives(results):
    """For every series of outcomes; machinery never changes a rate, and the data is JSON."""
    rows = [
        {
            "scenario": "s", "agent": "mock", "repeat": number, "node": "n", "result": result,
            "status": "completed", "seconds": 1.0, "tokens": None, "cost_usd": 0.0,
        }
        for number, result in enumerate(results, start=1)
    ]  # fmt: skip
    run = run_statistics(rows)
    judged = [result for result in results if result != "machinery_broke"]
    assert (run.pass_rate.count, run.pass_rate.of) == (judged.count("passed"), len(judged))
    assert run.counts.false_accepts == judged.count("verdict_wrong")
    data = json.loads(json.dumps(run.as_data(), allow_nan=False))
    assert data["counts"]["machinery_broke"] == results.count("machinery_broke")
    assert data["flaky"] == (["s (mock)"] if 0 < judged.count("passed") < len(judged) else [])
