import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from obra.errors import ReportError
from obra.reports.rows import row_of
from obra.reports.run_writer import RunWriter, new_run_id
from obra.statistics.runs import run_statistics

ENVIRONMENT = {"obra": "1", "python": "3"}


def names(folder):
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_run_ids_sort_by_time_and_differ_within_a_second():
    """A list of folders is a list of runs in order; two runs never share one."""
    moment = datetime(2026, 11, 22, 14, 15, tzinfo=UTC)

    assert re.fullmatch(r"20261122-141500-[0-9a-f]{6}", new_run_id(moment))
    assert new_run_id(moment) < new_run_id(moment + timedelta(seconds=1))
    assert len({new_run_id(moment) for _ in range(20)}) == 20
    assert new_run_id(moment.astimezone(timezone(timedelta(hours=5)))).startswith("20261122-141500")


def test_nothing_is_written_unless_a_scenario_ran(tmp_path):
    """Neither making the writer nor finishing it leaves a trace."""
    writer = RunWriter(tmp_path / "reports" / "run")
    writer.finish(ENVIRONMENT, not_run=["a"], exit_status=5, seconds=0.1)

    assert names(tmp_path) == []


def test_each_row_can_be_read_as_soon_as_it_is_added(tmp_path, make_report):
    """A run that is killed keeps what it had."""
    writer = RunWriter(tmp_path / "run")
    for count in (1, 2, 3):
        writer.add(row_of(make_report(scenario=f"number {count}\u00e9\n")))
        lines = (tmp_path / "run" / "results.jsonl").read_text().splitlines()
        assert [json.loads(line)["scenario"] for line in lines] == [
            f"number {one}\u00e9\n" for one in range(1, count + 1)
        ]
    assert names(tmp_path / "run") == ["results.jsonl"]


def test_finish_leaves_three_files_that_agree(tmp_path, make_report, make_passing_report):
    """Rows, numbers and the page tell of the same run, and nothing unfinished lies beside them."""
    writer = RunWriter(tmp_path / "20260101-000000-abcdef")
    writer.add(row_of(make_report()))
    writer.add(row_of(make_passing_report()))
    writer.finish(ENVIRONMENT, not_run=["vague"], exit_status=1, seconds=12.5)

    assert names(writer.directory) == ["report.md", "results.jsonl", "summary.json"]
    summary = json.loads((writer.directory / "summary.json").read_text())
    assert summary["run"] == "20260101-000000-abcdef"
    assert summary["environment"] == ENVIRONMENT
    assert summary["pass_rate"] == 0.5
    assert summary["not_run"] == ["vague"]
    page = (writer.directory / "report.md").read_text()
    assert page.startswith("# Obra run 20260101-000000-abcdef\n")
    assert page.count("\n## calculator") == 2


def test_what_is_counted_already_makes_the_same_summary(tmp_path, make_report, make_passing_report):
    """Whoever gives the statistics of the lines gets the files that the writer's own would make."""
    made = []
    for name in ("counts", "given"):
        writer = RunWriter(tmp_path / name / "run")
        lines = [writer.add(row_of(one())) for one in (make_report, make_passing_report)]
        given = {"statistics": run_statistics(lines)} if name == "given" else {}
        writer.finish({}, not_run=(), exit_status=1, seconds=1.0, **given)
        made.append([(writer.directory / file).read_text() for file in ("summary.json", "report.md")])
    assert made[0] == made[1]
    assert json.loads(made[0][0])["statistics"] == json.loads(json.dumps(run_statistics(lines).as_data()))


def test_finishing_again_replaces_the_old_summary(tmp_path, make_report):
    """The files are replaced as a whole."""
    writer = RunWriter(tmp_path / "run")
    writer.add(row_of(make_report()))
    writer.finish(ENVIRONMENT, not_run=(), exit_status=1, seconds=1.0)
    writer.finish(ENVIRONMENT, not_run=(), exit_status=2, seconds=1.0)

    assert json.loads((tmp_path / "run" / "summary.json").read_text())["exit_status"] == 2


def test_each_scenario_is_one_line_of_the_summary(tmp_path, make_report):
    """People and line tools find a scenario in it, and the whole of it is JSON."""
    writer = RunWriter(tmp_path / "run")
    for name in ("a", "b"):
        writer.add({**row_of(make_report()), "scenario": name})
    writer.finish({**ENVIRONMENT, "odd": 'a "word"\n'}, not_run=("x",), exit_status=0, seconds=1.0)

    text = (tmp_path / "run" / "summary.json").read_text()
    summary = json.loads(text)
    lines = [line.strip().rstrip(",") for line in text.splitlines()]
    assert [json.loads(line) for line in lines if line.startswith('{"scenario"')] == summary["scenarios"]
    assert summary["environment"]["odd"] == 'a "word"\n'
    assert summary["not_run"] == ["x"]


def test_the_report_of_another_run_is_never_touched(tmp_path, make_report):
    """A second writer on the same folder is refused with the file's name."""
    RunWriter(tmp_path / "run").add(row_of(make_report()))
    before = (tmp_path / "run" / "results.jsonl").read_bytes()

    with pytest.raises(ReportError, match=r"results\.jsonl is there already"):
        RunWriter(tmp_path / "run").add(row_of(make_report()))
    assert (tmp_path / "run" / "results.jsonl").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path, make_report):
    """What is in the way is named, and what to do about it."""
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(
        ReportError, match=r"file/run/results\.jsonl cannot be written: Not a directory; .*another"
    ):
        RunWriter(tmp_path / "file" / "run").add(row_of(make_report()))
    with pytest.raises(ReportError, match="is there already"):
        RunWriter(tmp_path / "file").add(row_of(make_report()))


def test_a_summary_that_cannot_be_put_in_place_leaves_nothing_half_written(tmp_path, make_report):
    """The unfinished file is taken away again."""
    writer = RunWriter(tmp_path / "run")
    writer.add(row_of(make_report()))
    (tmp_path / "run" / "summary.json").mkdir()

    with pytest.raises(ReportError, match=r"summary\.json cannot be written"):
        writer.finish(ENVIRONMENT, not_run=(), exit_status=0, seconds=1.0)
    assert names(tmp_path / "run") == ["results.jsonl", "summary.json"]


def test_rows_that_somebody_damaged_are_an_error_and_not_a_wrong_report(tmp_path, make_report):
    """The page is not written from half of the rows."""
    writer = RunWriter(tmp_path / "run")
    writer.add(row_of(make_report()))
    (tmp_path / "run" / "results.jsonl").write_text('{"scenario": ')

    with pytest.raises(ReportError, match=r"report\.md cannot be written"):
        writer.finish(ENVIRONMENT, not_run=(), exit_status=0, seconds=1.0)
    assert names(tmp_path / "run") == ["results.jsonl", "summary.json"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from obra.errors import ReportError
from obra.reports.rows import error_row
from obra.reports.run_writer import RunWriter

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
row = error_row(scenario="s" * 3000, agent="", path="", node="", message="")
writer = RunWriter(Path(sys.argv[1]))
if sys.argv[3] != "first":
    writer.add(row)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    if sys.argv[3] != "finish":
        writer.add(row)
    else:
        writer.finish({}, not_run=("n" * 9000,), exit_status=0, seconds=0.0)
except ReportError as error:
    print(error)
"""


@pytest.mark.parametrize("step", ["first", "add", "finish"])
def test_a_full_disk_is_one_clear_error_and_no_half_line(step, tmp_path):
    """The system stops the write in the middle of a line; the line is taken back and the rest can be read."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "run"), "2000" if step == "first" else "5000", step],
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.search(r"cannot be written: File too large; make room", done.stdout), done.stderr
    assert names(tmp_path / "run") == ([] if step == "first" else ["results.jsonl"])
    if step == "first":
        return
    assert len((tmp_path / "run" / "results.jsonl").read_bytes().splitlines()) == 1
    assert json.loads((tmp_path / "run" / "results.jsonl").read_text())["result"] == "machinery_broke"
