"""The summary for CI pages: what went wrong first, never larger than the page takes."""

import json

import pytest

from obra.reports.html_page import page_parts
from obra.reports.rows import row_of
from obra.reports.run_writer import RunWriter
from obra.reports.step_summary import LARGEST, step_summary
from obra.reports.stored_run import StoredRun
from obra.reports.validation import validation_parts


@pytest.fixture
def run_of(tmp_path):
    """Return a function that writes rows as a run."""

    def write(*rows):
        writer = RunWriter(tmp_path / "run")
        for row in rows:
            writer.add(row)
        writer.finish({}, not_run=("later",), exit_status=1, seconds=2.0)
        return StoredRun(writer.directory)

    return write


def test_bad_scenarios_stand_before_the_table(run_of, make_report, make_passing_report):
    """What was not met, how to run it again, then all results."""
    text = step_summary(run_of(row_of(make_passing_report(scenario="fine")), row_of(make_report(), node="a::b")))
    assert text.startswith("# Obra run run\n\n1 passed, 1 agent failed")
    assert text.index("## calculator (mock): agent failed") < text.index("## Not run") < text.index("## Results")
    assert "**not met**: status: expected completed, got escalated" in text
    assert "pytest --obra-agent=mock a::b" in text
    assert "## fine" not in text


def test_a_run_that_was_cut_off_does_not_look_clean(run_of, make_passing_report):
    """It was killed: both Markdown pages begin with that, and nobody says that nothing was left."""
    run = run_of(row_of(make_passing_report()))
    (run.directory / "summary.json").unlink()
    for page in (step_summary(run), "".join(validation_parts(run))):
        assert "This run was cut off and left no summary: " in page
        assert "nobody knows how many not run." in page
        assert "0 not run" not in page


def test_gates_are_told(run_of, make_report):
    """With their state and what was found."""
    run = run_of(row_of(make_report()))
    gates = [{"name": "at most 0 false accepts", "state": "failed", "findings": ["one was accepted"]}]
    path = run.directory / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "gates": gates}))
    told = step_summary(run)
    assert "- Gate failed: at most 0 false accepts: one was accepted\n" in told
    page = "".join(page_parts(run))
    assert "at most 0 false accepts" in page[page.index('id="gates"') : page.index('id="results"')]


def test_it_never_grows_beyond_what_the_page_takes(run_of, make_report):
    """Of three thousand bad scenarios with long names the first are told, and the number of the others."""
    rows = [row_of(make_report(scenario=f"{index} é" + "x" * 300)) for index in range(2)]
    run = run_of(*rows)
    many = [dict(rows[0]) for _ in range(3000)]
    run.rows = lambda: iter(many)
    text = step_summary(run)
    assert LARGEST // 2 < len(text.encode()) <= LARGEST - 16 * 1024
    assert text.rstrip().endswith("more parts do not fit here; `report.md` of the run has everything.")
