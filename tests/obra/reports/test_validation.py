"""The validation report: the plan's chapters, each number from the run."""

import re

import pytest

from obra.reports.rows import row_of
from obra.reports.run_writer import RunWriter
from obra.reports.stored_run import StoredRun
from obra.reports.validation import validation_parts

CHAPTERS = [
    "Test environment", "Tests executed", "Results", "Issues encountered", "Workarounds applied", "Performance",
    "Logs", "Recommendations",
]  # fmt: skip


@pytest.fixture
def report_of(tmp_path):
    """Return a function that writes rows as a run and returns its validation report."""

    def write(*rows, not_run=()):
        writer = RunWriter(tmp_path / "run")
        for row in rows:
            writer.add(row)
        writer.finish({"obra": "9.9"}, not_run=not_run, exit_status=1, seconds=2.0)
        return "".join(validation_parts(StoredRun(writer.directory)))

    return write


def test_all_chapters_stand_in_order(report_of, make_report, make_passing_report):
    """A bad scenario has its issues, what was done about them, and what follows."""
    text = report_of(row_of(make_report()), row_of(make_passing_report(scenario="fine")), not_run=("later",))
    found = [one for one in re.findall(r"^## (.*)$", text, re.MULTILINE) if one != "Not run"]
    assert found == CHAPTERS
    assert "- obra: 9.9" in text
    assert "- agent: mock agent" in text
    assert "not met: status: expected completed, got escalated" in text
    assert "attempt 1 was followed by retry: a check failed" in text
    assert "breakpoint 3 was opened: 55 is below 70" in text
    assert "1 of 2 passed; the true share lies between 9% to 91%" in text
    assert "1 not run" in text


def test_a_clean_run_recommends_no_repairs(report_of, make_passing_report):
    """Nothing happened, and nothing is made up."""
    text = report_of(row_of(make_passing_report()))
    assert "None: no attempt was sent back." in text
    assert "Do not give this agent" not in text
    assert "Sharpen" not in text


def test_an_unknown_cost_is_no_number(report_of, make_report):
    """The total is unknown, with a lower bound, and the advice says so."""
    text = report_of(row_of(make_report(outcome={"cost_usd": None})), row_of(make_report(scenario="b")))
    assert "| cost_usd | unknown; at least 0.5000 USD |" in text
    assert "The cost of 1 scenarios is unknown" in text
