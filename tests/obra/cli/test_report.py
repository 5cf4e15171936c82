"""``obra report``: from a run's folder to a page."""

import json

import pytest

from obra.reports.rows import error_row


@pytest.fixture
def run_folder(tmp_path):
    """Return the folder of a run with one row."""
    folder = tmp_path / "reports" / "20261122-141500-ab12cd"
    folder.mkdir(parents=True)
    row = error_row(scenario="calculator", agent="mock", path="a.obra.yaml", node="", message="no server")
    (folder / "results.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def test_the_last_run_becomes_a_page(obra, run_folder):
    """Without a word more; beside the run, and nothing else is left."""
    done = obra("report")
    assert (done.code, done.out) == (0, "wrote reports/20261122-141500-ab12cd/report.html\n")
    assert "calculator" in (run_folder / "report.html").read_text()
    assert sorted(path.name for path in run_folder.iterdir()) == ["report.html", "results.jsonl"]


def test_a_summary_goes_to_standard_output(obra, run_folder):
    """As a CI job appends it to its page."""
    done = obra("report", str(run_folder), "--format", "markdown", "--out", "-")
    assert done.code == 0
    assert done.out.startswith("# Obra run 20261122-141500-ab12cd\n")
    assert not (run_folder / "summary.md").exists()


def test_what_is_no_run_ends_with_a_plain_error(obra, run_folder, tmp_path):
    """Exit code 1 and one line; a page that is there already stays as it was."""
    (run_folder / "report.html").write_text("old")
    with (run_folder / "results.jsonl").open("a") as stream:
        stream.write("{half")
    done = obra("report")
    assert done.code == 1
    assert "results.jsonl:2 is no JSON" in done.err
    assert (run_folder / "report.html").read_text() == "old"
    assert not list(run_folder.glob(".*"))
    assert obra("report", "nonsense").code == 1


def test_a_page_that_cannot_be_written_is_told(obra, run_folder):
    """The message names the file."""
    done = obra("report", "--out", "nowhere/page.html")
    assert done.code == 1
    assert "nowhere/page.html cannot be written: No such file" in done.err
