"""The lines below the closing table."""

from obra.reports.rows import row_of
from obra.statistics.runs import run_statistics
from pytest_obra.reporters.statistics_table import conclusion_lines


def row(made, **changes):
    """Return a row with some values changed."""
    return {**row_of(made), **changes}


def test_agents_are_held_to_the_first(make_report, make_passing_report):
    """How many pairs agree, how sure that is, and each that does not."""
    rows = [row(make_passing_report(), case=case, agent=agent) for case in "ab" for agent in ("mock", "replay")]
    rows += [row(make_passing_report(), case="c"), row(make_report(), case="c", agent="replay")]

    lines = conclusion_lines(rows, {}, run_statistics(rows))

    assert lines[1].split("  ")[0] == "agents"
    assert lines[2].split() == [
        "replay",
        "and",
        "mock",
        "2",
        "of",
        "3",
        "66.7%",
        "20.8%",
        "to",
        "93.9%",
        "2",
        "of",
        "2",
        "0",
    ]
    assert lines[3].startswith("  c, repeat 1: passed completed with mock, agent_failed escalated with replay")


def test_a_run_with_one_agent_says_nothing_of_agreement(make_passing_report):
    """There is nobody to agree with."""
    rows = [row(make_passing_report())]
    assert conclusion_lines(rows, {}, run_statistics(rows)) == []


def test_of_many_repeated_cases_only_the_odd_ones_are_listed(make_report, make_passing_report):
    """Above fifty cases, those that passed every time are counted."""
    rows = [
        row(make_passing_report(), case=f"c{case}", repeat=n, node=f"c{case}-{n}")
        for case in range(60)
        for n in (1, 2)
    ]
    rows += [
        row(make_passing_report(), case="odd", node="o1"),
        row(make_report(), case="odd", repeat=2, node="o2"),
    ]

    lines = conclusion_lines(rows, {}, run_statistics(rows))

    assert lines[2].split()[:3] == ["odd", "(mock)", "1/2"]
    assert lines[3] == "not shown: 60 cases that passed every time"
