"""``obra report``: from a run's folder to a page."""

import json
import random
import re
import subprocess
import sys

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


@pytest.fixture
def large_run(run_folder):
    """Return the run's folder, with a row of which every page has more than 64 KiB."""
    row = json.loads((run_folder / "results.jsonl").read_text())
    text = "".join(f"{index} {random.Random(index).random()}\n" for index in range(20_000))  # does not pack well
    row["truth"] = [{"name": "check", "passed": False, "required": True, "message": "no", "output": text,
                     "implied": False, "seconds": 0.0}]  # fmt: skip
    (run_folder / "results.jsonl").write_text(f"{json.dumps(row)}\n" * 3)
    return run_folder


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--format", "html"),
        ("report", "--format", "validation"),
        ("report", "--format", "markdown"),
        ("export", "--to", "otlp"),
        ("export", "--to", "inspect"),
    ],
)
def test_a_full_disk_leaves_no_half_page(obra, large_run, tiny_disk, words):
    """Exit code 1, the file and the reason are named, and neither it nor an unfinished one is left."""
    (tiny_disk / "filling").write_bytes(bytes(65_536))
    command, *options = words
    done = obra(command, str(large_run), *options, "--out", str(tiny_disk / "page"))
    assert done.code == 1
    assert f"{tiny_disk}/page cannot be written: No space left on device; make room" in done.err
    assert [path.name for path in tiny_disk.iterdir()] == ["filling"]


def test_a_full_disk_leaves_no_half_folder_of_trajectories(obra, large_run, tiny_disk):
    """The first files would fit: all of them are taken back, so that the next export finds its folder free."""
    (tiny_disk / "filling").write_bytes(bytes(57_344))
    done = obra("export", str(large_run), "--to", "atif", "--out", str(tiny_disk / "found"))
    assert done.code == 1
    assert re.search(r"00003-.*json cannot be written: No space left on device", done.err)
    assert [path.name for path in tiny_disk.iterdir()] == ["filling"]


def test_a_page_of_a_job_that_is_full_keeps_what_it_had(large_run, tiny_disk, tmp_path):
    """Standard output goes to a file, as to GitHub's summary: it gets the whole text or none of it."""
    page = tiny_disk / "step_summary"
    page.write_text("before\n")
    with page.open("a") as out:
        (tiny_disk / "filling").write_bytes(bytes(61_440))
        done = subprocess.run(
            [sys.executable, "-m", "obra", "report", str(large_run), "--out", "-"],
            cwd=tmp_path, stdout=out, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "the output cannot be written: No space left on device" in done.stderr
    assert page.read_text() == "before\n"
    with page.open("a") as out:  # what was read wrong in the middle takes back what came before it, too
        (tiny_disk / "filling").unlink()
        (large_run / "results.jsonl").write_text("{half\n")
        again = [sys.executable, "-m", "obra", "report", str(large_run), "--out", "-", "--format", "validation"]
        done = subprocess.run(again, cwd=tmp_path, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, page.read_text()) == (1, "before\n")
