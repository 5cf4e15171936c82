"""Reading a run back: found by name, whole or with a plain error."""

import os

import pytest

from obra.errors import ReportError
from obra.reports.rows import row_of
from obra.reports.run_writer import RunWriter
from obra.reports.stored_run import StoredRun


@pytest.fixture
def runs(tmp_path, make_report):
    """Return a folder of two runs."""
    for name in ("20261122-100000-aaaaaa", "20261122-110000-bbbbbb"):
        writer = RunWriter(tmp_path / name)
        writer.add(row_of(make_report()))
        writer.finish({"obra": "1"}, not_run=("x",), exit_status=1, seconds=2.0)
    return tmp_path


def test_a_run_is_found_by_folder_file_id_and_as_the_last(runs):
    """All the ways that people name one."""
    old, new = "20261122-100000-aaaaaa", "20261122-110000-bbbbbb"
    assert StoredRun.find("last", runs).name == new
    assert StoredRun.find(old, runs).name == old
    assert StoredRun.find(str(runs / old), runs / "nowhere").name == old
    assert StoredRun.find(str(runs / old / "report.md"), runs / "nowhere").name == old


def test_what_is_no_run_is_refused(runs, tmp_path):
    """The message says where was looked."""
    with pytest.raises(ReportError, match="neither as a folder nor in"):
        StoredRun.find("nonsense", runs)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReportError, match="is no run: it has neither"):
        StoredRun.find(str(tmp_path / "empty"), runs)
    with pytest.raises(ReportError, match="there is no run in"):
        StoredRun.find("last", tmp_path / "empty")


def test_the_summary_is_counted_from_the_rows(runs):
    """What only the run knew comes from its summary, the rest from its rows."""
    summary = StoredRun.find("last", runs).summary()
    assert summary["counts"] == {
        "passed": 0, "agent_failed": 1, "verdict_wrong": 0, "machinery_broke": 0, "not_run": 1,
    }  # fmt: skip
    assert (summary["exit_status"], summary["seconds"], summary["is_whole"]) == (1, 2.0, True)


def test_a_killed_run_has_a_summary_too(runs):
    """Nobody knows how it ended, and nobody guesses."""
    found = StoredRun.find("last", runs)
    (found.directory / "summary.json").unlink()
    summary = found.summary()
    assert (summary["exit_status"], summary["seconds"], summary["is_whole"]) == (None, None, False)
    assert summary["counts"]["agent_failed"] == 1


@pytest.mark.parametrize("text", ['{"scenario": "a"', "[1]\n"])
def test_a_file_that_is_no_report_is_named_with_its_line(runs, text):
    """Half a line or another thing is an error with file and line, never left out in silence."""
    found = StoredRun.find("last", runs)
    with (found.directory / "results.jsonl").open("a") as stream:
        stream.write(text)
    with pytest.raises(ReportError, match=r"results\.jsonl:2 is no"):
        list(found.rows())


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_summary_is_named(runs, text):
    """The message says what to do."""
    found = StoredRun.find("last", runs)
    (found.directory / "summary.json").write_text(text)
    with pytest.raises(ReportError, match=r"summary\.json .*take it away"):
        found.summary()


def test_the_last_whole_run_came_to_its_end(tmp_path):
    """Killed and interrupted runs are passed over; where there is no other, that is told."""
    for name, status in (("1", "0"), ("2", "1"), ("3", "2"), ("4", None)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.jsonl").touch()
        if status:
            (tmp_path / name / "summary.json").write_text(f'{{"exit_status": {status}}}')
    assert StoredRun.last_whole(tmp_path).name == "2"
    for name in ("1", "2"):
        (tmp_path / name / "summary.json").unlink()
    with pytest.raises(ReportError, match="that came to its end"):
        StoredRun.last_whole(tmp_path)


def test_of_two_runs_of_one_second_the_last_is_the_one_written_last(tmp_path):
    """Their names tell the second alone, and then what chance added."""
    for age, name in enumerate(("20260101-120000-ffffff", "20260101-120000-aaaaaa", "20250101-120000-cccccc")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.jsonl").touch()
        os.utime(tmp_path / name, (age, age))
    assert StoredRun.find("last", tmp_path).name == "20260101-120000-aaaaaa"


def test_rows_on_a_broken_disk_are_an_error_with_the_file(runs):
    """The system's words stand in it; a file that reads like one on such a disk is the memory of a process."""
    found = StoredRun.find("last", runs)
    (found.directory / "results.jsonl").unlink()
    (found.directory / "results.jsonl").symlink_to("/proc/self/mem")
    with pytest.raises(ReportError, match=r"results\.jsonl cannot be read: Input/output error$"):
        list(found.rows())
